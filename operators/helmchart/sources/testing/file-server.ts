/** A small web server of files in memory, on loopback. */
import { createServer as createHttp, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createHttps, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface FileServer {
  readonly url: string
  /** Path to content; a URL in angle brackets is a redirect. */
  readonly files: Map<string, string | Buffer>
  /** Method, path and Authorization of every request. */
  readonly seen: string[]
  /** "user:password" that is asked for, if any. */
  password: string | undefined
  close(): Promise<void>
}

export async function serveFiles(tls?: ServerOptions): Promise<FileServer> {
  const files = new Map<string, string | Buffer>()
  const seen: string[] = []
  const handle: RequestListener = (request, response) => {
    const { authorization = '-' } = request.headers
    seen.push(`${request.method} ${request.url} ${authorization}`)
    if (!mayRead(request, server.password)) return void response.writeHead(401).end('who are you?')
    const found = files.get(decodeURIComponent((request.url ?? '').split('?')[0]!))
    if (found === undefined) return void response.writeHead(404).end('nothing here')
    const target = typeof found === 'string' ? /^<(.*)>$/.exec(found)?.[1] : undefined
    if (target !== undefined) return void response.writeHead(302, { location: target }).end()
    response.end(found)
  }
  const listener = tls ? createHttps(tls, handle) : createHttp(handle)
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  const server: FileServer = {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    files,
    seen,
    password: undefined,
    close: () =>
      new Promise(resolve => {
        listener.close(() => resolve())
        listener.closeAllConnections()
      }),
  }
  return server
}

function mayRead({ headers }: IncomingMessage, password: string | undefined): boolean {
  return password === undefined || headers.authorization === `Basic ${Buffer.from(password).toString('base64')}`
}
