/** Snapshots of each form, plain, compressed and encrypted: taken, opened, verified; and all that may have become of them. */
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { systemClock } from '../client/clock.ts'
import type { SnapshotForm } from '../datastore/datastore.ts'
import { openEtcd } from '../datastore/etcd/etcd.ts'
import { shiftKey } from '../datastore/etcd/shifted.ts'
import { etcdInstalled, startEtcdServer } from '../datastore/testing/etcd-server.ts'
import { inspect } from './inspect.ts'
import { openSnapshot } from './open.ts'
import { type ReadOptions, SnapshotError, suffixOf } from './snapshot.ts'
import { takeSnapshot } from './take.ts'
import { configMap, fill, mayMount, onSmallDisk, type Source, storeOf } from './testing/fixture.ts'
import { canOpenEtcd, testPrograms } from './testing/programs.ts'
import { verifySnapshot } from './verify.ts'

jest.setTimeout(120_000)

const { signal } = new AbortController()
const passphrase = 'correct horse'
const forms = (['sqlite', 'dump', 'etcd'] as const).filter(form => form !== 'etcd' || etcdInstalled)
const ways = [
  { compress: false, encrypt: false },
  { compress: true, encrypt: false },
  { compress: false, encrypt: true },
  { compress: true, encrypt: true },
]

let dir: string
let unpacked: string
const options = (more: Partial<ReadOptions> = {}): ReadOptions => ({
  dir: unpacked,
  signal,
  programs: testPrograms,
  passphrase,
  ...more,
})

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-snapshots-'))
  unpacked = join(dir, 'unpacked')
  await mkdir(unpacked)
})

afterAll(() => rm(dir, { recursive: true, force: true }))

/** Each as "key@revision", or the error in the one line it must be; nothing may be left either way. */
async function contentOf(file: string, more: Partial<ReadOptions> = {}): Promise<readonly string[] | string> {
  try {
    const opened = await openSnapshot(file, options(more))
    try {
      const lines: string[] = []
      for await (const { key, value, revision } of opened.entries()) lines.push(`${key}@${revision} ${value.length}`)
      return lines
    } finally {
      await opened.close()
    }
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error
    expect(error.message).not.toContain('\n')
    expect(error.message).toContain(file)
    return error.message
  } finally {
    expect(await readdir(unpacked)).toEqual([])
  }
}

describe.each(forms)('a snapshot of form %s', form => {
  let source: Source
  let revision: number
  const fileOf = (way: (typeof ways)[number]) => join(dir, `${form}-node-1${suffixOf(way)}`)

  beforeAll(async () => {
    source = await storeOf(form)
    await fill(source.store, 300)
    const first = (await source.store.read('', { limit: 1 })).entries[0]!
    await source.store.commit({ op: 'update', key: first.key, value: first.value, revision: first.revision })
    for (const way of ways) {
      const file = fileOf(way)
      const secret = way.encrypt ? { passphrase } : {}
      revision = (await takeSnapshot(source.store, { file, compress: way.compress, signal, ...secret })).revision
    }
  })

  afterAll(() => source.close())

  test.each(ways)('opens and verifies: %j', async way => {
    const file = fileOf(way)
    expect(await inspect(file)).toEqual({
      form: way.compress && !way.encrypt ? undefined : form,
      compressed: way.compress,
      encrypted: way.encrypt,
    })
    if (form === 'etcd' && !canOpenEtcd) return
    const { entries } = await source.store.read('')
    expect(await contentOf(file)).toEqual(entries.map(({ key, value, revision: at }) => `${key}@${at} ${value.length}`))
    expect(await verifySnapshot(file, options())).toEqual({ form, revision, keys: 300 })
    expect(await readdir(unpacked)).toEqual([])
  })

  // What encryption finds is the same whatever is in it, and every try costs the derivation of a key.
  const harmed = ways.filter(({ encrypt }) => !encrypt || form === 'dump')

  test.each(harmed)('is refused when it is cut off: %j', async way => {
    const whole = await readFile(fileOf(way))
    const file = join(dir, 'cut')
    const lengths = [0, 1, 20, 63, 64, 100, whole.length - 1, whole.length - 32, whole.length - 40]
    const some = Array.from({ length: way.encrypt ? 4 : 10 }, (_, i) => Math.floor((whole.length * (i + 1)) / 14))
    for (const length of [...lengths, ...some]) {
      await writeFile(file, whole.subarray(0, length))
      expect(await contentOf(file)).toMatch(/is (damaged|not a snapshot)/)
    }
  })

  test.each(harmed)('is refused when it is damaged, or shows what it held: %j', async way => {
    const whole = await readFile(fileOf(way))
    const right = (await source.store.read('')).entries.map(
      ({ key, value, revision: at }) => `${key}@${at} ${value.length}`,
    )
    const file = join(dir, 'damaged')
    const tries = way.encrypt ? 8 : way.compress && form !== 'dump' ? 12 : 24
    for (let i = 0; i < tries; i++) {
      const damaged = Buffer.from(whole)
      // Spread over the file, more of them at both ends, where what tells the rest is.
      const position = i % 4 === 0 ? i * 3 : i % 4 === 1 ? whole.length - 1 - i : Math.floor((whole.length * i) / tries)
      damaged[position]! ^= 1 << (i % 8)
      await writeFile(file, damaged)
      const found = await contentOf(file)
      if (typeof found !== 'string') expect(found).toEqual(right)
      // Of a .zip, nobody needs the time and the name in it.
      else expect(found).toMatch(/is (damaged|not a snapshot|encrypted with another)/)
      if (typeof found !== 'string') expect(way).toEqual({ compress: true, encrypt: false })
    }
  })

  test('with something behind it is refused', async () => {
    const file = join(dir, 'longer')
    await writeFile(file, Buffer.concat([await readFile(fileOf(ways[0]!)), Buffer.alloc(4096)]))
    expect(await contentOf(file)).toMatch(/damaged|not a snapshot/)
  })

  test('says what it needs when it is encrypted', async () => {
    const file = fileOf(ways[2]!)
    expect(await contentOf(file, { passphrase: 'wrong' })).toBe(`${file} is encrypted with another passphrase`)
    expect(await contentOf(file, { passphrase: undefined })).toBe(
      `${file} is encrypted: give the passphrase with --etcd-snapshot-passphrase-file`,
    )
  })

  const onDisk = mayMount ? test : test.skip
  onDisk('says that the disk is full, and leaves nothing on it', async () => {
    const small = join(dir, `small-${form}`)
    await mkdir(small)
    await fill2(source)
    const large = join(dir, 'large.zip')
    await takeSnapshot(source.store, { file: large, compress: true, signal })
    await onSmallDisk(small, 1, async () => {
      const file = join(small, 'snapshot')
      await expect(takeSnapshot(source.store, { file, compress: false, signal })).rejects.toThrow(
        `cannot write the snapshot ${file}: no space left on the disk`,
      )
      expect(await readdir(small)).toEqual([])
      await expect(openSnapshot(large, options({ dir: small }))).rejects.toThrow(
        `cannot unpack the snapshot into ${small}: no space left on the disk`,
      )
      expect(await readdir(small)).toEqual([])
    })
    expect(await source.store.health()).toEqual({ ok: true })
  })
})

const fill2 = async ({ store }: Source) => {
  const value = Buffer.from(JSON.stringify({ kind: 'ConfigMap', data: 'y'.repeat(500_000) }))
  for (let i = 0; i < 6; i++) await store.commit({ op: 'create', key: `/registry/configmaps/default/large${i}`, value })
}

describe('what is no snapshot', () => {
  const refused = (file: string) => expect(contentOf(file).then(String)).resolves
  const path = (name: string) => join(dir, name)

  test('is refused: files of other kinds', async () => {
    await writeFile(path('empty'), '')
    await refused(path('empty')).toContain('is not a snapshot')
    await writeFile(path('text'), 'hello '.repeat(1000))
    await refused(path('text')).toContain('is not a snapshot: a snapshot begins as')
    execFileSync('tar', ['-czf', path('a.tar.gz'), '-C', dir, 'text'])
    await refused(path('a.tar.gz')).toContain('is not a snapshot')
    execFileSync('tar', ['-cf', path('a.tar'), '-C', dir, 'text'])
    await refused(path('a.tar')).toContain('is not a snapshot')
    await refused(path('none')).toBe(`cannot read ${path('none')}: there is no such file`)
    await refused(unpacked).toBe(`cannot read ${unpacked}: it is a folder`)
  })

  test('is refused: a .zip with something else', async () => {
    const script =
      "import sys, zipfile\na = zipfile.ZipFile(sys.argv[1], 'w')\na.writestr('a', sys.argv[2] * 100)\na.close()"
    execFileSync('python3', ['-c', script, path('other.zip'), 'hello'])
    await refused(path('other.zip')).toContain('is not a snapshot: what is in it is none')
  })

  test('is refused: databases of others, and copies without a checksum', async () => {
    const other = new Database(path('other.db'))
    other.exec('CREATE TABLE kine (id INTEGER); INSERT INTO kine VALUES (1)')
    other.close()
    await refused(path('other.db')).toContain('is not a snapshot, or cut off: an SQLite file without a checksum')
    const source = await storeOf('sqlite')
    await source.close()
    const bolt = Buffer.alloc(32_768)
    bolt.writeUInt32LE(0xed0cdaed, 16)
    await writeFile(path('bolt.db'), bolt)
    await refused(path('bolt.db')).toContain("a copy of etcd's file without a checksum")
  })

  test('is refused: an SQLite database of something else, with a right checksum', async () => {
    const other = new Database(path('foreign.db'))
    other.exec('CREATE TABLE kine (id INTEGER)')
    other.close()
    await writeFile(path('foreign'), await withRightChecksum(await readFile(path('foreign.db'))))
    await refused(path('foreign')).toContain('is not a snapshot of Skiff: an SQLite database of something else')
  })

  const withEtcd = canOpenEtcd ? test : test.skip
  withEtcd('is refused: what etcd cannot read, with a right checksum', async () => {
    const { createHash } = await import('node:crypto')
    const bolt = Buffer.alloc(32_768)
    bolt.writeUInt32LE(0xed0cdaed, 16)
    await writeFile(path('hollow'), Buffer.concat([bolt, createHash('sha256').update(bolt).digest()]))
    await refused(path('hollow')).toContain('cannot be restored: etcd says')
  })

  async function withRightChecksum(bytes: Buffer): Promise<Buffer> {
    const { withTrailer } = await import('../datastore/sqlite/trailer.ts')
    const { Readable } = await import('node:stream')
    const pieces: Buffer[] = []
    for await (const piece of withTrailer(Readable.from([bytes]))) pieces.push(piece)
    return Buffer.concat(pieces)
  }
})

test('etcd that is not installed is named in one line', async () => {
  const bolt = Buffer.alloc(32_768)
  bolt.writeUInt32LE(0xed0cdaed, 16)
  const { createHash } = await import('node:crypto')
  const file = join(dir, 'bolt')
  await writeFile(file, Buffer.concat([bolt, createHash('sha256').update(bolt).digest()]))
  const programs = { etcd: async () => undefined, etcdctl: async () => undefined }
  expect(await contentOf(file, { programs })).toContain(
    'takes etcd to read, and etcd is not in PATH (on Debian: apt-get install',
  )
})

describe('verification', () => {
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['is not JSON', Buffer.from('{"kind":"Pod"'), 'is not an object: it is not JSON'],
    ['has no kind', Buffer.from('{"metadata":{}}'), 'is not an object: it has no kind'],
    ['is null', Buffer.from('null'), 'is not an object: it has no kind'],
    ["is K3s'", Buffer.from('k8s\0\n\x0a'), 'is in the form of protobuf'],
  ]
  test.each(cases)('finds a value that %s', async (_, value, why) => {
    const source = await storeOf('dump')
    await fill(source.store, 2)
    await source.store.commit({ op: 'create', key: '/registry/pods/default/x', value })
    const file = join(dir, 'values')
    await takeSnapshot(source.store, { file, compress: false, signal })
    await source.close()
    await expect(verifySnapshot(file, options())).rejects.toThrow(
      `${file} cannot be restored: /registry/pods/default/x ${why}`,
    )
  })

  test('takes what servers note beside the objects', async () => {
    const source = await storeOf('dump')
    const notes = {
      'masterleases/192.0.2.2:6443': { count: 1 },
      'serviceallocations/x': { name: 'a' },
      'quotareservations/x': [],
    }
    for (const [key, note] of Object.entries(notes))
      await source.store.commit({ op: 'create', key: `/registry/${key}`, value: Buffer.from(JSON.stringify(note)) })
    const file = join(dir, 'notes')
    await takeSnapshot(source.store, { file, compress: false, signal })
    await source.close()
    expect(await verifySnapshot(file, options())).toMatchObject({ keys: 3 })
  })

  test('finds that there is nothing', async () => {
    const source = await storeOf('sqlite')
    const file = join(dir, 'nothing')
    await takeSnapshot(source.store, { file, compress: false, signal })
    await source.close()
    await expect(verifySnapshot(file, options())).rejects.toThrow(`${file} cannot be restored: it holds no keys`)
  })

  test('ends when aborted, with nothing left', async () => {
    for (const form of forms satisfies readonly SnapshotForm[]) {
      if (form === 'etcd' && !canOpenEtcd) continue
      const source = await storeOf(form)
      await fill(source.store, 100, 100_000)
      const file = join(dir, 'aborted.zip')
      await takeSnapshot(source.store, { file, compress: true, signal })
      await source.close()
      for (const ms of [0, 50]) {
        const stop = new AbortController()
        const running = verifySnapshot(file, options({ signal: stop.signal })).catch((error: unknown) => error)
        setTimeout(() => stop.abort(new Error('enough')), ms)
        const outcome = await running
        if (outcome instanceof Error) expect(outcome.message).toBe('enough')
        expect(await readdir(unpacked)).toEqual([])
      }
    }
  })
})

test('taking one removes what a killed process has left there, and nothing else', async () => {
  const folder = join(dir, 'left')
  await mkdir(folder)
  const old = new Date(Date.now() - 2 * 3600_000)
  for (const name of ['.snapshot-old.partial', '.snapshot-new.partial', 'other.partial']) {
    await writeFile(join(folder, name), '')
    if (name !== '.snapshot-new.partial') await utimes(join(folder, name), old, old)
  }
  const source = await storeOf('sqlite')
  await takeSnapshot(source.store, { file: join(folder, 'taken'), compress: false, signal })
  await source.close()
  expect((await readdir(folder)).sort()).toEqual(['.snapshot-new.partial', 'other.partial', 'taken'])
})

const withEtcd = canOpenEtcd ? test : test.skip
withEtcd('of etcd is read within the folder that is given, wherever that is', async () => {
  const source = await storeOf('etcd')
  try {
    await fill(source.store, 3)
    const file = join(dir, 'read-within')
    await takeSnapshot(source.store, { file, compress: false, signal })
    const opened = await openSnapshot(file, options())
    const [folder = ''] = await readdir(unpacked)
    expect(await readdir(join(unpacked, folder))).toEqual(expect.arrayContaining(['client:1', 'data']))
    await opened.close()
    // The path of a socket may be no longer than this.
    const deep = join(unpacked, 'd'.repeat(100))
    await mkdir(deep)
    expect(await verifySnapshot(file, options({ dir: deep }))).toMatchObject({ keys: 3 })
    await rm(deep, { recursive: true })
  } finally {
    await source.close()
  }
})

withEtcd('of etcd with moved revisions shows those that clients saw, and nothing of what moves them', async () => {
  const server = await startEtcdServer()
  const open = () => openEtcd({ endpoints: [server.endpoint], clock: systemClock })
  const first = await open()
  await first.commit({ op: 'create', key: shiftKey, value: Buffer.from('1000') })
  await first.close()
  const store = await open()
  const { key } = configMap('a')
  const revision = await store.commit({ op: 'create', ...configMap('a') })
  expect(revision).toBeGreaterThan(1000)
  const file = join(dir, 'moved')
  await takeSnapshot(store, { file, compress: false, signal })
  await store.close()
  await server.destroy()
  const opened = await openSnapshot(file, options())
  const entries = []
  for await (const entry of opened.entries()) entries.push([entry.key, entry.revision, entry.createRevision])
  await opened.close()
  expect(opened.revision).toBe(revision)
  expect(entries).toEqual([[key, revision, revision]])
})

test('a snapshot that SQLite itself can open', async () => {
  const source = await storeOf('sqlite')
  await fill(source.store, 10)
  const file = join(dir, 'by-sqlite')
  await takeSnapshot(source.store, { file, compress: false, signal })
  await source.close()
  const db = new Database(file)
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  expect(db.prepare('SELECT count(*) FROM log').pluck().get()).toBe(10)
  db.close()
})
