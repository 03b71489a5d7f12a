import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type StretchReader, stretchesOf, stretchReader } from './stretches.ts'

const mebibyte = 1024 * 1024
const content = randomBytes(3 * mebibyte + 17)
const never = new AbortController().signal
let dir: string
let file: FileHandle
let reader: StretchReader

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-stretches-'))
  await writeFile(join(dir, 'file'), content)
  file = await open(join(dir, 'file'), 'r')
  reader = stretchReader(file)
})

afterAll(async () => {
  await file?.close()
  if (dir) await rm(dir, { recursive: true, force: true })
})

const stretch = (start: number, bytes: number) => ({ number: 1, start, bytes })

test('parts are of 8 MiB, larger only where there would be too many', () => {
  expect([...stretchesOf(17 * mebibyte)]).toEqual([
    { number: 1, start: 0, bytes: 8 * mebibyte },
    { number: 2, start: 8 * mebibyte, bytes: 8 * mebibyte },
    { number: 3, start: 16 * mebibyte, bytes: mebibyte },
  ])
  const many = [...stretchesOf(200_000 * mebibyte + 1)]
  expect(many.length).toBeLessThanOrEqual(10_000)
  expect(many.at(-1)).toMatchObject({ number: many.length, start: (many.length - 1) * 21 * mebibyte })
})

test.each([
  ['all of it', 0, content.length],
  ['a middle', 100_001, 2 * mebibyte],
  ['an end', 3 * mebibyte, 17],
  ['nothing', 5, 0],
])('reads %s for checksum and body', async (_name, start, bytes) => {
  const wanted = content.subarray(start, start + bytes)
  expect(await reader.checksum(stretch(start, bytes), never)).toBe(createHash('sha256').update(wanted).digest('hex'))
  const read = await reader.withBody(stretch(start, bytes), async body => {
    // As a socket does: what was taken is out before more is asked for.
    const chunks: Buffer[] = []
    for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(Buffer.from(chunk))
    return Buffer.concat(chunks)
  })
  expect(read.equals(wanted)).toBe(true)
})

test('many at once have buffers of their own, one after the other the same', async () => {
  const memoryOf = async (body: AsyncIterable<Buffer>) => {
    const memories = new Set<ArrayBufferLike>()
    for await (const chunk of body) memories.add(chunk.buffer)
    return memories
  }
  const read = () => reader.withBody(stretch(0, content.length), memoryOf)
  const [one, other] = await Promise.all([read(), read()])
  expect([...one].filter(memory => other.has(memory))).toEqual([])
  const again = await read()
  expect([...again].every(memory => one.has(memory) || other.has(memory))).toBe(true)
})

test('ends when it is told to, and where the file does', async () => {
  await expect(reader.checksum(stretch(0, 100), AbortSignal.abort(new Error('told to')))).rejects.toThrow('told to')
  const tooMuch = stretch(0, content.length + 1)
  const shorter = 'the file became shorter while it was sent'
  await expect(reader.checksum(tooMuch, never)).rejects.toThrow(shorter)
  await expect(reader.withBody(tooMuch, body => buffer(body))).rejects.toThrow(shorter)
  await expect(reader.withBody(stretch(0, 100), () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
})
