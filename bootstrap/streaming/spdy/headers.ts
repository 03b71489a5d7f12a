/** Name/value blocks and their compression. Both directions of a session have one compression context each. */
import { constants, inflateRawSync } from 'node:zlib'
import { dictionary, dictionaryId } from './dictionary.ts'

/** Lower-case names; repeated values are joined by "\0". */
export type SpdyHeaders = { readonly [name: string]: string }

const windowBytes = 32 * 1024
const maxBlockBytes = 64 * 1024
const maxHeaders = 256

/** A peer broke the protocol; the session cannot go on. */
export class SpdyProtocolError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SpdyProtocolError'
  }
}

/** An empty stored deflate block: without it Go's reader looks for more before it hands on what it has. */
const syncFlush = Buffer.from([0, 0, 0, 0xff, 0xff])

/** Writes blocks as one zlib stream of stored deflate blocks: valid for every peer, and a header block is tiny anyway. */
export class HeaderEncoder {
  #started = false

  encode(headers: SpdyHeaders): Buffer {
    const plain = nameValueBlock(headers)
    if (plain.length > maxBlockBytes - 1) throw new RangeError('SPDY headers are too long')
    const stored = Buffer.alloc(5)
    stored.writeUInt16LE(plain.length, 1)
    stored.writeUInt16LE(plain.length ^ 0xffff, 3)
    const parts = [stored, plain, syncFlush]
    if (!this.#started) parts.unshift(zlibHeader())
    this.#started = true
    return Buffer.concat(parts)
  }
}

/** Reads a peer's blocks. Each ends at a byte's end (sync flush), so each is inflated against the bytes before it. */
export class HeaderDecoder {
  #history: Buffer | undefined

  /** Throws SpdyProtocolError for anything that is not a header block of at most 64 KiB. */
  decode(block: Buffer): SpdyHeaders {
    const deflated = this.#history ? block : withoutZlibHeader(block)
    const history = this.#history ?? dictionary()
    const plain = inflate(deflated, history)
    this.#history = Buffer.concat([history, plain]).subarray(-windowBytes)
    return parseBlock(plain)
  }
}

function inflate(deflated: Buffer, history: Buffer): Buffer {
  try {
    return inflateRawSync(deflated, {
      dictionary: history,
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: maxBlockBytes,
    })
  } catch (error) {
    throw new SpdyProtocolError(`bad header compression: ${(error as Error).message}`)
  }
}

/** CM 8, 32 KiB window, preset dictionary. */
function zlibHeader(): Buffer {
  const header = Buffer.from([0x78, 0x20, 0, 0, 0, 0])
  header[1]! += 31 - (header.readUInt16BE(0) % 31)
  header.writeUInt32BE(dictionaryId, 2)
  return header
}

function withoutZlibHeader(block: Buffer): Buffer {
  const valid =
    block.length >= 6 &&
    (block[0]! & 0x0f) === 8 &&
    (block[1]! & 0x20) !== 0 &&
    block.readUInt16BE(0) % 31 === 0 &&
    block.readUInt32BE(2) === dictionaryId
  if (!valid) throw new SpdyProtocolError('header block without the SPDY/3 dictionary')
  return block.subarray(6)
}

function nameValueBlock(headers: SpdyHeaders): Buffer {
  const strings = Object.entries(headers).flatMap(([name, value]) => [name.toLowerCase(), value])
  const parts = [word(strings.length / 2)]
  for (const text of strings) {
    const bytes = Buffer.from(text)
    parts.push(word(bytes.length), bytes)
  }
  return Buffer.concat(parts)
}

function parseBlock(block: Buffer): SpdyHeaders {
  let at = 0
  const number = () => {
    if (at + 4 > block.length) throw new SpdyProtocolError('header block is cut off')
    at += 4
    return block.readUInt32BE(at - 4)
  }
  const text = () => {
    const length = number()
    if (at + length > block.length) throw new SpdyProtocolError('header block is cut off')
    at += length
    return block.toString('utf8', at - length, at)
  }
  const count = number()
  if (count > maxHeaders) throw new SpdyProtocolError('too many headers')
  const headers = new Map<string, string>()
  for (let index = 0; index < count; index++) {
    const name = text().toLowerCase()
    headers.set(name, text())
  }
  if (at !== block.length) throw new SpdyProtocolError('header block is too long')
  return Object.fromEntries(headers)
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
