import { execFileSync } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { copyFile, mkdtemp, open as openFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { datastoreContract, openedBy } from '../contract.ts'
import { type Datastore, UnavailableError } from '../datastore.ts'
import type { Clock } from '../effects.ts'
import { openSqlite } from './sqlite.ts'

/** Time stands still; a sleep ends only by its signal. */
const frozen: Clock = {
  now: () => 0,
  sleep: (_, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
}

let dir: string
const fileIn = () => join(dir, 'state.db')
const open = (clock = frozen) => openSqlite({ file: fileIn(), clock })

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-sqlite-'))
})

afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

datastoreContract('sqlite', () => openedBy(open))

const value = (size: number) => Buffer.alloc(size, 'x')

async function fill(store: Datastore, keys: number, size = 2000): Promise<void> {
  const create = (_: unknown, i: number) => store.commit({ op: 'create', key: `/r/${i}`, value: value(size) })
  await Promise.all(Array.from({ length: keys }, create))
}

async function deleteAll(store: Datastore): Promise<void> {
  const { entries } = await store.read('/r/')
  await Promise.all(entries.map(({ key, revision }) => store.commit({ op: 'delete', key, revision })))
}

describe('the file', () => {
  test('is readable by its owner only and shrinks with the live data', async () => {
    const store = await open()
    await fill(store, 2000)
    await store.compact(await store.revision())
    const full = (await stat(fileIn())).size
    await deleteAll(store)
    await store.compact(await store.revision())
    const { size, mode } = await stat(fileIn())
    expect(full).toBeGreaterThan(4_000_000)
    expect(size).toBeLessThan(100_000)
    expect(mode & 0o777).toBe(0o600)
    await store.close()
  })

  test('opens as a snapshot while writes go on', async () => {
    const store = await open()
    await fill(store, 1000)
    const copy = join(dir, 'copy.db')
    const snapshot = store.snapshot(createWriteStream(copy), new AbortController().signal)
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => store.commit({ op: 'create', key: `/late/${i}`, value: value(10) })),
    )
    const { revision, bytes } = await snapshot
    await store.close()
    expect((await stat(copy)).size).toBe(bytes)
    const restored = await openSqlite({ file: copy, clock: frozen })
    expect(await restored.revision()).toBe(revision)
    const { count } = await restored.read('/')
    expect(count).toBe(revision)
    expect(count).toBeGreaterThanOrEqual(1000)
    await restored.close()
  })

  test('leaves nothing behind when a snapshot is aborted', async () => {
    const store = await open()
    await fill(store, 10)
    const aborted = store.snapshot(createWriteStream(join(dir, 'copy.db')), AbortSignal.abort())
    await expect(aborted).rejects.toThrow('aborted')
    await store.close()
    expect((await readdir(dir)).filter(name => name.includes('snapshot'))).toEqual([])
  })

  test('is refused with its name when it cannot be used', async () => {
    const store = await open()
    await expect(open()).rejects.toThrow(`${fileIn()}: database is locked`)
    await store.close()
    await writeFile(fileIn(), 'this is not a database, but it is long enough to pass for the header of one '.repeat(3))
    await expect(open()).rejects.toThrow(`${fileIn()}: file is not a database`)
  })

  test('is checked after an unclean end only', async () => {
    const store = await open()
    await fill(store, 500)
    await store.compact(await store.revision())
    const unclean = join(dir, 'unclean.db')
    await copyFile(fileIn(), unclean)
    await store.close()
    for (const file of [fileIn(), unclean]) {
      const handle = await openFile(file, 'r+')
      await handle.write(Buffer.alloc(4096, 0xff), 0, 4096, 4096 * 200)
      await handle.close()
    }
    await expect(openSqlite({ file: unclean, clock: frozen })).rejects.toThrow(
      `${unclean}: damaged, restore a snapshot`,
    )
    const trusted = await open()
    expect(await trusted.revision()).toBe(500)
    await trusted.close()
  })
})

test('nothing shows before it is durable', async () => {
  const store = await open()
  const writing = store.commit({ op: 'create', key: '/r/a', value: value(10) })
  await Promise.resolve()
  expect(await store.read('/r/')).toMatchObject({ entries: [], revision: 0 })
  expect(await writing).toBe(1)
  expect(await store.read('/r/')).toMatchObject({ entries: [{ key: '/r/a' }], revision: 1 })
  await store.close()
})

test('a closed store says so', async () => {
  const store = await open()
  const watching = store.watch('/', 0, new AbortController().signal)
  const waiting = watching[Symbol.asyncIterator]().next()
  await store.close()
  expect((await waiting).done).toBe(true)
  expect((await watching[Symbol.asyncIterator]().next()).done).toBe(true)
  expect(await store.health()).toMatchObject({ ok: false })
  await expect(fill(store, 1)).rejects.toThrow(UnavailableError)
  await expect(store.read('/')).rejects.toThrow(UnavailableError)
})

describe('a full disk', () => {
  const root = process.getuid?.() === 0 && process.platform === 'linux'
  if (!root) console.warn('full disk not tested: mounting a small tmpfs takes root')

  ;(root ? test : test.skip)('fails the writes it hits and nothing else', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', dir])
    try {
      const store = await open()
      const big = (i: number) => store.commit({ op: 'create', key: `/big/${i}`, value: value(300_000) })
      const many = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => big(i)))
      expect(new Set(many.map(result => result.status))).toEqual(new Set(['rejected']))
      expect(await store.revision()).toBe(0)
      expect((await store.read('/')).count).toBe(0)

      let written = 0
      const fill = async (): Promise<never> => {
        for (;;) expect(await big(written)).toBe(++written)
      }
      await expect(fill()).rejects.toThrow(UnavailableError)
      expect(written).toBeGreaterThan(0)
      execFileSync('mount', ['-o', 'remount,size=64m', dir])
      expect(await store.health()).toEqual({ ok: true })
      expect(await big(written)).toBe(written + 1)
      await store.close()

      const again = await open()
      expect(await again.revision()).toBe(written + 1)
      expect((await again.read('/')).count).toBe(written + 1)
      await again.close()
    } finally {
      execFileSync('umount', ['-l', dir])
    }
  })
})
