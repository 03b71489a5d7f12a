/** Becoming a WebSocket by HTTP upgrade. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { headerList, refuseUpgrade } from '../http.ts'

const maxMessageBytes = 16 * 1024 * 1024
const protocolHeader = 'sec-websocket-protocol'

export interface AcceptedWebSocket {
  readonly ws: WebSocket
  /** "" when the client named none. */
  readonly protocol: string
}

export function isWebSocketUpgrade(request: Pick<IncomingMessage, 'headers'>): boolean {
  return headerList(request.headers, 'upgrade').some(name => name.toLowerCase() === 'websocket')
}

/**
 * Answers the upgrade with the first of the client's subprotocols that is known; undefined when none is (403 was sent) or
 * the handshake is invalid (400). Kubernetes' names may hold a "/", which `ws` refuses, so it does not get to see them.
 */
export async function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  known: readonly string[],
): Promise<AcceptedWebSocket | undefined> {
  const { WebSocketServer } = await import('./library.ts')
  const offered = headerList(request.headers, protocolHeader)
  const protocol = offered.length === 0 ? '' : offered.find(name => known.includes(name))
  if (protocol === undefined) {
    refuseUpgrade(socket, 403, `no supported subprotocol among [${offered.join(' ')}]`)
    return undefined
  }
  delete request.headers[protocolHeader]
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
  })
  if (protocol !== '') server.on('headers', lines => lines.push(`Sec-WebSocket-Protocol: ${protocol}`))
  return new Promise(resolve => {
    server.on('wsClientError', error => {
      refuseUpgrade(socket, 400, error.message)
      resolve(undefined)
    })
    server.handleUpgrade(request, socket, head, ws => resolve({ ws, protocol }))
  })
}
