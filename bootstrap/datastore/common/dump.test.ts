import { Readable } from 'node:stream'
import { expect, test } from '@jest/globals'
import type { Entry } from '../datastore.ts'
import { readDump, writeDump } from './dump.ts'

const entry = (key: string, value: string | Buffer, revision: number, createRevision = revision): Entry => ({
  key,
  value: Buffer.from(value),
  revision,
  createRevision,
})

const some = [entry('/a', 'one', 7, 3), entry('/a/\u00fc', '', 9), entry('/b', Buffer.alloc(20_000, 7), 2 ** 40)]

async function written(entries: readonly Entry[], revision = 2 ** 40): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of writeDump({ revision }, Readable.from(entries))) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** In pieces of one size, which is none of the format's. */
function inPieces(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  const count = Math.ceil(bytes.length / size)
  return Readable.from(Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size)))
}

async function read(bytes: Buffer, size = 1000): Promise<{ revision: number; entries: Entry[] }> {
  const dump = await readDump(inPieces(bytes, size))
  const entries: Entry[] = []
  for await (const found of dump.entries) entries.push(found)
  return { revision: dump.header.revision, entries }
}

test.each([7, 1000, 1_000_000])('comes back as it was, in pieces of %d bytes', async size => {
  expect(await read(await written(some), size)).toEqual({ revision: 2 ** 40, entries: some })
  expect(await read(await written([], 0))).toEqual({ revision: 0, entries: [] })
})

test('any changed byte is found', async () => {
  const bytes = await written([some[0]!, some[1]!], 20)
  for (let position = 0; position < bytes.length; position++) {
    const damaged = Buffer.from(bytes)
    damaged[position]! ^= 1 << (position % 8)
    await expect(read(damaged)).rejects.toThrow(/^(it|its|a|keys) /)
  }
})

test('what is cut off, or has something behind it, is found', async () => {
  const bytes = await written([some[0]!, some[1]!], 20)
  for (let length = 0; length < bytes.length; length++)
    await expect(read(bytes.subarray(0, length))).rejects.toThrow(/^(it is cut off|its checksum)/)
  await expect(read(Buffer.concat([bytes, Buffer.of(0)]))).rejects.toThrow('its checksum is wrong')
})

test('keys out of order or twice, and revisions beyond the newest, cannot be', async () => {
  await expect(read(await written([entry('/b', '', 1), entry('/a', '', 1)]))).rejects.toThrow('not in order')
  await expect(read(await written([entry('/a', '', 1), entry('/a', '', 1)]))).rejects.toThrow('not in order')
  await expect(read(await written([entry('/a', '', 5)], 4))).rejects.toThrow('a revision in it cannot be')
  await expect(read(await written([entry('/a', '', 5, 6)], 9))).rejects.toThrow('a revision in it cannot be')
})
