/** DER (ITU-T X.690): just what certificates and certificate requests need, so that no ASN.1 library is loaded at start. */

const universal = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  printable: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
}

export const tags = universal

function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Buffer.from([tag]), lengthOf(length), ...parts])
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest & 0xff)
  return Buffer.from([0x80 | bytes.length, ...bytes])
}

/** Encoders; each takes content and yields a whole element. */
export const der = {
  sequence: (...parts: readonly Uint8Array[]) => element(universal.sequence, ...parts),
  set: (...parts: readonly Uint8Array[]) => element(universal.set, ...parts),
  boolean: (value: boolean) => element(universal.boolean, Buffer.from([value ? 0xff : 0])),
  octets: (content: Uint8Array) => element(universal.octetString, content),
  utf8: (text: string) => element(universal.utf8, Buffer.from(text)),
  /** An unsigned big-endian integer. */
  integer: (bytes: Uint8Array) => {
    let start = 0
    while (start < bytes.length - 1 && bytes[start] === 0) start++
    const trimmed = bytes.subarray(start)
    return element(universal.integer, (trimmed[0] ?? 0) & 0x80 ? Buffer.from([0]) : Buffer.alloc(0), trimmed)
  },
  bits: (content: Uint8Array, unused = 0) => element(universal.bitString, Buffer.from([unused]), content),
  oid: (dotted: string) => {
    const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
    const bytes = [first * 40 + second]
    for (const arc of rest) {
      const group = [arc & 0x7f]
      for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
        group.unshift((left & 0x7f) | 0x80)
      bytes.push(...group)
    }
    return element(universal.oid, Buffer.from(bytes))
  },
  /** UTCTime through 2049, GeneralizedTime after (RFC 5280 4.1.2.5). */
  time: (ms: number) => {
    const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
    return Number(digits.slice(0, 4)) < 2050
      ? element(universal.utcTime, Buffer.from(digits.slice(2)))
      : element(universal.generalizedTime, Buffer.from(digits))
  },
  /** A context-specific tag around whole elements, or with raw content when not constructed. */
  context: (number: number, constructed: boolean, ...parts: readonly Uint8Array[]) =>
    element(0x80 | (constructed ? 0x20 : 0) | number, ...parts),
}

/** One decoded element; `raw` includes its header. */
export interface Element {
  readonly tag: number
  readonly content: Buffer
  readonly raw: Buffer
}

export class DerError extends Error {
  constructor(message: string) {
    super(`DER: ${message}`)
    this.name = 'DerError'
  }
}

/** The elements that `data` is made of, side by side. Throws DerError when it is cut short. */
export function elements(data: Buffer): Element[] {
  const found: Element[] = []
  for (let at = 0; at < data.length; ) {
    const tag = data[at]!
    let length = data[at + 1]
    let header = 2
    if (length === undefined) throw new DerError('unexpected end')
    if (length >= 0x80) {
      const count = length & 0x7f
      if (count === 0 || count > 4 || at + 2 + count > data.length) throw new DerError('bad length')
      length = data.readUIntBE(at + 2, count)
      header += count
    }
    const end = at + header + length
    if (end > data.length) throw new DerError('unexpected end')
    found.push({ tag, content: data.subarray(at + header, end), raw: data.subarray(at, end) })
    at = end
  }
  return found
}

/** The elements inside `data`, which is one whole constructed element. */
export function inside(data: Buffer): Element[] {
  const [only] = elements(data)
  if (!only || (only.tag & 0x20) === 0) throw new DerError('a constructed element was expected')
  return elements(only.content)
}

/** "2.5.4.3" of an OID's content. */
export function oidText(content: Buffer): string {
  const arcs: number[] = []
  let arc = 0
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f)
    if (byte < 0x80) {
      arcs.push(arc)
      arc = 0
    }
  }
  const head = arcs.shift() ?? 0
  const first = Math.min(2, Math.floor(head / 40))
  return [first, head - first * 40, ...arcs].join('.')
}
