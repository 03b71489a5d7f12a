import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { SpdySession } from '../../../streaming/spdy/session.ts'
import { type Runtime, RuntimeError } from '../../runtime.ts'
import type { StreamTarget } from '../handler.ts'
import { streamHandler } from './handler.ts'

const handler = streamHandler({ creationTimeoutMs: 50 })
const refusing = {
  execUrl: async () => Promise.reject(new RuntimeError('exec is not supported by the embedded runtime', 12)),
  attachUrl: async () => Promise.reject(new RuntimeError('container is gone', 5)),
} as unknown as Runtime

let server: Server
let echo: TcpServer
beforeAll(async () => {
  server = createServer()
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = new URL(incoming.url ?? '', 'http://kubelet')
    const target = {
      kind: url.pathname.slice(1),
      pod: { metadata: { name: 'p', namespace: 'ns', uid: 'u' }, spec: { containers: [], hostNetwork: true } },
      runtime: refusing,
      sandboxId: 's',
      containerId: 'c',
      query: url.searchParams,
    } as unknown as StreamTarget
    handler.upgrade(incoming, socket, head, target)
  })
  echo = createTcpServer({ allowHalfOpen: true }, socket => socket.pipe(socket))
  for (const each of [server, echo]) await once(each.listen(0, '127.0.0.1'), 'listening')
})
afterAll(() => {
  server.close()
  echo.close()
})

const portOf = (listener: TcpServer | Server) => (listener.address() as AddressInfo).port

function upgrade(path: string, protocol: string): Promise<string | SpdySession> {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol }
    const call = request({ port: portOf(server), method: 'POST', path, headers, agent: false })
    call.on('upgrade', (_, socket) => resolve(new SpdySession(socket, { server: false })))
    call.on('response', answer => {
      text(answer).then(words => resolve(`${answer.statusCode} ${words}`), reject)
    })
    call.on('error', reject)
    call.end()
  })
}

test.each([
  ['/exec?command=ls&output=1', 'v4.channel.k8s.io', '501 exec is not supported by the embedded runtime'],
  ['/attach?output=1', 'v4.channel.k8s.io', '500 container is gone'],
  ['/exec?command=ls', 'v4.channel.k8s.io', '500 you must specify at least 1 of stdin, stdout, stderr'],
  [
    '/portForward',
    'other.k8s.io',
    '403 unable to upgrade: unable to negotiate protocol: client supports [other.k8s.io], server accepts [portforward.k8s.io]',
  ],
])('%s for %s is refused', async (path, protocol, answer) => {
  expect(await upgrade(path, protocol)).toBe(answer)
})

test("ports of a pod on the host's network are reached by TCP, side by side", async () => {
  const session = (await upgrade('/portForward', 'portforward.k8s.io')) as SpdySession
  const port = String(portOf(echo))
  const connections = await Promise.all(
    ['0', '1'].map(async requestid => {
      const error = await session.open({ streamtype: 'error', port, requestid })
      return [error, await session.open({ streamtype: 'data', port, requestid })] as const
    }),
  )
  for (const [index, [error, data]] of connections.entries()) {
    error.end()
    data.end(`hello ${index}`)
  }
  expect(await Promise.all(connections.flat().map(stream => text(stream)))).toEqual(['', 'hello 0', '', 'hello 1'])
  session.close()
})

test('a port nobody listens on and a connection without its data stream are told on the error stream', async () => {
  const session = (await upgrade('/portForward', 'portforward.k8s.io')) as SpdySession
  const error = await session.open({ streamtype: 'error', port: '1', requestid: '0' })
  await session.open({ streamtype: 'data', port: '1', requestid: '0' })
  expect(await text(error)).toMatch(/^error forwarding port 1 to pod p, uid u: .*connection refused$/)
  const lonely = await session.open({ streamtype: 'error', port: '1', requestid: '1' })
  expect(await text(lonely)).toBe('(request=1) timed out waiting for streams')
  await expect(session.open({ streamtype: 'data', port: '70000' })).rejects.toThrow('refused')
  session.close()
})
