/** The HTTP side of protocol upgrades, on sockets that Node's server has let go. */
import { type IncomingHttpHeaders, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** Values of a header that may be repeated or hold a list. */
export function headerList(headers: IncomingHttpHeaders, name: string): string[] {
  const value = headers[name]
  const text = Array.isArray(value) ? value.join(',') : (value ?? '')
  return text.split(',').flatMap(part => part.trim() || [])
}

/** Answers 101; the socket speaks the new protocol from then on. `written` is called once the answer has left. */
export function switchProtocols(
  socket: Duplex,
  headers: { readonly [name: string]: string },
  head: Buffer,
  written?: () => void,
): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`, written)
  if (head.length > 0) socket.unshift(head)
}

/** Refuses an upgrade with a line of plain text. */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  text: string,
  headers: { readonly [name: string]: string } = {},
): void {
  if (socket.destroyed) return
  const all = {
    ...headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(text)),
    Connection: 'close',
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  lastWords(socket, `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`)
}

/** How long a client may take to close a connection whose last words it has been sent. */
const lingerMs = 5000

/**
 * Ends a socket that Node's server has let go and that nobody reads. What still comes in is thrown away: unread, it would keep
 * the client's end from being noticed, and the socket open for good. A client that does not end is cut off.
 */
export function lastWords(socket: Duplex, text: string): void {
  socket.on('error', () => socket.destroy())
  socket.end(text)
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}
