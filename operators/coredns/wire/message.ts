/** Whole messages: queries as received, messages of other servers, and replies as sent (RFC 1035, RFC 6891). */
import { flags, types } from './constants.ts'
import { labelsOf, type Place, readName, WireError } from './names.ts'
import { compressible, type ResourceRecord, readData } from './records.ts'

export interface Question {
  /** As asked, in its own case, with a closing dot. */
  readonly name: string
  readonly type: number
  readonly class: number
}

export interface Edns {
  readonly udpSize: number
  readonly version: number
  readonly dnssecOk: boolean
  /** Code and data of each option. */
  readonly options: readonly EdnsOption[]
}

export interface EdnsOption {
  readonly code: number
  readonly data: Buffer
}

export interface Message {
  readonly id: number
  readonly flags: number
  readonly questions: readonly Question[]
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  /** Without the OPT record. */
  readonly additionals: readonly ResourceRecord[]
  readonly edns: Edns | undefined
}

export const opcodeOf = (word: number): number => (word >> 11) & 15

/** Reads a whole message. Throws WireError. */
export function decode(bytes: Buffer): Message {
  if (bytes.length < 12) throw new WireError('shorter than a header')
  const place: Place = { at: 12 }
  const questions = many(bytes.readUInt16BE(4), () => readQuestion(bytes, place))
  // A message that ends before its counts say so is taken as far as it goes, as CoreDNS' library does.
  const section = (at: number) =>
    many(bytes.readUInt16BE(at), () => (place.at === bytes.length ? undefined : readRecord(bytes, place)))
  const [answers, authorities, rest] = [section(6), section(8), section(10)]
  const opt = rest.filter(found => found.type === types.OPT)
  return {
    id: bytes.readUInt16BE(0),
    flags: bytes.readUInt16BE(2),
    questions,
    answers,
    authorities,
    additionals: opt.length === 0 ? rest : rest.filter(found => found.type !== types.OPT),
    edns: opt[0] && ednsOf(opt[0]),
  }
}

function many<T>(count: number, read: () => T | undefined): T[] {
  const list: T[] = []
  for (let index = 0; index < count; index++) {
    const one = read()
    if (one === undefined) break
    list.push(one)
  }
  return list
}

function readQuestion(bytes: Buffer, place: Place): Question {
  const name = readName(bytes, place)
  if (place.at + 4 > bytes.length) throw new WireError('a question runs past the end')
  place.at += 4
  return { name, type: bytes.readUInt16BE(place.at - 4), class: bytes.readUInt16BE(place.at - 2) }
}

function readRecord(bytes: Buffer, place: Place): ResourceRecord {
  const name = readName(bytes, place)
  const head = place.at
  if (head + 10 > bytes.length) throw new WireError('a record runs past the end')
  const type = bytes.readUInt16BE(head)
  const end = head + 10 + bytes.readUInt16BE(head + 8)
  if (end > bytes.length) throw new WireError('a record runs past the end')
  place.at = head + 10
  const data = readData(bytes, type, place, end)
  place.at = end
  return { name, type, class: bytes.readUInt16BE(head + 2), ttl: bytes.readUInt32BE(head + 4), data }
}

function ednsOf({ class: udpSize, ttl, data }: ResourceRecord): Edns {
  const bytes = data[0] as Buffer
  const options: EdnsOption[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw new WireError('an option runs past the end')
    const end = at + 4 + bytes.readUInt16BE(at + 2)
    if (end > bytes.length) throw new WireError('an option runs past the end')
    options.push({ code: bytes.readUInt16BE(at), data: bytes.subarray(at + 4, end) })
    at = end
  }
  return { udpSize, version: (ttl >>> 16) & 255, dnssecOk: (ttl & 0x8000) !== 0, options }
}

export interface Sections {
  readonly id: number
  /** The header's second word; the truncated bit is added when something is left out. */
  readonly flags: number
  readonly question: Question | undefined
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
  readonly edns: (Edns & { readonly extendedRcode: number }) | undefined
}

export interface Encoded {
  readonly bytes: Buffer
  /** Where each answer begins, and where the last one ends. */
  readonly answerOffsets: readonly number[]
}

const scratch = Buffer.allocUnsafe(65_536 + 1024)

/** Writes a message of at most `limit` bytes; records that do not fit are left out, which sets the truncated bit. */
export function encode(sections: Sections, limit: number): Encoded {
  const { edns } = sections
  const optSize = edns ? 11 + edns.options.reduce((sum, { data }) => sum + 4 + data.length, 0) : 0
  const names = new Map<string, number>()
  let at = 12
  if (sections.question) {
    at = writeName(sections.question.name, at, names)
    scratch.writeUInt16BE(sections.question.type, at)
    scratch.writeUInt16BE(sections.question.class, at + 2)
    at += 4
  }
  const room = Math.min(limit, 65_535) - optSize
  let truncated = false
  const answerOffsets = [at]
  const write = (list: readonly ResourceRecord[], offsets?: number[]): number => {
    if (truncated) return 0
    for (const [index, one] of list.entries()) {
      const end = writeRecord(one, at, names)
      if (end > room) {
        truncated = true
        return index
      }
      at = end
      offsets?.push(at)
    }
    return list.length
  }
  const counts = [write(sections.answers, answerOffsets), write(sections.authorities), write(sections.additionals)]
  if (edns) at = writeOpt(edns, at)
  scratch.writeUInt16BE(sections.id, 0)
  scratch.writeUInt16BE(sections.flags | (truncated ? flags.truncated : 0), 2)
  scratch.writeUInt16BE(sections.question ? 1 : 0, 4)
  scratch.writeUInt16BE(counts[0]!, 6)
  scratch.writeUInt16BE(counts[1]!, 8)
  scratch.writeUInt16BE(counts[2]! + (edns ? 1 : 0), 10)
  return { bytes: Buffer.from(scratch.subarray(0, at)), answerOffsets }
}

function writeRecord(one: ResourceRecord, start: number, names: Map<string, number>): number {
  // What cannot fit any more is not written: the scratch buffer is only a little larger than the largest message.
  const size = one.data.reduce((sum, part) => sum + (typeof part === 'string' ? 255 : part.length), 0)
  if (start + 265 + size > scratch.length) return scratch.length
  const at = writeName(one.name, start, names)
  scratch.writeUInt16BE(one.type, at)
  scratch.writeUInt16BE(one.class, at + 2)
  scratch.writeUInt32BE(one.ttl >>> 0, at + 4)
  let end = at + 10
  for (const part of one.data) {
    if (typeof part === 'string') end = writeName(part, end, compressible.has(one.type) ? names : undefined)
    else {
      part.copy(scratch, end)
      end += part.length
    }
  }
  scratch.writeUInt16BE(end - at - 10, at + 8)
  return end
}

/** Names already written are pointed to. Without `names` the name is written in full. */
function writeName(name: string, start: number, names: Map<string, number> | undefined): number {
  let at = start
  let rest = name
  for (const label of labelsOf(name)) {
    const known = names?.get(rest)
    if (known !== undefined) {
      scratch.writeUInt16BE(0xc000 | known, at)
      return at + 2
    }
    if (at < 0x4000) names?.set(rest, at)
    scratch[at] = label.length
    label.copy(scratch, at + 1)
    at += label.length + 1
    rest = afterLabel(rest)
  }
  scratch[at] = 0
  return at + 1
}

function afterLabel(name: string): string {
  for (let at = 0; at < name.length; at++) {
    if (name[at] === '\\') at++
    else if (name[at] === '.') return name.slice(at + 1)
  }
  return ''
}

function writeOpt(edns: Edns & { readonly extendedRcode: number }, start: number): number {
  scratch[start] = 0
  scratch.writeUInt16BE(types.OPT, start + 1)
  scratch.writeUInt16BE(edns.udpSize, start + 3)
  scratch[start + 5] = edns.extendedRcode
  scratch[start + 6] = edns.version
  scratch.writeUInt16BE(edns.dnssecOk ? 0x8000 : 0, start + 7)
  let at = start + 11
  for (const { code, data } of edns.options) {
    scratch.writeUInt16BE(code, at)
    scratch.writeUInt16BE(data.length, at + 2)
    data.copy(scratch, at + 4)
    at += 4 + data.length
  }
  scratch.writeUInt16BE(at - start - 11, start + 9)
  return at
}
