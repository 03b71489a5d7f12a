/**
 * An SPDY/3.1 session over any byte stream, as server or client. Kubernetes' Go peers neither honour nor grant windows: the
 * peer's windows therefore bind only once it has mentioned them, and a stalled reader stops the whole transport.
 */
import type { Duplex } from 'node:stream'
import { dataHeader, type Frame, FrameDecoder, FrameEncoder, resetStatus } from './frames.ts'
import type { SpdyHeaders } from './headers.ts'
import { SpdyStream, type StreamOwner } from './stream.ts'

const defaultWindow = 64 * 1024
const maxDataBytes = 64 * 1024
const maxStreams = 1000
const creditBytes = 32 * 1024
const maxWindow = 0x7fffffff
const lingerMs = 5000

export interface SpdySessionOptions {
  readonly server: boolean
  /** A stream the peer opened. Without it every stream is refused. */
  readonly onStream?: (stream: SpdyStream) => void
  /** Streams with other headers are refused. */
  readonly accepts?: (headers: SpdyHeaders) => boolean
}

export class SpdySession implements StreamOwner {
  /** Aborted when the session is over, for whatever reason. */
  readonly closed: AbortSignal
  readonly #ended = new AbortController()
  readonly #transport: Duplex
  readonly #options: SpdySessionOptions
  readonly #encoder = new FrameEncoder()
  readonly #decoder = new FrameDecoder()
  readonly #streams = new Map<number, SpdyStream>()
  readonly #opening = new Map<number, { resolve(): void; reject(error: Error): void }>()
  readonly #stalled = new Set<SpdyStream>()
  readonly #uncredited = new Map<number, number>()
  #waiting: (() => void)[] = []
  #nextId: number
  #lastRemoteId = 0
  #peerWindows = false
  #initialWindow = defaultWindow
  #sessionWindow = defaultWindow
  #closing = false

  constructor(transport: Duplex, options: SpdySessionOptions) {
    this.#transport = transport
    this.#options = options
    this.#nextId = options.server ? 2 : 1
    this.closed = this.#ended.signal
    transport.on('data', (chunk: Buffer) => this.#receive(chunk))
    transport.on('drain', () => this.#drained())
    transport.on('end', () => this.#end())
    transport.on('close', () => this.#end())
    transport.on('error', () => this.#end())
  }

  /** Opens a stream and resolves once the peer has accepted it. */
  async open(headers: SpdyHeaders): Promise<SpdyStream> {
    if (this.closed.aborted || this.#closing) throw new Error('SPDY session is closed')
    const id = this.#nextId
    this.#nextId += 2
    const stream = this.#add(id, headers)
    const accepted = new Promise<void>((resolve, reject) => this.#opening.set(id, { resolve, reject }))
    this.#transport.write(this.#encoder.encode({ type: 'synStream', id, headers, fin: false }))
    await accepted
    return stream
  }

  /** Says goodbye after what has been written, ignores what still comes, and goes if the peer does not follow. */
  close(): void {
    if (this.#closing || this.closed.aborted) return
    this.#closing = true
    this.#transport.end(this.#encoder.encode({ type: 'goAway', lastId: this.#lastRemoteId, status: 0 }))
    this.#transport.resume()
    for (const stream of [...this.#streams.values()]) stream.cutOff()
    const timer = setTimeout(() => this.#transport.destroy(), lingerMs)
    timer.unref()
    this.closed.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }

  allowance(stream: SpdyStream): number {
    if (!this.#peerWindows) return maxDataBytes
    return Math.min(maxDataBytes, stream.sendWindow, this.#sessionWindow)
  }

  sendData(stream: SpdyStream, data: Buffer, fin: boolean): void {
    if (this.closed.aborted || this.#closing) return
    stream.sendWindow -= data.length
    this.#sessionWindow -= data.length
    this.#transport.cork()
    this.#transport.write(dataHeader(stream.id, data.length, fin))
    if (data.length > 0) this.#transport.write(data)
    this.#transport.uncork()
  }

  whenWritable(callback: () => void): void {
    if (this.#transport.writableNeedDrain && !this.closed.aborted) this.#waiting.push(callback)
    else callback()
  }

  consumed(stream: SpdyStream, bytes: number): void {
    this.#grant(stream.id, bytes)
    if (this.#stalled.delete(stream) && this.#stalled.size === 0) this.#transport.resume()
  }

  stalled(stream: SpdyStream): void {
    this.#stalled.add(stream)
    if (!this.#closing) this.#transport.pause()
  }

  gone(stream: SpdyStream, reset: boolean): void {
    if (reset) this.#send({ type: 'reset', id: stream.id, status: resetStatus.cancel })
    if (stream.destroyed && this.#stalled.delete(stream) && this.#stalled.size === 0) this.#transport.resume()
    this.#streams.delete(stream.id)
    this.#uncredited.delete(stream.id)
  }

  #add(id: number, headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(this, id, headers, this.#initialWindow)
    this.#streams.set(id, stream)
    return stream
  }

  #send(frame: Parameters<FrameEncoder['encode']>[0]): void {
    if (!this.closed.aborted && !this.#closing) this.#transport.write(this.#encoder.encode(frame))
  }

  /**
   * Windows are granted in steps, for the stream and for the session (stream 0). Never to a server: Go's do not ask for it,
   * and one that has just closed the connection would answer with a TCP reset, which costs what it said last.
   */
  #grant(id: number, bytes: number): void {
    if (bytes === 0 || !this.#options.server) return
    for (const target of this.#streams.has(id) ? [id, 0] : [0]) {
      const total = (this.#uncredited.get(target) ?? 0) + bytes
      if (total >= creditBytes) this.#send({ type: 'windowUpdate', id: target, delta: total })
      this.#uncredited.set(target, total >= creditBytes ? 0 : total)
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#closing || this.#ended.signal.aborted) return
    try {
      for (const frame of this.#decoder.push(chunk)) this.#handle(frame)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case 'synStream':
        this.#accept(frame.id, frame.headers, frame.fin)
        break
      case 'synReply':
        this.#opening.get(frame.id)?.resolve()
        this.#opening.delete(frame.id)
        if (frame.fin) this.#streams.get(frame.id)?.endOfInput()
        break
      case 'reset':
        this.#reset(frame.id, frame.status)
        break
      case 'settings':
        if (frame.initialWindow !== undefined) this.#resizeWindows(frame.initialWindow)
        break
      case 'ping':
        if ((frame.id % 2 === 1) === this.#options.server) this.#send(frame)
        break
      case 'goAway':
        this.#goneAway()
        break
      case 'windowUpdate':
        this.#widen(frame.id, frame.delta)
        break
      case 'data':
        this.#streams.get(frame.id)?.receive(frame.data, frame.fin)
        break
    }
  }

  #accept(id: number, headers: SpdyHeaders, fin: boolean): void {
    const status = this.#refusal(id, headers)
    if (status !== undefined) {
      this.#send({ type: 'reset', id, status })
      return
    }
    const stream = this.#add(id, headers)
    this.#send({ type: 'synReply', id, headers: {}, fin: false })
    this.#options.onStream?.(stream)
    if (fin) stream.endOfInput()
  }

  #refusal(id: number, headers: SpdyHeaders): number | undefined {
    const { server, onStream, accepts } = this.#options
    const mine = id % 2 === (server ? 0 : 1)
    if (mine || id <= this.#lastRemoteId) return resetStatus.protocolError
    this.#lastRemoteId = id
    if (this.#streams.size >= maxStreams || !onStream || accepts?.(headers) === false) return resetStatus.refused
    return undefined
  }

  #reset(id: number, status: number): void {
    const stream = this.#streams.get(id)
    stream?.cutOff()
    this.#opening.get(id)?.reject(new Error(`SPDY stream was refused (status ${status})`))
    this.#opening.delete(id)
  }

  #resizeWindows(initial: number): void {
    this.#peerWindows = true
    for (const stream of this.#streams.values()) stream.sendWindow += initial - this.#initialWindow
    this.#initialWindow = initial
    for (const stream of this.#streams.values()) stream.flush()
  }

  #widen(id: number, delta: number): void {
    this.#peerWindows = true
    const stream = this.#streams.get(id)
    if (id === 0) this.#sessionWindow = Math.min(maxWindow, this.#sessionWindow + delta)
    else if (stream) stream.sendWindow = Math.min(maxWindow, stream.sendWindow + delta)
    for (const each of id === 0 ? this.#streams.values() : stream ? [stream] : []) each.flush()
  }

  #goneAway(): void {
    for (const { reject } of this.#opening.values()) reject(new Error('the peer closed the SPDY session'))
    this.#opening.clear()
    if (this.#streams.size === 0) this.close()
  }

  #drained(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }

  #fail(error: Error): void {
    for (const stream of [...this.#streams.values()]) stream.destroy(error)
    this.#transport.destroy()
    this.#end()
  }

  #end(): void {
    if (this.#ended.signal.aborted) return
    this.#ended.abort()
    for (const { reject } of this.#opening.values()) reject(new Error('the SPDY session ended'))
    this.#opening.clear()
    for (const stream of [...this.#streams.values()]) stream.cutOff()
    this.#drained()
    if (!this.#closing) this.#transport.end()
  }
}
