/** A client whose requests take the whole way through the handler, for what the server has no kind of: aggregated resources. */
import type { Client } from '../client/client.ts'
import { type WireResponse, wireClient } from '../client/remote.ts'
import type { UserInfo } from './auth/user.ts'
import type { ResponseBody } from './http/message.ts'
import type { ApiServer } from './server.ts'

export function handlerClient(server: ApiServer, user: UserInfo, userAgent: string): Client {
  return wireClient(
    {
      async send({ method, path, headers, body = '' }, signal): Promise<WireResponse> {
        const { pathname, searchParams } = new URL(path, 'http://server')
        const ended = new AbortController()
        const bytes = Buffer.from(body)
        const response = await server.handle({
          method,
          path: pathname,
          query: searchParams,
          headers,
          body: async () => bytes,
          signal: signal ? AbortSignal.any([signal, ended.signal]) : ended.signal,
          remoteAddress: '',
          user,
        })
        const stream = Object.assign(buffers(response.body), { close: () => ended.abort() })
        return { status: response.status, headers: response.headers, stream }
      },
      close: () => {},
    },
    { userAgent },
  )
}

async function* buffers(body: ResponseBody): AsyncGenerator<Buffer> {
  if (body === undefined) return
  if (Buffer.isBuffer(body)) yield body
  else if (Symbol.asyncIterator in body) for await (const chunk of body) yield Buffer.from(chunk)
  else yield* body
}
