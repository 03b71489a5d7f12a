/**
 * A dump: what a datastore held at one revision, for datastores that have no file of their own. Numbers are big-endian.
 *
 *     "skiff dump 1\n"
 *     4 bytes: length of the header; the header, JSON: {"revision": 123}
 *     of each key, in the order of their bytes:
 *       4 bytes: length of the key; 4 bytes: length of the value; 8 bytes: revision; 8 bytes: createRevision; key; value
 *     4 bytes: 0; 8 bytes: how many keys
 *     32 bytes: SHA-256 of everything before
 */
import { createHash } from 'node:crypto'
import type { Entry, Revision } from '../datastore.ts'
import { byteReader } from './byte-reader.ts'

export const dumpMagic = Buffer.from('skiff dump 1\n')

export interface DumpHeader {
  readonly revision: Revision
}

const recordBytes = 24
const endBytes = 12
const digestBytes = 32
const pieceBytes = 64 * 1024
/** No datastore takes more; what is more is damage. */
const most = { header: 64 * 1024, key: 64 * 1024, value: 256 * 1024 * 1024 }

/** What was read is no dump, or not all of one. */
export class DumpError extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'DumpError'
  }
}

/** The bytes of a dump, in pieces; `entries` come in key order. */
export async function* writeDump(header: DumpHeader, entries: AsyncIterable<Entry>): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  let parts: Buffer[] = []
  let held = 0
  let count = 0
  const add = (part: Buffer) => {
    hash.update(part)
    parts.push(part)
    held += part.length
  }
  const taken = (): Buffer => {
    const piece = Buffer.concat(parts, held)
    parts = []
    held = 0
    return piece
  }
  add(dumpMagic)
  const text = Buffer.from(JSON.stringify(header))
  add(uint32(text.length))
  add(text)
  for await (const entry of entries) {
    add(recordOf(entry))
    add(entry.value)
    count++
    if (held >= pieceBytes) yield taken()
  }
  add(Buffer.concat([uint32(0), uint64(count)]))
  yield Buffer.concat([taken(), hash.digest()])
}

/**
 * Reads a dump: first its header, then its entries. DumpError as soon as something cannot be, at the end at the latest; only
 * who has had the last entry knows that all of them are right.
 */
export async function readDump(
  source: AsyncIterable<Buffer>,
): Promise<{ readonly header: DumpHeader; readonly entries: AsyncGenerator<Entry>; close(): Promise<void> }> {
  const hash = createHash('sha256')
  const reader = byteReader(source)
  const take = async (count: number): Promise<Buffer> => {
    const bytes = await reader.read(count)
    if (bytes.length < count) throw new DumpError('it is cut off')
    hash.update(bytes)
    return bytes
  }

  async function* entries(header: DumpHeader): AsyncGenerator<Entry> {
    let count = 0
    let last: Buffer | undefined
    for (;;) {
      const keyBytes = (await take(4)).readUInt32BE()
      if (keyBytes === 0) break
      const fixed = await take(recordBytes - 4)
      const valueBytes = fixed.readUInt32BE()
      if (keyBytes > most.key || valueBytes > most.value) throw new DumpError('a length in it cannot be')
      const key = Buffer.from(await take(keyBytes))
      if (last && Buffer.compare(last, key) >= 0) throw new DumpError('its keys are not in order')
      const [revision, createRevision] = [Number(fixed.readBigUInt64BE(4)), Number(fixed.readBigUInt64BE(12))]
      if (createRevision > revision || revision > header.revision) throw new DumpError('a revision in it cannot be')
      yield { key: key.toString(), value: Buffer.from(await take(valueBytes)), revision, createRevision }
      last = key
      count++
    }
    if (Number((await take(endBytes - 4)).readBigUInt64BE()) !== count) throw new DumpError('keys are missing in it')
    const expected = hash.digest()
    const found = await reader.read(digestBytes + 1)
    if (!found.equals(expected)) throw new DumpError('its checksum is wrong')
  }

  const magic = await take(dumpMagic.length)
  if (!magic.equals(dumpMagic)) throw new DumpError('it is not a dump')
  const size = (await take(4)).readUInt32BE()
  if (size > most.header) throw new DumpError('a length in it cannot be')
  const header = headerOf(await take(size))
  return { header, entries: entries(header), close: () => reader.close() }
}

function headerOf(text: Buffer): DumpHeader {
  try {
    const { revision } = JSON.parse(text.toString()) as Partial<DumpHeader>
    if (Number.isSafeInteger(revision) && revision! >= 0) return { revision: revision! }
  } catch {
    // Said below.
  }
  throw new DumpError('its header cannot be read')
}

function recordOf({ key, value, revision, createRevision }: Entry): Buffer {
  const name = Buffer.from(key)
  const record = Buffer.allocUnsafe(recordBytes + name.length)
  record.writeUInt32BE(name.length, 0)
  record.writeUInt32BE(value.length, 4)
  record.writeBigUInt64BE(BigInt(revision), 8)
  record.writeBigUInt64BE(BigInt(createRevision), 16)
  name.copy(record, recordBytes)
  return record
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
