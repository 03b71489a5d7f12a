/** Ways to an S3 server on 127.0.0.1 as tests want them: links with faults, a TLS front, a proxy. */
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingHttpHeaders, request } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

interface Closing {
  readonly port: number
  destroy(): Promise<void>
}

export interface FaultyLink extends Closing {
  /** Bytes that clients have sent, and that the server has answered, since the last `reset`. */
  readonly sent: number
  readonly answered: number
  /** Connections of clients since the last `reset`. */
  readonly connections: number
  /** Counts from zero, without faults. */
  reset(): void
  /** Ends all connections: what is still on its way on them is counted no more. */
  disconnect(): void
  /** Breaks the connection that carries the byte of this count; later ones are whole. */
  breakAt(count: { readonly sent?: readonly number[]; readonly answered?: readonly number[] }): void
  /** The connection that carries this byte stays, and nothing moves on it any more; so it is with as many as told. */
  freezeAt(sent: number, connections?: number): void
  /** From this byte on there is no connection at all. */
  endAt(sent: number): void
  /** Both ways together; Infinity by default. */
  limit(bytesPerSecond: number): void
}

type Direction = 'sent' | 'answered'

/** What a limited link may catch up: its timers come so late, on a busy machine, while data waits. */
const latenessMs = 10

export async function faultyLink(to: number): Promise<FaultyLink> {
  const counts = { sent: 0, answered: 0 }
  let breaks: { [direction in Direction]: number[] } = { sent: [], answered: [] }
  let freeze = { at: Number.POSITIVE_INFINITY, times: 0 }
  let end = Number.POSITIVE_INFINITY
  let rate = Number.POSITIVE_INFINITY
  let free = 0
  let connections = 0
  const sockets = new Set<Socket>()

  /** Resolves when the link has carried that much. */
  const carried = async (bytes: number) => {
    if (rate === Number.POSITIVE_INFINITY) return
    free = Math.max(free, performance.now() - latenessMs) + (bytes / rate) * 1000
    // Timers are coarse: what is due within them passes at once.
    const wait = free - performance.now()
    if (wait > 4) await new Promise(resolve => setTimeout(resolve, wait))
  }
  const forward = async (from: Socket, target: Socket, direction: Direction) => {
    const breakBoth = () => [from, target].forEach(socket => void socket.resetAndDestroy())
    for await (const chunk of from as AsyncIterable<Buffer>) {
      counts[direction] += chunk.length
      const next = breaks[direction][0]
      if (next !== undefined && counts[direction] >= next) {
        breaks[direction].shift()
        return breakBoth()
      }
      if (direction === 'sent' && counts.sent >= end) return breakBoth()
      if (direction === 'sent' && counts.sent >= freeze.at && freeze.times-- > 0) {
        // Held until the other side gives up.
        await once(from, 'close').catch(() => undefined)
        return
      }
      await carried(chunk.length)
      if (!target.write(chunk)) await once(target, 'drain')
    }
    target.end()
  }
  const server = createServer({ allowHalfOpen: true }, client => {
    if (counts.sent >= end) return void client.resetAndDestroy()
    connections++
    const upstream = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        for (const other of [client, upstream]) other.destroy()
      })
    }
    for (const [from, target, direction] of [
      [client, upstream, 'sent'],
      [upstream, client, 'answered'],
    ] as const)
      forward(from, target, direction).catch(() => [from, target].forEach(socket => void socket.destroy()))
  })
  const reset = () => {
    Object.assign(counts, { sent: 0, answered: 0 })
    breaks = { sent: [], answered: [] }
    freeze = { at: Number.POSITIVE_INFINITY, times: 0 }
    end = rate = Number.POSITIVE_INFINITY
    free = 0
    connections = 0
  }
  return {
    port: await listen(server),
    get sent() {
      return counts.sent
    },
    get answered() {
      return counts.answered
    },
    get connections() {
      return connections
    },
    reset,
    disconnect: () => {
      for (const socket of sockets) socket.destroy()
    },
    breakAt: ({ sent = [], answered = [] }) => {
      breaks = { sent: [...sent], answered: [...answered] }
    },
    freezeAt: (at, times = 1) => {
      freeze = { at, times }
    },
    endAt: sent => {
      end = sent
    },
    limit: bytesPerSecond => {
      rate = bytesPerSecond
    },
    destroy: () => close(server, sockets),
  }
}

/** Speaks TLS with the certificate given, PEM, and plain to the server. */
export async function tlsFront(
  to: number,
  certificate: { readonly cert: string; readonly key: string },
): Promise<Closing> {
  const sockets = new Set<Socket>()
  const server = createTlsServer(certificate, client => {
    const upstream = connect(to, '127.0.0.1')
    join(client, upstream, sockets)
  })
  server.on('tlsClientError', () => undefined)
  return { port: await listen(server), destroy: () => close(server, sockets) }
}

export interface Asked {
  readonly method: string
  /** What a client asks of a proxy: a whole URL, or host:port for CONNECT. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

export interface HttpProxy extends Closing {
  readonly asked: Asked[]
}

/** An HTTP proxy for which every name is 127.0.0.1. */
export async function httpProxy(): Promise<HttpProxy> {
  const asked: Asked[] = []
  const sockets = new Set<Socket>()
  const server = createHttpServer((incoming, answer) => {
    const { method = '', url = '', headers } = incoming
    asked.push({ method, url, headers })
    const { port, pathname, search } = new URL(url)
    const { 'proxy-connection': _, ...passed } = headers
    const options = { host: '127.0.0.1', port, method, path: pathname + search, headers: passed }
    const outgoing = request(options, response => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    })
    outgoing.on('error', () => answer.destroy())
    incoming.pipe(outgoing)
  })
  server.on('connect', ({ method = '', url = '', headers }, client: Socket) => {
    asked.push({ method, url, headers })
    const upstream = connect(Number(url.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      join(client, upstream, sockets)
    })
    upstream.on('error', () => client.destroy())
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  return { asked, port: await listen(server), destroy: () => close(server, sockets) }
}

function join(client: Socket, upstream: Socket, sockets: Set<Socket>): void {
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    sockets.add(socket)
    socket.pipe(other)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      other.destroy()
    })
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy()
  server.close()
  await once(server, 'close')
}
