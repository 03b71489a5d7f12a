/** A .zip with one file in it, ours or K3s': found by the directory at its end, read in one pass, held against its checksum. */
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw } from 'node:zlib'
import { SnapshotError } from '../snapshot.ts'
import { extraId64, flags, max32, method, signature } from './format.ts'

const endBytes = 22
/** The end may have a comment behind it. */
const tailBytes = endBytes + 0xffff

/** The bytes of the file in it. SnapshotError when it is damaged, or not a .zip with one file; `name` is for that. */
export async function* unzipped(file: string, signal: AbortSignal, name = file): AsyncGenerator<Buffer> {
  const broken = (why: string) => new SnapshotError(`${name} is damaged: ${why}`)
  const entry = await locate(file, name)
  const from = entry.dataOffset
  let checksum = 0
  let size = 0
  if (entry.compressed > 0) {
    const raw = createReadStream(file, { start: from, end: from + entry.compressed - 1, signal })
    const source = entry.method === method.deflate ? inflated(raw) : raw
    for await (const piece of source) {
      checksum = crc32(piece, checksum)
      size += piece.length
      if (size > entry.size) break
      yield piece
    }
  }
  if (size !== entry.size) throw broken('what it holds has another size than it says')
  if (checksum !== entry.checksum) throw broken('the checksum of what it holds is wrong')
}

function inflated(raw: NodeJS.ReadableStream): AsyncIterable<Buffer> {
  const inflate = createInflateRaw({ chunkSize: 64 * 1024 })
  pipeline(raw, inflate).catch(() => undefined)
  return inflate
}

interface Located {
  readonly method: number
  readonly checksum: number
  readonly size: number
  readonly compressed: number
  readonly dataOffset: number
}

async function locate(file: string, name: string): Promise<Located> {
  const broken = (why: string) => new SnapshotError(`${name} is damaged: ${why}`)
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const tail = await at(handle, Math.max(0, size - tailBytes), Math.min(size, tailBytes))
    const position = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))
    if (position < 0 || position + endBytes > tail.length) throw broken('the end of the .zip is missing')
    const end = tail.subarray(position)
    let count = end.readUInt16LE(10)
    let length = end.readUInt32LE(12)
    let offset = end.readUInt32LE(16)
    const locator = position >= 20 ? tail.subarray(position - 20, position) : Buffer.alloc(4)
    if (locator.readUInt32LE(0) === signature.locator64) {
      const end64 = await at(handle, Number(locator.readBigUInt64LE(8)), 56)
      if (end64.length < 56 || end64.readUInt32LE(0) !== signature.end64) throw broken('the end of the .zip is missing')
      count = Number(end64.readBigUInt64LE(32))
      length = Number(end64.readBigUInt64LE(40))
      offset = Number(end64.readBigUInt64LE(48))
    }
    if (count !== 1) throw new SnapshotError(`${name} is not a snapshot: a .zip with ${count} files instead of one`)
    if (offset + length > size || length > tailBytes) throw broken('the directory of the .zip is missing')
    const central = await at(handle, offset, length)
    if (central.length < 46 || central.readUInt32LE(0) !== signature.central)
      throw broken('the directory of the .zip is missing')
    return await entryOf(handle, central, size, name)
  } finally {
    await handle.close()
  }
}

async function entryOf(handle: FileHandle, central: Buffer, fileSize: number, name: string): Promise<Located> {
  const broken = (why: string) => new SnapshotError(`${name} is damaged: ${why}`)
  const how = central.readUInt16LE(10)
  if (central.readUInt16LE(8) & flags.encrypted || (how !== method.stored && how !== method.deflate))
    throw new SnapshotError(`${name} is not a snapshot: a .zip that is encrypted or compressed in another way`)
  const nameLength = central.readUInt16LE(28)
  const extra = central.subarray(46 + nameLength, 46 + nameLength + central.readUInt16LE(30))
  const large = largeSizes(extra)
  const number = (position: number): number => {
    const value = central.readUInt32LE(position)
    return value === max32 ? (large.shift() ?? value) : value
  }
  // In this order, which is that of the extra field.
  const size = number(24)
  const compressed = number(20)
  const offset = number(42)
  const local = await at(handle, offset, 30)
  if (local.length < 30 || local.readUInt32LE(0) !== signature.local) throw broken('its beginning is missing')
  const dataOffset = offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28)
  if (dataOffset + compressed > fileSize) throw broken('a part of it is missing')
  return { method: how, checksum: central.readUInt32LE(16), size, compressed, dataOffset }
}

/** The numbers of the 64-bit form, in their order; none where it has none. */
function largeSizes(extra: Buffer): number[] {
  for (let position = 0; position + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(position + 2)
    const field = extra.subarray(position + 4, position + 4 + length)
    if (extra.readUInt16LE(position) === extraId64)
      return Array.from({ length: Math.floor(field.length / 8) }, (_, i) => Number(field.readBigUInt64LE(8 * i)))
    position += 4 + length
  }
  return []
}

async function at(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}
