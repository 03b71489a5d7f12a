/** The kubelet's listeners: HTTPS with client certificates on 10250, and plain /healthz on loopback. */
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { lastWords } from '../../streaming/http.ts'
import type { KubeletHandler, KubeletUser } from './handler.ts'

export interface ListenerOptions {
  readonly port: number
  readonly bindAddress: string
  /** PEM */
  readonly certificate: string
  readonly key: string
  readonly clientCa: string
}

export interface Listener {
  readonly port: number
  /** New connections see these; PEM. */
  useCertificate?(identity: Pick<ListenerOptions, 'certificate' | 'key' | 'clientCa'>): void
  /** Refuses new connections and ends those there are, streams included. */
  close(): void
}

/** The user a client certificate names; undefined without a certificate of the client CA. */
function userOf(socket: TLSSocket): KubeletUser | undefined {
  if (!socket.authorized) return undefined
  const { subject } = socket.getPeerCertificate()
  const organizations = subject?.O as string | string[] | undefined
  return { name: String(subject?.CN ?? ''), groups: organizations === undefined ? [] : [organizations].flat() }
}

/** Whose token a request carries; undefined for a token that is not worth anything. */
export type TokenCheck = (token: string) => Promise<KubeletUser | undefined>

/** A client certificate, else a bearer token. */
async function identify(request: IncomingMessage, check: TokenCheck | undefined): Promise<KubeletUser | undefined> {
  const byCertificate = userOf(request.socket as TLSSocket)
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (byCertificate || token === undefined) return byCertificate
  return await check?.(token)
}

/** Resolves once the port is open. Rejects when it is taken. */
export async function listenKubelet(
  options: ListenerOptions,
  handler: KubeletHandler,
  check?: TokenCheck,
): Promise<Listener> {
  const server = createServer({
    cert: options.certificate,
    key: options.key,
    ca: options.clientCa,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  })
  server.on('request', (request, response) => {
    const refuse = () =>
      void response.writeHead(401, { 'content-type': 'text/plain; charset=utf-8' }).end('Unauthorized')
    identify(request, check).then(user => (user ? handler.request(request, response, user) : refuse()), refuse)
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    const refuse = () =>
      lastWords(socket, 'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    identify(request, check).then(user => (user ? handler.upgrade(request, socket, head, user) : refuse()), refuse)
  })
  const listener = await listening(server, options.port, options.bindAddress)
  return {
    ...listener,
    useCertificate: ({ certificate, key, clientCa }) =>
      server.setSecureContext({ cert: certificate, key, ca: clientCa, minVersion: 'TLSv1.2' }),
  }
}

/** GET /healthz on loopback. */
export async function listenHealthz(port: number): Promise<Listener> {
  const server = createHttpServer((request, response) => {
    const known = request.url === '/healthz'
    response
      .writeHead(known ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' })
      .end(known ? 'ok' : '404 page not found\n')
  })
  return listening(server, port, '127.0.0.1')
}

function listening(server: Server, port: number, address: string): Promise<Listener> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const close = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => resolve({ port: (server.address() as AddressInfo).port, close }))
  })
}
