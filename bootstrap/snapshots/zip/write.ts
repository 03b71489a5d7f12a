/**
 * A .zip with one file in it, written while it is made: https://pkware.cachefly.net/webdocs/APPNOTE/APPNOTE-6.3.9.TXT. Sizes and
 * checksum follow the data, and the directory at the end repeats them, in the 64-bit form where they need it.
 */
import { crc32, createDeflateRaw, type DeflateRaw } from 'node:zlib'
import { release } from '../sink.ts'
import { dosTime, extra64, flags, max32, method, needs, signature, version } from './format.ts'

export interface ZipEntry {
  /** Of the file in it. */
  readonly name: string
  readonly modified: Date
}

/** For a pipeline: the file's bytes in, those of the .zip out. */
export function zipped(entry: ZipEntry): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    const name = Buffer.from(entry.name)
    const time = dosTime(entry.modified)
    let checksum = 0
    let size = 0
    let compressed = 0
    yield localHeader(name, time)
    const deflate = createDeflateRaw({ chunkSize: 64 * 1024 })
    const feeding = feed(source, deflate, piece => {
      checksum = crc32(piece, checksum)
      size += piece.length
    })
    feeding.catch(() => undefined)
    for await (const piece of deflate) {
      compressed += piece.length
      yield piece
    }
    await feeding
    const facts = { name, time, checksum, size, compressed }
    yield dataDescriptor(facts)
    yield directory(facts, localBytes + name.length + compressed + descriptorBytes(facts))
  }
}

/** As fast as `to` takes it. Memory is given back as soon as it has been compressed. */
async function feed(source: AsyncIterable<Buffer>, to: DeflateRaw, seen: (piece: Buffer) => void): Promise<void> {
  try {
    for await (const piece of source) {
      seen(piece)
      await new Promise<void>((resolve, reject) => {
        to.write(piece, error => (error ? reject(error) : resolve()))
      })
      release(piece)
    }
    to.end()
  } catch (error) {
    to.destroy(error as Error)
    throw error
  }
}

interface Facts {
  readonly name: Buffer
  readonly time: number
  readonly checksum: number
  readonly size: number
  readonly compressed: number
}

const localBytes = 30
const descriptorBytes = (facts: Facts) => (isLarge(facts) ? 24 : 16)
const isLarge = ({ size, compressed }: Facts) => size >= max32 || compressed >= max32

function localHeader(name: Buffer, time: number): Buffer {
  const header = Buffer.alloc(localBytes)
  header.writeUInt32LE(signature.local, 0)
  header.writeUInt16LE(needs.plain, 4)
  header.writeUInt16LE(flags.sizesFollow | flags.utf8, 6)
  header.writeUInt16LE(method.deflate, 8)
  header.writeUInt32LE(time, 10)
  header.writeUInt16LE(name.length, 26)
  return Buffer.concat([header, name])
}

function dataDescriptor(facts: Facts): Buffer {
  const descriptor = Buffer.alloc(descriptorBytes(facts))
  descriptor.writeUInt32LE(signature.descriptor, 0)
  descriptor.writeUInt32LE(facts.checksum, 4)
  if (isLarge(facts)) {
    descriptor.writeBigUInt64LE(BigInt(facts.compressed), 8)
    descriptor.writeBigUInt64LE(BigInt(facts.size), 16)
  } else {
    descriptor.writeUInt32LE(facts.compressed, 8)
    descriptor.writeUInt32LE(facts.size, 12)
  }
  return descriptor
}

/** The directory with its one entry, and what says where it is: at `offset`. */
function directory(facts: Facts, offset: number): Buffer {
  const { name, time, checksum, size, compressed } = facts
  const large = isLarge(facts)
  const extra = large ? extra64(size, compressed) : Buffer.alloc(0)
  const record = Buffer.alloc(46)
  record.writeUInt32LE(signature.central, 0)
  record.writeUInt16LE(version.unix, 4)
  record.writeUInt16LE(large ? needs.zip64 : needs.plain, 6)
  record.writeUInt16LE(flags.sizesFollow | flags.utf8, 8)
  record.writeUInt16LE(method.deflate, 10)
  record.writeUInt32LE(time, 12)
  record.writeUInt32LE(checksum, 16)
  record.writeUInt32LE(large ? max32 : compressed, 20)
  record.writeUInt32LE(large ? max32 : size, 24)
  record.writeUInt16LE(name.length, 28)
  record.writeUInt16LE(extra.length, 30)
  record.writeUInt32LE(version.ownerOnly, 38)
  const central = Buffer.concat([record, name, extra])
  const far = large || offset >= max32
  return Buffer.concat([central, ...(far ? end64(central.length, offset) : []), end(central.length, offset)])
}

function end(length: number, offset: number): Buffer {
  const record = Buffer.alloc(22)
  record.writeUInt32LE(signature.end, 0)
  record.writeUInt16LE(1, 8)
  record.writeUInt16LE(1, 10)
  record.writeUInt32LE(length, 12)
  record.writeUInt32LE(Math.min(offset, max32), 16)
  return record
}

function end64(length: number, offset: number): Buffer[] {
  const record = Buffer.alloc(56)
  record.writeUInt32LE(signature.end64, 0)
  record.writeBigUInt64LE(44n, 4)
  record.writeUInt16LE(version.unix, 12)
  record.writeUInt16LE(needs.zip64, 14)
  record.writeBigUInt64LE(1n, 24)
  record.writeBigUInt64LE(1n, 32)
  record.writeBigUInt64LE(BigInt(length), 40)
  record.writeBigUInt64LE(BigInt(offset), 48)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(signature.locator64, 0)
  locator.writeBigUInt64LE(BigInt(offset + length), 8)
  locator.writeUInt32LE(1, 16)
  return [record, locator]
}
