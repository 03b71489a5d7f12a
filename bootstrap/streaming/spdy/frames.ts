/** SPDY/3.1 frames: what they say, and their form on the wire. HEADERS and unknown control frames are skipped. */
import { HeaderDecoder, HeaderEncoder, type SpdyHeaders, SpdyProtocolError } from './headers.ts'

export type Frame =
  | { readonly type: 'synStream'; readonly id: number; readonly headers: SpdyHeaders; readonly fin: boolean }
  | { readonly type: 'synReply'; readonly id: number; readonly headers: SpdyHeaders; readonly fin: boolean }
  | { readonly type: 'reset'; readonly id: number; readonly status: number }
  | { readonly type: 'settings'; readonly initialWindow: number | undefined }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goAway'; readonly lastId: number; readonly status: number }
  | { readonly type: 'windowUpdate'; readonly id: number; readonly delta: number }
  | { readonly type: 'data'; readonly id: number; readonly data: Buffer; readonly fin: boolean }

type ControlFrame = Exclude<Frame, { type: 'data' | 'settings' }>

export const resetStatus = { protocolError: 1, refused: 3, cancel: 5 } as const

const version = 3
const kinds = { synStream: 1, synReply: 2, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 9 } as const
const finFlag = 1
const initialWindowSetting = 7
const headerBytes = 8
const maxControlBytes = 64 * 1024

/** The eight bytes before `length` bytes of a stream's data. */
export function dataHeader(id: number, length: number, fin: boolean): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  bytes.writeUInt32BE(id)
  bytes.writeUInt32BE(length, 4)
  if (fin) bytes[4] = finFlag
  return bytes
}

export class FrameEncoder {
  readonly #headers = new HeaderEncoder()

  encode(frame: ControlFrame): Buffer {
    const body = this.#body(frame)
    const head = Buffer.alloc(headerBytes)
    head.writeUInt16BE(0x8000 | version)
    head.writeUInt16BE(kinds[frame.type], 2)
    head.writeUInt32BE(body.length, 4)
    if ('fin' in frame && frame.fin) head[4] = finFlag
    return Buffer.concat([head, body])
  }

  #body(frame: ControlFrame): Buffer {
    switch (frame.type) {
      case 'synStream':
        return Buffer.concat([words(frame.id, 0), Buffer.alloc(2), this.#headers.encode(frame.headers)])
      case 'synReply':
        return Buffer.concat([words(frame.id), this.#headers.encode(frame.headers)])
      case 'reset':
        return words(frame.id, frame.status)
      case 'ping':
        return words(frame.id)
      case 'goAway':
        return words(frame.lastId, frame.status)
      case 'windowUpdate':
        return words(frame.id, frame.delta)
    }
  }
}

/** Cuts a byte stream into frames. Data is handed on as it comes, a control frame once it is whole. */
export class FrameDecoder {
  readonly #headers = new HeaderDecoder()
  #rest: Buffer = Buffer.alloc(0)
  #data: { readonly id: number; readonly fin: boolean; left: number } | undefined;

  /** Throws SpdyProtocolError when the bytes are not SPDY/3. */
  *push(chunk: Buffer): Generator<Frame> {
    let input = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    this.#rest = Buffer.alloc(0)
    for (;;) {
      if (this.#data) {
        if (input.length === 0) return
        const data = input.subarray(0, this.#data.left)
        input = input.subarray(data.length)
        yield this.#piece(this.#data, data)
        continue
      }
      const needed = neededBytes(input)
      if (input.length < needed) {
        this.#rest = Buffer.from(input)
        return
      }
      const frame = this.#next(input)
      input = input.subarray(needed)
      if (frame) yield frame
    }
  }

  #piece(state: { readonly id: number; readonly fin: boolean; left: number }, data: Buffer): Frame {
    state.left -= data.length
    if (state.left === 0) this.#data = undefined
    return { type: 'data', id: state.id, data, fin: state.fin && state.left === 0 }
  }

  #next(input: Buffer): Frame | undefined {
    const flags = input[4]!
    const length = input.readUInt32BE(4) & 0xffffff
    const fin = (flags & finFlag) !== 0
    if ((input[0]! & 0x80) === 0) {
      const id = nonZero(input.readUInt32BE(0))
      if (length === 0) return { type: 'data', id, data: Buffer.alloc(0), fin }
      this.#data = { id, fin, left: length }
      return undefined
    }
    return this.#control(input.readUInt16BE(2), input.subarray(headerBytes, headerBytes + length), fin)
  }

  #control(kind: number, body: Buffer, fin: boolean): Frame | undefined {
    switch (kind) {
      case kinds.synStream:
        return {
          type: 'synStream',
          id: streamId(atLeast(body, 10)),
          headers: this.#headers.decode(body.subarray(10)),
          fin,
        }
      case kinds.synReply:
        return {
          type: 'synReply',
          id: streamId(atLeast(body, 4)),
          headers: this.#headers.decode(body.subarray(4)),
          fin,
        }
      case kinds.reset:
        return { type: 'reset', id: streamId(atLeast(body, 8)), status: body.readUInt32BE(4) }
      case kinds.settings:
        return { type: 'settings', initialWindow: initialWindow(atLeast(body, 4)) }
      case kinds.ping:
        return { type: 'ping', id: atLeast(body, 4).readUInt32BE(0) }
      case kinds.goAway:
        return { type: 'goAway', lastId: atLeast(body, 8).readUInt32BE(0), status: body.readUInt32BE(4) }
      case kinds.windowUpdate:
        return {
          type: 'windowUpdate',
          id: atLeast(body, 8).readUInt32BE(0) & 0x7fffffff,
          delta: body.readUInt32BE(4) & 0x7fffffff,
        }
      case 8:
        this.#headers.decode(atLeast(body, 4).subarray(4))
        return undefined
      default:
        return undefined
    }
  }
}

/** How many bytes must be there before the next step; a data frame's payload is not waited for. */
function neededBytes(input: Buffer): number {
  if (input.length < headerBytes || (input[0]! & 0x80) === 0) return headerBytes
  if ((input.readUInt16BE(0) & 0x7fff) !== version) throw new SpdyProtocolError('unsupported SPDY version')
  const length = input.readUInt32BE(4) & 0xffffff
  if (length > maxControlBytes) throw new SpdyProtocolError(`control frame of ${length} bytes`)
  return headerBytes + length
}

function initialWindow(body: Buffer): number | undefined {
  const count = body.readUInt32BE(0)
  if (body.length < 4 + count * 8) throw new SpdyProtocolError('settings frame is cut off')
  for (let index = 0; index < count; index++) {
    const at = 4 + index * 8
    if ((body.readUInt32BE(at) & 0xffffff) === initialWindowSetting) return body.readUInt32BE(at + 4) & 0x7fffffff
  }
  return undefined
}

function atLeast(body: Buffer, length: number): Buffer {
  if (body.length < length) throw new SpdyProtocolError('control frame is cut off')
  return body
}

function streamId(body: Buffer): number {
  return nonZero(body.readUInt32BE(0) & 0x7fffffff)
}

function nonZero(id: number): number {
  if (id === 0) throw new SpdyProtocolError('stream 0')
  return id
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}
