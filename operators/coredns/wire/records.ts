/** Resource records: an owner, and data as a row of bytes and names, so that names can be compressed when written. */
import { isIP } from 'node:net'
import { classes, types } from './constants.ts'
import { fqdn, type Place, readName, WireError } from './names.ts'

export interface ResourceRecord {
  /** With a closing dot. */
  readonly name: string
  readonly type: number
  readonly class: number
  readonly ttl: number
  /** Bytes as they are; strings are names. */
  readonly data: readonly (Buffer | string)[]
}

export const record = (
  name: string,
  type: number,
  ttl: number,
  ...data: readonly (Buffer | string)[]
): ResourceRecord => ({
  name,
  type,
  class: classes.IN,
  ttl,
  data,
})

/** An A or AAAA record. */
export function addressRecord(name: string, ttl: number, ip: string): ResourceRecord {
  return record(name, ip.includes(':') ? types.AAAA : types.A, ttl, addressBytes(ip))
}

/** The 4 or 16 bytes of an address. Throws WireError for anything else. */
export function addressBytes(ip: string): Buffer {
  switch (isIP(ip)) {
    case 4:
      return Buffer.from(ip.split('.').map(Number))
    case 6:
      return sixBytes(ip)
    default:
      throw new WireError(`"${ip}" is no address`)
  }
}

function sixBytes(ip: string): Buffer {
  const text = ip
    .replace(/%.*$/, '')
    .replace(
      /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
      (_, a, b, c, d) => `${((+a << 8) | +b).toString(16)}:${((+c << 8) | +d).toString(16)}`,
    )
  const [head = '', tail] = text.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const [left, right] = [groups(head), groups(tail ?? '')]
  const all =
    tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  const bytes = Buffer.alloc(16)
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2)
  return bytes
}

/** The text of an address in its shortest form (RFC 5952). */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return Array.from(bytes).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2))
  let [best, longest] = [-1, 1]
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && groups[end] === 0) end++
    if (end - start > longest) [best, longest] = [start, end - start]
  }
  const hex = (list: readonly number[]) => list.map(group => group.toString(16)).join(':')
  return best < 0 ? hex(groups) : `${hex(groups.slice(0, best))}::${hex(groups.slice(best + longest))}`
}

/** The same address in the form it is compared in. */
export const normalAddress = (ip: string): string => (isIP(ip) === 6 ? addressText(sixBytes(ip)) : ip)

export const u16 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value & 0xffff, index * 2)
  return bytes
}

export const u32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4)
  return bytes
}

/** Character strings with their length before each. */
export function characterStrings(texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.map(text => {
      const bytes = Buffer.from(text, 'latin1').subarray(0, 255)
      return Buffer.concat([Buffer.from([bytes.length]), bytes])
    }),
  )
}

export const srvRecord = (name: string, ttl: number, weight: number, port: number, target: string): ResourceRecord =>
  record(name, types.SRV, ttl, u16(0, weight, port), fqdn(target))

export const soaRecord = (zone: string, ttl: number, serial: number, minimum: number): ResourceRecord =>
  record(
    zone,
    types.SOA,
    ttl,
    below('ns.dns', zone),
    below('hostmaster', zone),
    u32(serial, 7200, 1800, 86_400, minimum),
  )

const below = (label: string, zone: string): string => (zone === '.' ? `${label}.` : `${label}.${zone}`)

/** How data is laid out where it holds names that may be compressed: bytes to skip, names, character strings (RFC 3597, 4). */
const layouts = new Map<number, readonly (number | 'name' | 'string')[]>([
  [types.NS, ['name']],
  [types.MD, ['name']],
  [types.MF, ['name']],
  [types.CNAME, ['name']],
  [types.SOA, ['name', 'name', 20]],
  [types.MB, ['name']],
  [types.MG, ['name']],
  [types.MR, ['name']],
  [types.PTR, ['name']],
  [types.MINFO, ['name', 'name']],
  [types.MX, [2, 'name']],
  [types.RP, ['name', 'name']],
  [types.AFSDB, [2, 'name']],
  [types.RT, [2, 'name']],
  [types.PX, [2, 'name', 'name']],
  [types.SRV, [6, 'name']],
  [types.NAPTR, [4, 'string', 'string', 'string', 'name']],
  [types.KX, [2, 'name']],
  [types.DNAME, ['name']],
])

/** Types whose names may be written as pointers (RFC 1035's own). */
export const compressible: ReadonlySet<number> = new Set([
  types.NS,
  types.MD,
  types.MF,
  types.CNAME,
  types.SOA,
  types.MB,
  types.MG,
  types.MR,
  types.PTR,
  types.MINFO,
  types.MX,
])

/** Reads data of a type that lies between `place` and `end`. */
export function readData(bytes: Buffer, type: number, place: Place, end: number): (Buffer | string)[] {
  const layout = layouts.get(type)
  if (!layout || place.at === end) return [bytes.subarray(place.at, end)]
  const parts: (Buffer | string)[] = []
  for (const part of layout) {
    if (part === 'name') {
      parts.push(readName(bytes, place))
    } else {
      const length = part === 'string' ? 1 + (bytes[place.at] ?? 0) : part
      parts.push(bytes.subarray(place.at, place.at + length))
      place.at += length
    }
    if (place.at > end) throw new WireError('data runs past its end')
  }
  if (place.at !== end) throw new WireError('data has bytes too many')
  return parts
}
