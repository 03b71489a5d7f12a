/** Listening for DNS on UDP and TCP. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIP, type Server, type Socket } from 'node:net'
import type { Peer } from '../plugins/plugin.ts'

/** Answers one packet: at once, later, or never (undefined). */
export interface Responder {
  udp(packet: Buffer, peer: Peer, send: (answer: Buffer) => void): void
  tcp(packet: Buffer, peer: Peer): Promise<Buffer | undefined>
}

export interface DnsListener {
  readonly port: number
  close(): Promise<void>
}

const idleMs = 10_000
const maxConnections = 2048

/** Serves one address and port (0: any free one, the same for both) until closed. Rejects when the port is taken. */
export async function listenDns(host: string, port: number, responder: Responder): Promise<DnsListener> {
  const sockets = new Set<Socket>()
  const tcp = createServer(socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    void serveTcp(socket, responder)
  })
  tcp.maxConnections = maxConnections
  tcp.listen(port, host)
  await once(tcp, 'listening')
  const chosen = (tcp.address() as { port: number }).port
  const family = isIP(host) === 6 ? 6 : 4
  const udp = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    recvBufferSize: 4 << 20,
    sendBufferSize: 1 << 20,
    // Peers are addresses already; the usual look-up would cost each answer a turn of the event loop.
    lookup: (address, _options, callback) => callback(null, address, family),
  })
  udp.on('message', (packet, peer) => {
    responder.udp(packet, peer, answer => sendUdp(udp, answer, peer))
  })
  // Asked for first: with a look-up that takes no time, bind may be done before it returns.
  const listening = once(udp, 'listening')
  try {
    udp.bind(chosen, host)
    await listening
  } catch (error) {
    tcp.close()
    throw error
  }
  udp.on('error', () => {})
  return { port: chosen, close: () => close(udp, tcp, sockets) }
}

function sendUdp(udp: UdpSocket, answer: Buffer, peer: Peer): void {
  try {
    udp.send(answer, peer.port, peer.address)
  } catch {
    // Closed in the meantime, or a peer that cannot be sent to (port 0).
  }
}

async function close(udp: UdpSocket, tcp: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  udp.close()
  for (const socket of sockets) socket.destroy()
  await new Promise<void>(resolve => tcp.close(() => resolve()))
}

/**
 * Questions on one connection are answered in order, and no more is read while one is worked on, so that a client that
 * asks without listening holds nothing but its own connection. A silent one is hung up on.
 */
async function serveTcp(socket: Socket, responder: Responder): Promise<void> {
  const peer = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
  let received: Buffer = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.setTimeout(idleMs, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  try {
    for await (const data of socket as AsyncIterable<Buffer>) {
      received = received.length === 0 ? data : Buffer.concat([received, data])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        const answer = await responder.tcp(received.subarray(2, end), peer)
        received = received.subarray(end)
        if (answer) await write(socket, answer)
      }
    }
  } catch {
    // The connection is gone.
  }
  socket.destroy()
}

async function write(socket: Socket, answer: Buffer): Promise<void> {
  const framed = Buffer.allocUnsafe(answer.length + 2)
  framed.writeUInt16BE(answer.length)
  answer.copy(framed, 2)
  if (socket.destroyed || socket.write(framed)) return
  await Promise.race([once(socket, 'drain'), once(socket, 'close')])
}
