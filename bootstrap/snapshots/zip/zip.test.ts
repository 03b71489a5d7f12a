import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { unzipped } from './read.ts'
import { zipped } from './write.ts'

let dir: string
const { signal } = new AbortController()
const modified = new Date(2026, 4, 6, 7, 8, 10)

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-zip-'))
})

afterAll(() => rm(dir, { recursive: true, force: true }))

async function zip(pieces: readonly Buffer[]): Promise<string> {
  const file = join(dir, 'some.zip')
  await pipeline(
    zipped({ name: 'some', modified })(Readable.from(pieces.map(piece => Buffer.from(piece)))),
    createWriteStream(file),
  )
  return file
}

async function unzip(file: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of unzipped(file, signal)) pieces.push(piece)
  return Buffer.concat(pieces)
}

const contents: readonly (readonly [string, readonly Buffer[]])[] = [
  ['nothing', []],
  ['a little', [Buffer.from('hello')]],
  ['what compresses well', Array.from({ length: 50 }, () => Buffer.alloc(100_000, 'abc'))],
  ['what does not', [randomBytes(300_000), randomBytes(5)]],
]

for (const [name, pieces] of contents)
  test(`${name} comes out as it went in`, async () => {
    expect((await unzip(await zip(pieces))).equals(Buffer.concat(pieces))).toBe(true)
  })

test("Python's zipfile reads it", async () => {
  const file = await zip([Buffer.alloc(100_000, 'abc')])
  const script = `
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
info = archive.infolist()[0]
print(archive.testzip(), archive.namelist(), info.file_size, info.date_time, oct(info.external_attr >> 16))`
  const said = execFileSync('python3', ['-c', script, file], { encoding: 'utf8' })
  expect(said.trim()).toBe("None ['some'] 100000 (2026, 5, 6, 7, 8, 10) 0o100600")
})

test.each(['ZIP_DEFLATED', 'ZIP_STORED'])("reads what Python's zipfile writes: %s", async method => {
  const file = join(dir, `${method}.zip`)
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.${method}) as archive:
  with archive.open('a', 'w', force_zip64=True) as entry: entry.write(b'abc' * 100000)`
  execFileSync('python3', ['-c', script, file])
  expect(String(await unzip(file))).toBe('abc'.repeat(100_000))
})

test('a .zip with other than one file is refused', async () => {
  const file = join(dir, 'two.zip')
  const script =
    "import sys, zipfile\na = zipfile.ZipFile(sys.argv[1], 'w')\na.writestr('a', 'x')\na.writestr('b', 'y')\na.close()"
  execFileSync('python3', ['-c', script, file])
  await expect(unzip(file)).rejects.toThrow(`${file} is not a snapshot: a .zip with 2 files instead of one`)
})

test('what was changed in it or is missing is found', async () => {
  const whole = await readFile(await zip([Buffer.from('hello '.repeat(500))]))
  const file = join(dir, 'damaged.zip')
  const outcomes = new Set<string>()
  for (let position = 30; position < whole.length; position++) {
    const damaged = Buffer.from(whole)
    damaged[position]! ^= 0x10
    await writeFile(file, damaged)
    const outcome = await unzip(file).then(
      content => (String(content) === 'hello '.repeat(500) ? 'right' : 'WRONG'),
      () => 'refused',
    )
    outcomes.add(outcome)
  }
  for (let length = 0; length < whole.length; length++) {
    await writeFile(file, whole.subarray(0, length))
    await expect(unzip(file)).rejects.toThrow()
  }
  expect(outcomes).not.toContain('WRONG')
})
