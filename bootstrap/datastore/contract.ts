/** What every datastore must do. A driver's test calls this with a way to open an empty store of its own. */
import { mkdtemp, open as openFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { openSnapshot } from '../snapshots/open.ts'
import type { TakeOptions } from '../snapshots/snapshot.ts'
import { takeSnapshot } from '../snapshots/take.ts'
import { canOpen, testPrograms } from '../snapshots/testing/programs.ts'
import {
  type Change,
  type ChangeBatch,
  CompactedError,
  ConflictError,
  type Datastore,
  FutureRevisionError,
  type Key,
  type Revision,
} from './datastore.ts'

export interface OpenedStore {
  readonly store: Datastore
  /** Closes the store and opens the same data again. */
  reopen(): Promise<Datastore>
  /** Closes what is open and removes all of it. */
  destroy(): Promise<void>
}

/** What `open` opens, and opens again; `remove` takes away what is below it. */
export async function openedBy(open: () => Promise<Datastore>, remove = async () => {}): Promise<OpenedStore> {
  let store = await open().catch(async error => {
    await remove()
    throw error
  })
  return {
    store,
    reopen: async () => {
      await store.close()
      store = await open()
      return store
    },
    destroy: async () => {
      await store.close()
      await remove()
    },
  }
}

const bytes = (text: string) => Buffer.from(text)
const create = (key: Key, value = key) => ({ op: 'create', key, value: bytes(value) }) as const
const update = (key: Key, revision: Revision, value: string) =>
  ({ op: 'update', key, value: bytes(value), revision }) as const
const remove = (key: Key, revision: Revision) => ({ op: 'delete', key, revision }) as const

/** One change as a line: "put k=value@3 was value@1". */
function lineOf(change: Change): string {
  const was = change.previous ? ` was ${change.previous.value}@${change.previous.revision}` : ''
  return change.type === 'put'
    ? `put ${change.entry.key}=${change.entry.value}@${change.entry.revision}${was}`
    : `delete ${change.key}@${change.revision}${was}`
}

/** Takes changes from a watch until there are `count` of them. */
async function take(watch: AsyncIterable<ChangeBatch>, count: number): Promise<Change[]> {
  const taken: Change[] = []
  if (count === 0) return taken
  for await (const batch of watch) {
    taken.push(...batch.changes)
    if (taken.length >= count) break
  }
  return taken
}

export function datastoreContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name} keeps the datastore's contract`, () => {
    let opened: OpenedStore
    let store: Datastore
    let stop: AbortController

    beforeEach(async () => {
      opened = await open()
      store = opened.store
      stop = new AbortController()
    })

    afterEach(async () => {
      stop.abort()
      await opened.destroy()
    })

    /** Contents under a prefix, as "key=value@revision/createRevision". */
    async function contents(prefix: string, at?: Revision): Promise<string[]> {
      const { entries } = await store.read(prefix, at === undefined ? {} : { at })
      return entries.map(entry => `${entry.key}=${entry.value}@${entry.revision}/${entry.createRevision}`)
    }

    describe('writes', () => {
      test('create, update and delete each take the next revision', async () => {
        const start = await store.revision()
        const first = await store.commit(create('/r/a', '1'))
        const second = await store.commit(update('/r/a', first, '2'))
        expect(await contents('/r/')).toEqual([`/r/a=2@${second}/${first}`])
        const third = await store.commit(remove('/r/a', second))
        expect([first, second, third]).toEqual([start + 1, start + 2, start + 3])
        expect(await contents('/r/')).toEqual([])
        expect(await store.revision()).toBe(third)
      })

      test('a key that comes back has a new createRevision', async () => {
        const first = await store.commit(create('/r/a'))
        const gone = await store.commit(remove('/r/a', first))
        const back = await store.commit(create('/r/a', 'again'))
        expect(back).toBeGreaterThan(gone)
        expect(await contents('/r/')).toEqual([`/r/a=again@${back}/${back}`])
      })

      test('a conflict names what is there and takes no revision', async () => {
        const first = await store.commit(create('/r/a', '1'))
        const second = await store.commit(update('/r/a', first, '2'))
        const losing = [create('/r/a'), update('/r/a', first, 'x'), remove('/r/a', first)]
        for (const write of losing) {
          const conflict = await store.commit(write).catch((error: unknown) => error)
          expect(conflict).toBeInstanceOf(ConflictError)
          const { current } = conflict as ConflictError
          expect(current).toMatchObject({ key: '/r/a', revision: second, createRevision: first })
          expect(String(current?.value)).toBe('2')
        }
        for (const write of [update('/r/none', first, 'x'), remove('/r/none', first)]) {
          const conflict = await store.commit(write).catch((error: unknown) => error)
          expect(conflict).toBeInstanceOf(ConflictError)
          expect((conflict as ConflictError).current).toBeUndefined()
        }
        expect(await store.revision()).toBe(second)
      })

      test('values are bytes: empty, large, not text', async () => {
        const values = [Buffer.alloc(0), Buffer.alloc(1_500_000, 7), Buffer.from([0, 255, 10, 0])]
        await Promise.all(values.map((value, i) => store.commit({ op: 'create', key: `/r/${i}`, value })))
        const { entries } = await store.read('/r/')
        expect(entries.map((entry, i) => entry.value.equals(values[i]!))).toEqual([true, true, true])
      })

      test('of many writers of one key, one wins each round', async () => {
        let revision = await store.commit(create('/r/counter', '0'))
        for (let round = 1; round <= 5; round++) {
          const attempts = Array.from({ length: 20 }, (_, i) =>
            store.commit(update('/r/counter', revision, `${round}-${i}`)),
          )
          const results = await Promise.allSettled(attempts)
          const won = results.filter(result => result.status === 'fulfilled')
          expect(won).toHaveLength(1)
          revision = won[0]!.value
        }
        expect((await contents('/r/')).length).toBe(1)
      })

      test('of many equal deletions, or creations, of one key one wins', async () => {
        for (let round = 0; round < 10; round++) {
          const created = await Promise.allSettled(
            Array.from({ length: 8 }, () => store.commit(create('/r/a', 'same'))),
          )
          const [winner, ...others] = created.filter(result => result.status === 'fulfilled')
          expect(others).toEqual([])
          const removals = Array.from({ length: 8 }, () => store.commit(remove('/r/a', winner!.value)))
          const removed = await Promise.allSettled(removals)
          expect(removed.filter(result => result.status === 'fulfilled').length).toBe(1)
        }
      })

      test('many writers of many keys all get their own revision', async () => {
        const start = await store.revision()
        const revisions = await Promise.all(Array.from({ length: 500 }, (_, i) => store.commit(create(`/r/${i}`))))
        expect(revisions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => start + 1 + i))
        const { entries } = await store.read('/r/')
        for (const entry of entries) expect(entry.revision).toBe(revisions[Number(entry.key.slice(3))])
      })
    })

    describe('reads', () => {
      test('a prefix takes its keys only, in key order', async () => {
        for (const key of ['/r/b/2', '/r/a/1', '/r/b/1', '/r/b-c/1', '/r/bb', '/s/x']) await store.commit(create(key))
        const keys = async (prefix: string) => (await store.read(prefix)).entries.map(entry => entry.key)
        expect(await keys('/r/b/')).toEqual(['/r/b/1', '/r/b/2'])
        expect(await keys('/r/b')).toEqual(['/r/b-c/1', '/r/b/1', '/r/b/2', '/r/bb'])
        expect(await keys('/r/b/2')).toEqual(['/r/b/2'])
        expect(await keys('/none/')).toEqual([])
        expect(await keys('/')).toHaveLength(6)
      })

      test('pages are cut by start and limit, and say what follows', async () => {
        for (const key of ['a', 'b', 'c', 'd']) await store.commit(create(`/r/${key}`))
        const gone = await store.commit(create('/r/bb'))
        await store.commit(remove('/r/bb', gone))
        const cases: [{ start?: Key; limit?: number }, string, boolean, number][] = [
          [{}, 'abcd', false, 4],
          [{ limit: 2 }, 'ab', true, 4],
          [{ start: '/r/b\0', limit: 1 }, 'c', true, 2],
          [{ start: '/r/b' }, 'bcd', false, 3],
          [{ start: '/r/c', limit: 2 }, 'cd', false, 2],
          [{ start: '/r/e', limit: 2 }, '', false, 0],
          [{ start: '/a' }, 'abcd', false, 4],
        ]
        for (const [options, keys, more, count] of cases) {
          const page = await store.read('/r/', options)
          expect([page.entries.map(entry => entry.key.at(-1)).join(''), page.more, page.count]).toEqual([
            keys,
            more,
            count,
          ])
          expect(page.revision).toBe(await store.revision())
        }
      })

      test('an old revision shows what was there then', async () => {
        const a = await store.commit(create('/r/a', '1'))
        const b = await store.commit(create('/r/b', '1'))
        const a2 = await store.commit(update('/r/a', a, '2'))
        const gone = await store.commit(remove('/r/b', b))
        expect(await contents('/r/', a)).toEqual([`/r/a=1@${a}/${a}`])
        expect(await contents('/r/', b)).toEqual([`/r/a=1@${a}/${a}`, `/r/b=1@${b}/${b}`])
        expect(await contents('/r/', a2)).toEqual([`/r/a=2@${a2}/${a}`, `/r/b=1@${b}/${b}`])
        expect(await contents('/r/', gone)).toEqual([`/r/a=2@${a2}/${a}`])
        expect(await store.read('/r/', { at: b, limit: 1 })).toMatchObject({ revision: b, more: true, count: 2 })
      })

      test('a revision not yet written is refused', async () => {
        const current = await store.revision()
        await expect(store.read('/r/', { at: current + 1 })).rejects.toThrow(FutureRevisionError)
      })
    })

    describe('watches', () => {
      test('show every change in revision order with the previous value', async () => {
        const start = await store.revision()
        const watching = take(store.watch('/r/', start, stop.signal), 4)
        const a = await store.commit(create('/r/a', '1'))
        await store.commit(create('/s/other'))
        const a2 = await store.commit(update('/r/a', a, '2'))
        const gone = await store.commit(remove('/r/a', a2))
        const back = await store.commit(create('/r/a', '3'))
        const expected = [
          `put /r/a=1@${a}`,
          `put /r/a=2@${a2} was 1@${a}`,
          `delete /r/a@${gone} was 2@${a2}`,
          `put /r/a=3@${back}`,
        ]
        expect((await watching).map(lineOf)).toEqual(expected)
        expect((await take(store.watch('/r/', start, stop.signal), 4)).map(lineOf)).toEqual(expected)
        expect((await take(store.watch('/r/', a2, stop.signal), 2)).map(lineOf)).toEqual(expected.slice(2))
      })

      test('go on from the past into the present without a gap or a repetition', async () => {
        const start = await store.revision()
        for (let i = 0; i < 600; i++) void store.commit(create(`/r/${i}`))
        await store.commit(create('/r/600'))
        const watching = take(store.watch('/r/', start, stop.signal), 1200)
        await Promise.all(Array.from({ length: 599 }, (_, i) => store.commit(create(`/r/${601 + i}`))))
        const revisions = (await watching).map(change => (change.type === 'put' ? change.entry.revision : 0))
        expect(revisions).toEqual(Array.from({ length: 1200 }, (_, i) => start + 1 + i))
      })

      test('give a slow watcher every change, however many have gathered', async () => {
        const watch = store.watch('/r/', await store.revision(), stop.signal)[Symbol.asyncIterator]()
        const first = watch.next()
        const count = 11_000
        await Promise.all(Array.from({ length: count }, (_, i) => store.commit(create(`/r/${i}`, ''))))
        const changes = [...(await first).value!.changes]
        while (changes.length < count) changes.push(...(await watch.next()).value!.changes)
        const revisions = changes.map(change => (change.type === 'put' ? change.entry.revision : 0))
        expect(revisions).toEqual(Array.from({ length: count }, (_, i) => revisions[0]! + i))
      })

      test('tell a watcher of another prefix how far they are', async () => {
        const watch = store.watch('/r/', await store.revision(), stop.signal)[Symbol.asyncIterator]()
        const batch = watch.next()
        const revision = await store.commit(create('/s/x'))
        expect((await batch).value).toEqual({ changes: [], revision })
      })

      test('from a future revision wait for it', async () => {
        const start = await store.revision()
        const watching = take(store.watch('/r/', start + 2, stop.signal), 1)
        for (const key of ['/r/a', '/r/b', '/r/c']) await store.commit(create(key))
        expect((await watching).map(lineOf)).toEqual([`put /r/c=/r/c@${start + 3}`])
      })

      test('end when aborted, waiting or not', async () => {
        const watch = store.watch('/r/', await store.revision(), stop.signal)[Symbol.asyncIterator]()
        const waiting = watch.next()
        stop.abort()
        expect((await waiting).done).toBe(true)
        const late = store.watch('/r/', 0, stop.signal)[Symbol.asyncIterator]()
        expect((await late.next()).done).toBe(true)
      })

      test('show a commit no later than its promise', async () => {
        const seen: Change[] = []
        const start = await store.revision()
        const watching = (async () => {
          for await (const batch of store.watch('/r/', start, stop.signal)) seen.push(...batch.changes)
        })()
        await store.commit(create('/r/a'))
        const page = await store.read('/r/')
        expect(page.entries).toHaveLength(1)
        expect(seen).toHaveLength(1)
        stop.abort()
        await watching
      })
    })

    describe('compaction', () => {
      /** Ten keys with ten values each, every third key deleted. */
      async function history(): Promise<Revision> {
        for (let key = 0; key < 10; key++) {
          let revision = await store.commit(create(`/r/${key}`, '0'))
          for (let i = 1; i < 10; i++) revision = await store.commit(update(`/r/${key}`, revision, String(i)))
          if (key % 3 === 0) await store.commit(remove(`/r/${key}`, revision))
        }
        return store.revision()
      }

      test('keeps what the given revision and later ones show', async () => {
        const newest = await history()
        const kept = newest - 25
        const before = new Map<Revision, string[]>()
        for (let at = kept; at <= newest; at++) before.set(at, await contents('/r/', at))
        const changes = await take(store.watch('/r/', kept, stop.signal), newest - kept)
        await store.compact(kept)
        for (let at = kept; at <= newest; at++) expect(await contents('/r/', at)).toEqual(before.get(at))
        const again = await take(store.watch('/r/', kept, stop.signal), newest - kept)
        expect(again.map(lineOf)).toEqual(changes.map(lineOf))
      })

      test('refuses older reads and watches, also after a restart', async () => {
        const newest = await history()
        await store.compact(newest - 5)
        const check = async () => {
          const refused = await store.read('/r/', { at: newest - 6 }).catch((error: unknown) => error)
          expect(refused).toBeInstanceOf(CompactedError)
          expect((refused as CompactedError).oldest).toBe(newest - 5)
          const watch = store.watch('/r/', newest - 6, stop.signal)[Symbol.asyncIterator]()
          await expect(watch.next()).rejects.toThrow(CompactedError)
          expect((await contents('/r/', newest - 5)).length).toBeGreaterThan(0)
        }
        await check()
        store = await opened.reopen()
        await check()
      })

      test('of everything leaves the live data and the revision', async () => {
        const first = await store.commit(create('/r/a', '1'))
        const second = await store.commit(update('/r/a', first, '2'))
        const other = await store.commit(create('/r/b'))
        const newest = await store.commit(remove('/r/b', other))
        await store.compact(newest)
        await store.compact(newest)
        store = await opened.reopen()
        expect(await store.revision()).toBe(newest)
        expect(await contents('/r/')).toEqual([`/r/a=2@${second}/${first}`])
        expect(await store.commit(create('/r/b'))).toBe(newest + 1)
      })
    })

    describe('snapshots', () => {
      let dir: string

      beforeEach(async () => {
        dir = await mkdtemp(join(tmpdir(), 'skiff-snapshot-'))
      })

      afterEach(() => rm(dir, { recursive: true, force: true }))

      const taken = (options: Partial<TakeOptions> = {}) =>
        takeSnapshot(store, { file: join(dir, 'snapshot'), compress: false, signal: stop.signal, ...options })

      async function opened(file = join(dir, 'snapshot')): Promise<{ revision: Revision; lines: string[] }> {
        const unpacked = await mkdtemp(join(dir, 'unpacked-'))
        const snapshot = await openSnapshot(file, { dir: unpacked, signal: stop.signal, programs: testPrograms })
        const lines: string[] = []
        for await (const { key, value, revision, createRevision } of snapshot.entries())
          lines.push(`${key}=${value}@${revision}/${createRevision}`)
        await snapshot.close()
        expect(await readdir(unpacked)).toEqual([])
        return { revision: snapshot.revision, lines }
      }

      test('hold every key with its revisions, and are readable by their owner only', async () => {
        const a = await store.commit(create('/r/a', '1'))
        await store.commit(update('/r/a', a, '2'))
        const b = await store.commit(create('/r/b'))
        await store.commit(remove('/r/b', b))
        for (const key of ['/r/c', '/s/\u00fc', '/r/empty'])
          await store.commit(create(key, key === '/r/empty' ? '' : key))
        const newest = await store.revision()
        const before = await contents('/')
        const { bytes: size, revision } = await taken()
        const { mode, size: found } = await stat(join(dir, 'snapshot'))
        expect([revision, size, mode & 0o777]).toEqual([newest, found, 0o600])
        expect(await readdir(dir)).toEqual(['snapshot'])
        if (canOpen(store)) expect(await opened()).toEqual({ revision: newest, lines: before })
      }, 120_000)

      test('hold one revision while writes go on', async () => {
        const value = 'x'.repeat(1000)
        await Promise.all(Array.from({ length: 1000 }, (_, i) => store.commit(create(`/r/${i}`, value))))
        const last = new Map<Key, Revision>()
        let writing = true
        const writers = Array.from({ length: 4 }, async (_, writer) => {
          for (let i = 0; writing; i++) {
            const key = `/w/${writer}-${i % 50}`
            const at = last.get(key)
            last.set(key, await store.commit(at ? update(key, at, `${i}`) : create(key, `${i}`)))
          }
        })
        const start = await store.revision()
        await taken()
        writing = false
        await Promise.all(writers)
        expect((await contents('/w/')).length).toBeGreaterThan(0)
        if (!canOpen(store)) return
        const { revision, lines } = await opened()
        expect(revision).toBeGreaterThanOrEqual(start)
        expect(lines).toEqual(await contents('/', revision))
      }, 120_000)

      test('are whole though what they hold is overwritten and forgotten meanwhile', async () => {
        const old = await Promise.all(
          Array.from({ length: 300 }, (_, i) => store.commit(create(`/r/${i}`, 'x'.repeat(5000)))),
        )
        const before = await contents('/')
        const file = join(dir, 'snapshot')
        const begun = Promise.withResolvers<void>()
        const forgotten = Promise.withResolvers<void>()
        const handle = await openFile(file, 'wx')
        const to = new Writable({
          write(part: Buffer, _encoding, done) {
            begun.resolve()
            forgotten.promise.then(() => handle.write(part)).then(() => done(), done)
          },
        })
        const taking = store.snapshot(to, stop.signal)
        await begun.promise
        await Promise.all(old.map((revision, i) => store.commit(update(`/r/${i}`, revision, 'new'))))
        await store.compact(await store.revision())
        forgotten.resolve()
        await taking
        await handle.close()
        if (canOpen(store)) expect((await opened(file)).lines).toEqual(before)
      }, 120_000)

      test('leave nothing behind when aborted, and the store works on', async () => {
        const value = Buffer.alloc(100_000, 1)
        await Promise.all(Array.from({ length: 100 }, (_, i) => store.commit({ op: 'create', key: `/r/${i}`, value })))
        await expect(taken({ signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early')
        const late = new AbortController()
        const to = new Writable({
          write(_part: Buffer, _encoding, done) {
            late.abort(new Error('late'))
            setImmediate(done)
          },
        })
        await expect(store.snapshot(to, late.signal)).rejects.toThrow('late')
        expect(to.destroyed).toBe(true)
        expect(await readdir(dir)).toEqual([])
        expect(await store.commit(create('/r/after'))).toBe(await store.revision())
        expect((await taken()).revision).toBe(await store.revision())
      }, 120_000)

      test('say what went wrong where they are written, and the store works on', async () => {
        const value = Buffer.alloc(100_000, 1)
        await Promise.all(Array.from({ length: 100 }, (_, i) => store.commit({ op: 'create', key: `/r/${i}`, value })))
        let room = 1_000_000
        const full = new Writable({
          write(part: Buffer, _encoding, done) {
            room -= part.length
            done(room < 0 ? Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }) : null)
          },
        })
        await expect(store.snapshot(full, stop.signal)).rejects.toThrow('ENOSPC')
        await expect(taken({ file: join(dir, 'none/snapshot') })).rejects.toThrow('there is no such folder')
        expect(await store.commit(create('/r/after'))).toBe(await store.revision())
      }, 120_000)
    })

    test('a restart keeps everything', async () => {
      const a = await store.commit(create('/r/a', '1'))
      const a2 = await store.commit(update('/r/a', a, '2'))
      const b = await store.commit(create('/r/b'))
      const gone = await store.commit(remove('/r/b', b))
      store = await opened.reopen()
      expect(await store.revision()).toBe(gone)
      expect(await contents('/r/')).toEqual([`/r/a=2@${a2}/${a}`])
      expect(await contents('/r/', b)).toEqual([`/r/a=2@${a2}/${a}`, `/r/b=/r/b@${b}/${b}`])
      await expect(store.commit(create('/r/a'))).rejects.toThrow(ConflictError)
      expect(await store.commit(update('/r/a', a2, '3'))).toBe(gone + 1)
    })

    test('reports that it is well', async () => {
      expect(await store.health()).toEqual({ ok: true })
    })
  })
}
