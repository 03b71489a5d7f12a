/** A watch over WebSocket: one text message per event. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { drained } from './drained.ts'
import type { ApiRequest } from './message.ts'

/** Answers the upgrade and sends every line of `frames` as a message; closes when they end or the client goes. */
export async function watchOverWebSocket(
  request: ApiRequest,
  socket: Duplex,
  head: Buffer,
  frames: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { WebSocketServer } = await import('../../streaming/websocket/library.ts')
  const server = new WebSocketServer({ noServer: true, clientTracking: false })
  const { method, headers } = request
  const opening = { method, headers, url: request.path } as unknown as IncomingMessage
  const client = await new Promise<import('ws').WebSocket>(resolve =>
    server.handleUpgrade(opening, socket, head, resolve),
  )
  client.on('error', () => client.terminate())
  for await (const chunk of frames) {
    if (client.readyState !== client.OPEN) break
    for (const line of Buffer.from(chunk).toString('utf8').trimEnd().split('\n')) client.send(line)
    if (socket.writableNeedDrain) await drained(socket)
  }
  client.close(1000)
}
