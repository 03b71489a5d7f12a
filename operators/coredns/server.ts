/** Listening for DNS on UDP and TCP. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIP, type Server, type Socket } from 'node:net'
import { parseQuery, type Query } from './message.ts'

export type Answer = (query: Query, overTcp: boolean) => Promise<Buffer>

export interface DnsListener {
  readonly port: number
  close(): Promise<void>
}

const idleMs = 10_000

/** Serves one address and port (0: any free one, the same for both) until closed. */
export async function listenDns(host: string, port: number, answer: Answer): Promise<DnsListener> {
  const tcp = createServer(socket => serveTcp(socket, answer))
  tcp.listen(port, host)
  await once(tcp, 'listening')
  const chosen = (tcp.address() as { port: number }).port
  const udp = createSocket({ type: isIP(host) === 6 ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 })
  udp.on('message', (raw, peer) => void serveUdp(udp, raw, peer, answer))
  udp.bind(chosen, host)
  try {
    await once(udp, 'listening')
  } catch (error) {
    tcp.close()
    throw error
  }
  return { port: chosen, close: () => close(udp, tcp) }
}

async function close(udp: UdpSocket, tcp: Server): Promise<void> {
  udp.close()
  await new Promise<void>(resolve => tcp.close(() => resolve()))
}

async function serveUdp(
  udp: UdpSocket,
  raw: Buffer,
  peer: { address: string; port: number },
  answer: Answer,
): Promise<void> {
  const query = parseQuery(raw)
  if (!query) return
  const bytes = await answer(query, false)
  try {
    udp.send(bytes, peer.port, peer.address)
  } catch {
    // closed in the meantime
  }
}

/** Questions on one connection are answered in order; a silent or malformed one is hung up on. */
function serveTcp(socket: Socket, answer: Answer): void {
  let received = Buffer.alloc(0)
  let turn = Promise.resolve()
  socket.setTimeout(idleMs, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', data => {
    received = Buffer.concat([received, data])
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const length = received.readUInt16BE(0)
      const query = parseQuery(received.subarray(2, 2 + length))
      received = received.subarray(2 + length)
      if (!query) return void socket.destroy()
      turn = turn.then(async () => {
        const bytes = await answer(query, true)
        const head = Buffer.alloc(2)
        head.writeUInt16BE(bytes.length)
        if (!socket.destroyed) socket.write(Buffer.concat([head, bytes]))
      })
    }
  })
}
