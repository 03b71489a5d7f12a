/** Reads tar archives: ustar, PAX and GNU long names, as much as packers of charts write. Everything is in memory. */

export interface TarEntry {
  readonly name: string
  /** POSIX type flag: "0" file, "5" directory, "2" symbolic link, "g" global PAX header, ... */
  readonly type: string
  readonly data: Uint8Array
}

const block = 512
/** A PAX or GNU header that is longer than this is an attack, not a name. */
const longestHeader = 1 << 20

/** The entries of an archive in its order. Throws Error with the message of Go's archive/tar where it is damaged. */
export function* readTar(archive: Uint8Array): Generator<TarEntry> {
  const cursor = new Cursor(archive)
  let pending: Attributes = {}
  for (;;) {
    const header = cursor.header()
    if (header === undefined) return
    const size = isHeaderOnly(header.type) ? 0 : (pending.size ?? header.size)
    if (/^[xLK]$/.test(header.type)) {
      if (header.size > longestHeader) throw new Error('archive/tar: header field too long')
      pending = { ...pending, ...attributesOf(header.type, cursor.data(header.size)) }
      continue
    }
    if (header.type === 'S') throw new Error('archive/tar: sparse files are not supported')
    const name = pending.name ?? header.name
    pending = {}
    const type = isRegular(header.type) ? (name.endsWith('/') ? '5' : '0') : header.type
    yield { name, type, data: cursor.data(size) }
  }
}

interface Attributes {
  readonly name?: string
  readonly size?: number
}

interface Header {
  readonly name: string
  readonly type: string
  readonly size: number
}

class Cursor {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The next header; undefined at the end, which is two empty blocks or the end of the bytes. */
  header(): Header | undefined {
    if (this.#at === this.#bytes.length) return undefined
    const bytes = this.#take(block)
    if (bytes.every(byte => byte === 0)) {
      if (this.#at === this.#bytes.length) return undefined
      if (this.#take(block).every(byte => byte === 0)) return undefined
      throw invalidHeader()
    }
    return parseHeader(bytes)
  }

  /** `size` bytes and the padding behind them. */
  data(size: number): Uint8Array {
    const data = this.#take(size)
    this.#at = Math.min(this.#bytes.length, this.#at + ((block - (size % block)) % block))
    return data
  }

  #take(size: number): Uint8Array {
    if (this.#at + size > this.#bytes.length) throw new Error('unexpected EOF')
    const bytes = this.#bytes.subarray(this.#at, this.#at + size)
    this.#at += size
    return bytes
  }
}

function parseHeader(bytes: Uint8Array): Header {
  if (!checksumMatches(bytes)) throw invalidHeader()
  const magic = latin1(bytes.subarray(257, 263))
  const prefix = magic === 'ustar\0' ? text(bytes.subarray(345, 500)) : ''
  const name = text(bytes.subarray(0, 100))
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: String.fromCharCode(bytes[156]!),
    size: number(bytes.subarray(124, 136)),
  }
}

/** The sum of all bytes, the field itself counting as blanks; some packers summed signed bytes. */
function checksumMatches(bytes: Uint8Array): boolean {
  let unsigned = 0
  let signed = 0
  bytes.forEach((byte, at) => {
    const counted = at >= 148 && at < 156 ? 0x20 : byte
    unsigned += counted
    signed += (counted << 24) >> 24
  })
  const stated = number(bytes.subarray(148, 156))
  return stated === unsigned || stated === signed
}

/** Octal text, or base 256 when the first bit is set. */
function number(field: Uint8Array): number {
  const value = field[0]! & 0x80 ? base256(field) : octal(field)
  if (!Number.isSafeInteger(value) || value < 0) throw invalidHeader()
  return value
}

function base256(field: Uint8Array): number {
  return field.reduce((sum, byte, at) => sum * 256 + (at === 0 ? byte & 0x7f : byte), 0)
}

function octal(field: Uint8Array): number {
  const digits = latin1(field).replace(/^[ \p{Cc}]+|[ \p{Cc}]+$/gu, '')
  if (digits === '') return 0
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
}

function attributesOf(type: string, data: Uint8Array): Attributes {
  if (type === 'L') return { name: text(data) }
  return type === 'x' ? paxAttributes(data) : {}
}

/** Records are "LENGTH KEY=VALUE\n", LENGTH counting the whole record in bytes. */
function paxAttributes(data: Uint8Array): Attributes {
  let attributes: Attributes = {}
  for (let at = 0; at < data.length; ) {
    const blank = data.indexOf(0x20, at)
    const length = blank < 0 ? Number.NaN : Number(latin1(data.subarray(at, blank)))
    const record = data.subarray(blank + 1, at + length)
    if (!(length > blank + 1 - at) || at + length > data.length || record.at(-1) !== 0x0a) throw invalidHeader()
    const [key, value] = splitOnce(new TextDecoder().decode(record.subarray(0, -1)))
    if (key === 'path') attributes = { ...attributes, name: value }
    if (key === 'size') attributes = { ...attributes, size: sizeOf(value) }
    at += length
  }
  return attributes
}

function sizeOf(value: string): number {
  const size = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(size)) throw invalidHeader()
  return size
}

function splitOnce(record: string): [string, string] {
  const at = record.indexOf('=')
  if (at < 0) throw invalidHeader()
  return [record.slice(0, at), record.slice(at + 1)]
}

/** "0", or nothing in archives from before POSIX. */
function isRegular(type: string): boolean {
  return type === '0' || type.charCodeAt(0) === 0
}

/** Links, devices, directories and pipes have no content, whatever their size field says. */
function isHeaderOnly(type: string): boolean {
  return /^[1-6]$/.test(type)
}

function text(field: Uint8Array): string {
  const end = field.indexOf(0)
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end))
}

function latin1(field: Uint8Array): string {
  return String.fromCharCode(...field)
}

function invalidHeader(): Error {
  return new Error('archive/tar: invalid tar header')
}
