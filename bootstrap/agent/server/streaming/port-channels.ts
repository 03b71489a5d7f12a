/** Port-forward over WebSocket channels: two per port, data and error, each starting with the port's number. */
import { Duplex } from 'node:stream'
import type { ChannelSocket } from '../../../streaming/websocket/channels.ts'
import type { Forwarder } from './forwarders.ts'

export const portSubprotocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io'] as const

/** The ports of a kubelet's query. Throws when there is none or one is not a port. */
export function queriedPorts(query: URLSearchParams): number[] {
  const words = query.getAll('port').flatMap(value => value.split(','))
  if (words.length === 0) throw new Error('query parameter "port" is required')
  return words.map(word => {
    const port = /^\d{1,5}$/.test(word) ? Number(word) : 0
    if (port < 1 || port > 65_535) throw new Error(`unable to parse ${JSON.stringify(word)} as a port`)
    return port
  })
}

export async function forwardChannels(
  socket: ChannelSocket,
  ports: readonly number[],
  forwarder: Forwarder,
): Promise<void> {
  await Promise.all(
    ports.map(async (port, index) => {
      const data = Duplex.from({ readable: socket.reader(index * 2), writable: socket.writer(index * 2) })
      const error = socket.writer(index * 2 + 1)
      const number = Buffer.alloc(2)
      number.writeUInt16LE(port)
      data.write(number)
      error.write(number)
      const message = await forwarder.forward(port, data).catch((failed: Error) => failed.message)
      if (message !== '') error.write(message)
    }),
  )
  socket.close()
}
