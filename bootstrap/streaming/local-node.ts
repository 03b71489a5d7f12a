/** The way to a server by HTTPS, with the API server's client certificate: an agent, an aggregated server, a webhook. */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { Duplex, Readable } from 'node:stream'
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls'
import { joinStreams } from './join.ts'

type Headers = { readonly [name: string]: string | readonly string[] | undefined }

export interface LocalNodeOptions {
  readonly port: number
  /** 127.0.0.1 unless given. */
  readonly host?: string
  /** The name to expect in the agent's certificate; its address unless given. */
  readonly serverName?: string
  /** PEM: the client's certificate and key, and the CA of the agent's. */
  readonly cert?: string
  readonly key?: string
  readonly ca?: string | undefined
  /** The agent's certificate is not checked. */
  readonly insecure?: boolean
  /** Every request may be sent twice, not only those that read. */
  readonly repeatable?: boolean
  /** Asked for each new connection: one that was opened some other way, or undefined to dial host and port. */
  readonly via?: () => Promise<Duplex> | undefined
}

/** Both methods ignore the node's name: there is one node here. */
export interface LocalNode {
  request(
    nodeName: string,
    method: string,
    path: string,
    headers: Headers,
    signal: AbortSignal,
    body?: Buffer,
  ): Promise<{ status: number; headers: IncomingMessage['headers']; body: Readable }>
  /** Rejects, with the socket untouched, when there is no answer. */
  upgrade(nodeName: string, path: string, headers: Headers, socket: Duplex, head: Buffer, method: string): Promise<void>
  /** Closes idle connections. */
  close(): void
}

export function localNodeConnect(options: LocalNodeOptions): LocalNode {
  const { port, host = '127.0.0.1', serverName, cert, key, ca, insecure = false, repeatable = false, via } = options
  const names = serverName === undefined ? {} : { servername: serverName }
  const own = cert === undefined ? {} : { cert, key }
  const tls = { host, port, ...own, ...(ca ? { ca } : {}), ...names, rejectUnauthorized: !insecure }
  const agent = agentVia(new Agent({ keepAlive: true, timeout: 60_000 }), via)
  return {
    request: (_, method, path, headers, signal, body) =>
      new Promise((resolve, reject) => {
        const mayRepeat = repeatable || method === 'GET' || method === 'HEAD'
        const attempt = (first: boolean) => {
          const call = httpsRequest({ ...tls, agent, method, path, headers: ownHeaders(headers), signal })
          call.on('response', answer =>
            resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: answer }),
          )
          call.on('error', (error: NodeJS.ErrnoException) => {
            // The other side may close a kept connection just when it is used again.
            const lost = call.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
            if (first && mayRepeat && lost && !signal.aborted) attempt(false)
            else reject(error)
          })
          call.end(body)
        }
        attempt(true)
      }),
    upgrade: (_, path, headers, socket, head, method) =>
      new Promise((resolve, reject) => {
        const once = agentVia(new Agent(), via)
        const call = httpsRequest({ ...tls, agent: once, method, path, headers: ownHeaders(headers) })
        const gone = () => call.destroy()
        socket.on('error', () => socket.destroy())
        socket.once('close', gone)
        call.on('upgrade', (answer: IncomingMessage, backend: Duplex, first: Buffer) => {
          socket.off('close', gone)
          socket.write(answerHead(answer))
          if (first.length > 0) socket.write(first)
          if (head.length > 0) backend.write(head)
          joinStreams(socket, backend)
          resolve()
        })
        call.on('response', (answer: IncomingMessage) => {
          socket.write(answerHead(answer))
          answer.pipe(socket)
          resolve()
        })
        call.on('error', reject)
        call.end()
      }),
    close: () => agent.destroy(),
  }
}

/** The same agent, whose connections are TLS over those that `via` gives. */
function agentVia(agent: Agent, via: LocalNodeOptions['via']): Agent {
  if (!via) return agent
  const dial = agent.createConnection.bind(agent)
  agent.createConnection = (options, made) => {
    const way = via()
    if (!way) return dial(options, made)
    const failed = (error: Error) => made?.(error, undefined as unknown as Duplex)
    way.then(socket => made?.(null, tlsConnect({ ...(options as ConnectionOptions), socket })), failed)
    return undefined
  }
  return agent
}

/** The host of the client's request is not ours. */
function ownHeaders(headers: Headers): { [name: string]: string | string[] } {
  const kept = Object.entries(headers).filter(([name, value]) => value !== undefined && name !== 'host')
  return Object.fromEntries(kept.map(([name, value]) => [name, Array.isArray(value) ? [...value] : String(value)]))
}

/** A refusal is passed on as one body that ends with the connection. */
function answerHead(answer: IncomingMessage): string {
  const status = answer.statusCode ?? 502
  const lines: string[] = []
  for (let at = 0; at < answer.rawHeaders.length; at += 2) {
    const name = answer.rawHeaders[at]!
    const kept = status === 101 || !/^(connection|keep-alive|transfer-encoding)$/i.test(name)
    if (kept) lines.push(`${name}: ${answer.rawHeaders[at + 1]}\r\n`)
  }
  if (status !== 101) lines.push('Connection: close\r\n')
  return `HTTP/1.1 ${status} ${answer.statusMessage || STATUS_CODES[status] || ''}\r\n${lines.join('')}\r\n`
}
