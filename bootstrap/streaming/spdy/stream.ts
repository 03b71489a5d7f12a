/** One SPDY stream as a Node Duplex: ending it sends FIN, destroying it resets it. */
import { Duplex } from 'node:stream'
import type { SpdyHeaders } from './headers.ts'

/** What a stream asks of its session. */
export interface StreamOwner {
  /** How many bytes of this stream may be sent now. */
  allowance(stream: SpdyStream): number
  sendData(stream: SpdyStream, data: Buffer, fin: boolean): void
  /** Calls back once the transport takes more. */
  whenWritable(callback: () => void): void
  /** The reader takes more; `bytes` were received since the last call. */
  consumed(stream: SpdyStream, bytes: number): void
  stalled(stream: SpdyStream): void
  gone(stream: SpdyStream, reset: boolean): void
}

const highWaterMark = 64 * 1024

/** 'error' never goes unhandled: a broken stream ends, its process does not. */
export class SpdyStream extends Duplex {
  readonly id: number
  readonly headers: SpdyHeaders
  /** Bytes the peer allows, as far as it does flow control. */
  sendWindow: number
  readonly #owner: StreamOwner
  #pending: { data: Buffer; readonly done: () => void } | undefined
  #received = 0
  #remoteEnded = false
  #localEnded = false
  #cut = false

  constructor(owner: StreamOwner, id: number, headers: SpdyHeaders, sendWindow: number) {
    super({ readableHighWaterMark: highWaterMark, writableHighWaterMark: highWaterMark })
    this.id = id
    this.headers = headers
    this.sendWindow = sendWindow
    this.#owner = owner
    this.on('error', () => {})
  }

  /** Data from the peer. */
  receive(data: Buffer, fin: boolean): void {
    if (this.#remoteEnded || this.destroyed) return
    if (data.length > 0) {
      this.#received += data.length
      if (this.push(data)) this.#credit()
      else this.#owner.stalled(this)
    }
    if (fin) this.endOfInput()
  }

  endOfInput(): void {
    if (this.#remoteEnded) return
    this.#remoteEnded = true
    // Once ended, Node asks for no more: that all has been read must be told otherwise, or the transport stays stopped.
    this.once('end', () => this.#credit())
    this.push(null)
    this.#leaveWhenOver()
  }

  /** The peer takes no more and sends no more: what was received stays readable, what is written is dropped. */
  cutOff(): void {
    this.#cut = true
    this.#localEnded = true
    this.flush()
    this.endOfInput()
  }

  /** Sends what the windows allow. */
  flush(): void {
    const pending = this.#pending
    if (!pending) return
    while (pending.data.length > 0 && !this.#cut) {
      const length = Math.min(pending.data.length, this.#owner.allowance(this))
      if (length <= 0) return
      this.#owner.sendData(this, pending.data.subarray(0, length), false)
      pending.data = pending.data.subarray(length)
    }
    this.#pending = undefined
    this.#owner.whenWritable(pending.done)
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#pending = { data, done }
    this.flush()
  }

  override _final(done: () => void): void {
    if (!this.#cut) this.#owner.sendData(this, Buffer.alloc(0), true)
    this.#localEnded = true
    this.#leaveWhenOver()
    done()
  }

  override _read(): void {
    this.#credit()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#pending = undefined
    this.#owner.gone(this, !this.#cut && !(this.#remoteEnded && this.#localEnded))
    done(error)
  }

  #credit(): void {
    this.#owner.consumed(this, this.#received)
    this.#received = 0
  }

  #leaveWhenOver(): void {
    if (this.#remoteEnded && this.#localEnded) this.#owner.gone(this, false)
  }
}
