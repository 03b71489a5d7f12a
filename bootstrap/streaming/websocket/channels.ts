/**
 * Kubernetes' channels over a WebSocket: each message starts with the number of its channel, a byte in the binary protocols,
 * a digit before base64 text in the others. v5 adds a message on channel 255 that closes the channel it names.
 */
import { Readable, Writable } from 'node:stream'
import type { RawData, WebSocket } from 'ws'

const closeSignal = 255

export class ChannelSocket {
  /** Aborted when the connection is over. */
  readonly closed: AbortSignal
  readonly #ended = new AbortController()
  readonly #ws: WebSocket
  readonly #base64: boolean
  readonly #closable: boolean
  readonly #readers = new Map<number, Readable>()
  readonly #full = new Set<number>()
  #closing = false

  constructor(ws: WebSocket, protocol: string) {
    this.#ws = ws
    this.#base64 = protocol.includes('base64')
    this.#closable = protocol.startsWith('v5.')
    this.closed = this.#ended.signal
    ws.on('message', (data: RawData) => this.#message(data as Buffer))
    ws.on('error', () => ws.terminate())
    ws.on('close', () => {
      this.#ended.abort()
      for (const reader of this.#readers.values()) reader.push(null)
      this.#readers.clear()
    })
  }

  /** What the client sends on a channel. While nobody takes it, nothing more is read from the connection. */
  reader(channel: number): Readable {
    const taken = () => {
      if (this.#full.delete(channel) && this.#full.size === 0) this.#ws.resume()
    }
    const reader = new Readable({ read: taken })
    // A channel that has been closed is asked for no more, also when it was full.
    reader.once('end', taken)
    this.#readers.set(channel, reader)
    return reader
  }

  writer(channel: number): Writable {
    return new Writable({
      write: (data: Buffer, _, done) => {
        if (this.closed.aborted) done()
        else this.#ws.send(this.#encode(channel, data), () => done())
      },
    })
  }

  /** Closes after what has been written, ignoring what still comes. */
  close(): void {
    this.#closing = true
    this.#ws.close(1000)
    this.#ws.resume()
  }

  #encode(channel: number, data: Buffer): Buffer | string {
    if (this.#base64) return `${channel}${data.toString('base64')}`
    return Buffer.concat([Buffer.of(channel), data])
  }

  #message(message: Buffer): void {
    if (message.length === 0 || this.#closing) return
    const channel = this.#base64 ? message[0]! - 0x30 : message[0]!
    if (this.#closable && channel === closeSignal) {
      const closing = message[1] ?? closeSignal
      this.#readers.get(closing)?.push(null)
      this.#readers.delete(closing)
      return
    }
    const data = this.#base64 ? Buffer.from(message.toString('latin1', 1), 'base64') : message.subarray(1)
    const reader = this.#readers.get(channel)
    if (!reader || data.length === 0 || reader.push(data) || this.closed.aborted) return
    this.#full.add(channel)
    this.#ws.pause()
  }
}
