import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import {
  CompactedError,
  ConflictError,
  type Datastore,
  FutureRevisionError,
  UnavailableError,
} from '../../datastore/datastore.ts'
import { openSqlite } from '../../datastore/sqlite/sqlite.ts'
import { ManualClock } from './manual-clock.ts'
import { openStore } from './open-store.ts'
import type { ResourceStore, Store, Stored, StoreEvent, WatchQuery } from './store.ts'

let dir: string
let clock: ManualClock
let datastore: Datastore
let store: Store
let maps: ResourceStore
let stop: AbortController

async function openAll(): Promise<void> {
  datastore = await openSqlite({ file: join(dir, 'state.db'), clock })
  store = await openStore({ datastore, clock })
  maps = await store.resource('', 'configmaps', true)
}

async function closeAll(): Promise<void> {
  await store.close()
  await datastore.close()
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-store-'))
  clock = new ManualClock()
  stop = new AbortController()
  await openAll()
})

afterEach(async () => {
  stop.abort()
  await closeAll()
  await rm(dir, { recursive: true, force: true })
})

function configMap(place: string, value = '', labels?: { [key: string]: string }): KubeObject {
  const [namespace, name] = place.split('/')
  const metadata = { name, namespace, ...(labels ? { labels } : {}) }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { value } }
}

const create = (place: string, value = '') => maps.create(configMap(place, value))
const change = (stored: Stored, value: string) =>
  maps.update(configMap(`${stored.namespace}/${stored.name}`, value), stored.revision)
const remove = (stored: Stored) => maps.delete(stored.namespace, stored.name, stored.revision)
const places = (items: Iterable<Stored>) => Array.from(items, item => `${item.namespace}/${item.name}`)

function lineOf(event: StoreEvent): string {
  if (event.type === 'BOOKMARK') return `BOOKMARK@${event.revision}`
  const { namespace, name, object, revision } = event.stored
  return `${event.type} ${namespace}/${name}=${(object.data as { value: string }).value}@${revision}`
}

function watch(query: Partial<WatchQuery> & { after: number }): AsyncIterator<readonly StoreEvent[]> {
  return maps.watch({ signal: stop.signal, ...query })[Symbol.asyncIterator]()
}

/** The next `count` events, or fewer when the watch ends. */
async function take(watching: AsyncIterator<readonly StoreEvent[]>, count: number): Promise<string[]> {
  const taken: string[] = []
  while (taken.length < count) {
    const { done, value } = await watching.next()
    if (done) break
    taken.push(...value.map(lineOf))
  }
  return taken
}

describe('bytes', () => {
  test('are the JSON of the object with its revision first in the metadata', async () => {
    const stored = await create('ns/a', 'ä')
    const text =
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"1","name":"a","namespace":"ns"},"data":{"value":"ä"}}'
    expect(stored.bytes.toString()).toBe(text)
    expect((await datastore.read('/registry/core/configmaps/ns/a')).entries[0]!.value.toString()).toBe(
      text.replace('"resourceVersion":"1",', ''),
    )
    expect(stored).toMatchObject({ key: '/registry/core/configmaps/ns/a', revision: 1, namespace: 'ns', name: 'a' })
  })

  test('parse to the same, whether written here or read at start', async () => {
    const awkward = { ...configMap('ns/a', '"metadata":{'), extra: [{ metadata: {} }] }
    const written = await maps.create({ ...awkward, metadata: { ...awkward.metadata, resourceVersion: '99' } })
    expect(written.object.metadata.resourceVersion).toBe('1')
    await closeAll()
    await openAll()
    const read = maps.get('ns', 'a')!
    expect(read.bytes.equals(written.bytes)).toBe(true)
    expect(read.object).toEqual(written.object)
    expect(JSON.parse(read.bytes.toString())).toEqual(written.object)
  })

  test('the object written becomes the parsed form, and nobody can change it', async () => {
    const object = configMap('ns/a')
    const stored = await maps.create(object)
    expect(stored.object.data).toBe(object.data)
    expect(maps.get('ns', 'a')!.object).toBe(stored.object)
    expect(() => Object.assign(stored.object.data as object, { value: 'x' })).toThrow(TypeError)
  })

  test('labels are those of the object', async () => {
    const stored = await maps.create(configMap('ns/a', '', { app: 'web' }))
    expect(stored.labels).toEqual({ app: 'web' })
    expect((await create('ns/b')).labels).toEqual({})
  })
})

describe('writes', () => {
  test('can be read at once', async () => {
    const first = await create('ns/a', '1')
    expect(maps.get('ns', 'a')).toBe(first)
    const second = await change(first, '2')
    expect(maps.get('ns', 'a')).toBe(second)
    expect(maps.revision).toBe(second.revision)
    const last = await remove(second)
    expect(maps.get('ns', 'a')).toBeUndefined()
    expect(last.object).toMatchObject({ metadata: { resourceVersion: '3' }, data: { value: '2' } })
    expect(JSON.parse(last.bytes.toString())).toEqual(last.object)
  })

  test('that lose are told what is there', async () => {
    const first = await create('ns/a', '1')
    const second = await change(first, '2')
    const losers = [() => create('ns/a'), () => change(first, 'x'), () => remove(first)]
    for (const lose of losers) {
      const error = await lose().catch((error: unknown) => error)
      expect(error).toBeInstanceOf(ConflictError)
      expect((error as ConflictError).current?.revision).toBe(second.revision)
    }
  })

  test('give each of many writers their own result', async () => {
    const stored = await Promise.all(Array.from({ length: 300 }, (_, i) => create(`ns/${i}`, String(i))))
    expect(stored.map(item => item.name)).toEqual(Array.from({ length: 300 }, (_, i) => String(i)))
    for (const item of stored) expect(item.object).toMatchObject({ data: { value: item.name } })
  })

  test('need a place of the resource’s form', async () => {
    await expect(create('/a')).rejects.toThrow('namespace "", name "a"')
    await expect(create('ns/')).rejects.toThrow('name ""')
    const nodes = await store.resource('', 'nodes', false)
    await expect(nodes.create(configMap('ns/a'))).rejects.toThrow('namespace "ns"')
  })

  test('of one resource advance the revision of all', async () => {
    const nodes = await store.resource('', 'nodes', false)
    const { revision } = await create('ns/a')
    expect([nodes.revision, store.revision()]).toEqual([revision, revision])
    await nodes.waitFor(revision, stop.signal)
    const later = nodes.waitFor(revision + 1, stop.signal)
    await create('ns/b')
    await later
    const never = nodes.waitFor(revision + 9, stop.signal)
    stop.abort(new Error('enough'))
    await expect(never).rejects.toThrow('enough')
  })
})

describe('lists', () => {
  const names = ['b/2', 'a/1', 'a-b/1', 'b/1', 'a/2', 'ab/1']

  test('are in key order, as the datastore has them', async () => {
    for (const name of names) await create(name)
    const { items, revision, remaining } = await maps.list({})
    const { entries } = await datastore.read('/registry/core/configmaps/')
    expect(items.map(item => item.key)).toEqual(entries.map(entry => entry.key))
    expect(places(items)).toEqual(['a-b/1', 'a/1', 'a/2', 'ab/1', 'b/1', 'b/2'])
    expect([revision, remaining]).toEqual([6, 0])
    expect(places((await maps.list({ namespace: 'a' })).items)).toEqual(['a/1', 'a/2'])
    expect(places(maps.all('b'))).toEqual(['b/1', 'b/2'])
    expect(places(maps.all('none'))).toEqual([])
  })

  test.each([[1], [2], [5], [6], [7]])('come in pages of %i that stay as they were while others write', async limit => {
    const stored: Stored[] = []
    for (const name of names) stored.push(await create(name, 'old'))
    const first = await maps.list({ limit })
    const items = [...first.items]
    await change(stored[0]!, 'new')
    await remove(stored[5]!)
    await create('a/3')
    for (let page = first; page.continueAfter !== undefined; ) {
      page = await maps.list({ limit, at: first.revision, after: page.continueAfter })
      expect(page.revision).toBe(first.revision)
      items.push(...page.items)
      expect(page.remaining).toBe(names.length - items.length)
    }
    expect(places(items)).toEqual(['a-b/1', 'a/1', 'a/2', 'ab/1', 'b/1', 'b/2'])
    expect(new Set(items.map(item => (item.object.data as { value: string }).value))).toEqual(new Set(['old']))
    expect((await maps.list({})).items).toHaveLength(6)
  })

  test.each([['now'], ['earlier']])('that filter count no remainder (%s)', async when => {
    for (const name of names) await create(name)
    const at = store.revision()
    if (when === 'earlier') await create('a/9')
    const match = (stored: Stored) => stored.name === '1'
    const page = await maps.list({ match, limit: 2, at })
    expect(places(page.items)).toEqual(['a-b/1', 'a/1'])
    expect(page.remaining).toBeUndefined()
    const rest = await maps.list({ match, limit: 5, at, after: page.continueAfter! })
    expect(places(rest.items)).toEqual(['ab/1', 'b/1'])
    expect(rest.continueAfter).toBeUndefined()
  })

  test('refuse revisions that are gone or not yet there', async () => {
    const first = await create('ns/a')
    const second = await change(first, '2')
    await datastore.compact(second.revision)
    await expect(maps.list({ at: first.revision })).rejects.toThrow(CompactedError)
    await expect(maps.list({ at: second.revision + 1 })).rejects.toThrow(FutureRevisionError)
  })
})

describe('watches', () => {
  test('show what happens, in order, with the last state of what is deleted', async () => {
    const watching = watch({ after: 0 })
    const first = await create('ns/a', '1')
    const second = await change(first, '2')
    await remove(second)
    await create('ns/a', '3')
    const expected = ['ADDED ns/a=1@1', 'MODIFIED ns/a=2@2', 'DELETED ns/a=2@3', 'ADDED ns/a=3@4']
    expect(await take(watching, 4)).toEqual(expected)
    expect(await take(watch({ after: 0 }), 4)).toEqual(expected)
    expect(await take(watch({ after: 2 }), 2)).toEqual(expected.slice(2))
  })

  test('give the previous state', async () => {
    const first = await create('ns/a', '1')
    const second = await change(first, '2')
    const { value } = await watch({ after: 0 }).next()
    expect(value).toEqual([
      { type: 'ADDED', stored: first, previous: undefined },
      { type: 'MODIFIED', stored: second, previous: first },
    ])
  })

  test.each<[string, Partial<WatchQuery>, string[]]>([
    ['a namespace', { namespace: 'a' }, ['ADDED a/1=@1', 'ADDED a/2=@2', 'ADDED a/1=@4']],
    ['one object', { namespace: 'a', name: '1' }, ['ADDED a/1=@1', 'ADDED a/1=@4']],
    ['a name', { name: '1' }, ['ADDED a/1=@1', 'ADDED b/1=@3', 'ADDED a/1=@4']],
    ['the future', { after: 3 }, ['ADDED a/1=@4']],
  ])('can be of %s only: waiting, resumed, or from the log', async (_, query, lines) => {
    const expected = lines.map(line => line.replace('ADDED a/1=@4', 'MODIFIED a/1=@4'))
    const waiting = take(watch({ after: 0, ...query }), expected.length)
    const first = await create('a/1')
    await create('a/2')
    await create('b/1')
    await change(first, '')
    expect(await waiting).toEqual(expected)
    expect(await take(watch({ after: 0, ...query }), expected.length)).toEqual(expected)
    await closeAll()
    await openAll()
    expect(await take(watch({ after: 0, ...query }), expected.length)).toEqual(expected)
  })

  test('go on from the log into the present', async () => {
    for (let i = 0; i < 10; i++) await create(`ns/${i}`)
    await closeAll()
    await openAll()
    const watching = watch({ after: 4 })
    const lines = await take(watching, 6)
    const next = take(watching, 2)
    await create('ns/x')
    await create('ns/y')
    const revisions = [...lines, ...(await next)].map(line => Number(line.split('@')[1]))
    expect(revisions).toEqual([5, 6, 7, 8, 9, 10, 11, 12])
  })

  test('see concurrent writes once each, in order', async () => {
    const watching = take(watch({ after: 0 }), 500)
    await Promise.all(Array.from({ length: 500 }, (_, i) => create(`ns/${i}`)))
    const revisions = (await watching).map(line => Number(line.split('@')[1]))
    expect(revisions).toEqual(Array.from({ length: 500 }, (_, i) => i + 1))
  })

  test('of what is compacted fail', async () => {
    const first = await create('ns/a')
    const second = await change(first, '2')
    await closeAll()
    await openAll()
    await datastore.compact(second.revision)
    await expect(watch({ after: first.revision }).next()).rejects.toThrow(CompactedError)
  })

  test('from before what the ring keeps read the log', async () => {
    const first = await create('ns/a', '1')
    await change(first, '2')
    await clock.advance(6 * 60_000)
    await create('ns/b', '3')
    expect(await take(watch({ after: 0 }), 3)).toEqual(['ADDED ns/a=1@1', 'MODIFIED ns/a=2@2', 'ADDED ns/b=3@3'])
  })

  test('that are too slow end, and lose nothing that was handed out', async () => {
    const slow = watch({ after: 0 })
    const idle = watch({ after: 0, namespace: 'other' })
    const idling = idle.next()
    const first = slow.next()
    await create('ns/a')
    expect((await first).value).toHaveLength(1)
    const count = 10_100
    await Promise.all(Array.from({ length: count }, (_, i) => create(`ns/${i}`)))
    expect((await slow.next()).done).toBe(true)
    await create('other/a')
    expect((await idling).value?.map(lineOf)).toEqual([`ADDED other/a=@${count + 2}`])
  })

  test('end when aborted, returned or the store closes', async () => {
    const single = new AbortController()
    const [aborted, returned, closed] = [
      watch({ after: 0, signal: single.signal }),
      watch({ after: 0 }),
      watch({ after: 0 }),
    ]
    const ends = [aborted.next(), returned.next(), closed.next()]
    single.abort()
    expect((await ends[0])?.done).toBe(true)
    await returned.return?.()
    expect((await ends[1])?.done).toBe(true)
    await store.close()
    expect((await ends[2])?.done).toBe(true)
    expect((await watch({ after: 0, signal: single.signal }).next()).done).toBe(true)
    expect((await watch({ after: 0 }).next()).done).toBe(true)
    expect(store.ready()).toBe(false)
  })

  test('that asked for it are told the revision while nothing happens', async () => {
    const nodes = await store.resource('', 'nodes', false)
    const query = { after: 0, signal: stop.signal }
    const often = nodes.watch({ ...query, bookmarkEveryMs: 1000 })[Symbol.asyncIterator]()
    const rarely = nodes.watch({ ...query, bookmarkEveryMs: 60_000 })[Symbol.asyncIterator]()
    const early = nodes
      .watch({ ...query, after: 2, bookmarkEveryMs: 1000 })
      [Symbol.asyncIterator]()
      .next()
    const [first, rare] = [often.next(), rarely.next()]
    await create('ns/a')
    await clock.advance(1000)
    expect((await first).value?.map(lineOf)).toEqual(['BOOKMARK@1'])
    const second = often.next()
    await create('ns/b')
    await clock.advance(59_000)
    expect((await second).value?.map(lineOf)).toEqual(['BOOKMARK@2'])
    expect((await rare).value?.map(lineOf)).toEqual(['BOOKMARK@2'])
    expect((await early).value?.map(lineOf)).toEqual(['BOOKMARK@2'])
  })
})

describe('the store', () => {
  test('fills a resource once, whoever asks', async () => {
    for (let i = 0; i < 1100; i++) void create(`ns/${i}`)
    await create('ns/last')
    await closeAll()
    datastore = await openSqlite({ file: join(dir, 'state.db'), clock })
    store = await openStore({ datastore, clock })
    expect(store.loaded('', 'configmaps')).toBeUndefined()
    const asked = [store.resource('', 'configmaps', true), store.resource('', 'configmaps', true)]
    expect(store.loaded('', 'configmaps')).toBeUndefined()
    const [one, two] = await Promise.all(asked)
    expect(one).toBe(two)
    expect(store.loaded('', 'configmaps')).toBe(one)
    expect((await one!.list({})).items).toHaveLength(1101)
  })

  test('misses nothing that is written while a resource is being filled', async () => {
    for (let i = 0; i < 1100; i++) void create(`ns/${i}`)
    const last = await create('ns/last')
    const other = await openStore({ datastore, clock })
    const filling = other.resource('', 'configmaps', true)
    const writes = [change(maps.get('ns', '5')!, 'new'), remove(last), create('ns/new')]
    await Promise.all(writes)
    const filled = await filling
    await filled.waitFor(store.revision(), stop.signal)
    expect(places(filled.all())).toEqual(places(maps.all()))
    expect(Array.from(filled.all(), item => item.revision)).toEqual(Array.from(maps.all(), item => item.revision))
    await other.close()
  })

  test('sees what another store writes', async () => {
    const other = await openStore({ datastore, clock })
    const theirs = await other.resource('', 'configmaps', true)
    const stored = await theirs.create(configMap('ns/a', '1'))
    await maps.waitFor(stored.revision, stop.signal)
    expect(maps.get('ns', 'a')!.bytes.equals(stored.bytes)).toBe(true)
    await other.close()
  })

  /** Another store over the same datastore, whose watch can be broken with a failure. */
  async function breakable(): Promise<{ store: Store; fail(error: Error): Promise<void> }> {
    let broken = new AbortController()
    const delegate: Datastore = {
      async *watch(prefix, after, signal) {
        const { signal: failure } = broken
        yield* datastore.watch(prefix, after, AbortSignal.any([signal, failure]))
        if (failure.aborted) throw failure.reason
      },
      read: (...args) => datastore.read(...args),
      commit: write => datastore.commit(write),
      compact: before => datastore.compact(before),
      snapshot: (...args) => datastore.snapshot(...args),
      health: () => datastore.health(),
      revision: () => datastore.revision(),
      close: () => datastore.close(),
    }
    const fail = async (error: Error) => {
      broken.abort(error)
      broken = new AbortController()
      await new Promise(setImmediate)
    }
    return { store: await openStore({ datastore: delegate, clock }), fail }
  }

  test('goes on where it was when its watch of the datastore breaks', async () => {
    const { store: other, fail } = await breakable()
    const theirs = await other.resource('', 'configmaps', true)
    const watching = theirs.watch({ after: 0, signal: stop.signal })[Symbol.asyncIterator]()
    await fail(new UnavailableError('away'))
    expect(other.ready()).toBe(false)
    const writing = theirs.create(configMap('ns/a', '1'))
    await create('ns/b', '2')
    await clock.advance(1000)
    const written = await writing
    expect(other.ready()).toBe(true)
    expect(theirs.get('ns', 'a')).toBe(written)
    expect((await take(watching, 2)).length).toBe(2)
    await other.close()
  })

  test('starts over when it has missed what is compacted', async () => {
    const { store: other, fail } = await breakable()
    const theirs = await other.resource('', 'configmaps', true)
    const watching = theirs.watch({ after: 0, signal: stop.signal })[Symbol.asyncIterator]()
    const ending = watching.next()
    const gone = await theirs.create(configMap('ns/gone'))
    expect((await ending).done).toBe(false)
    const waiting = watching.next()
    await fail(new CompactedError(1, 2))
    await remove(gone)
    await create('ns/new')
    await clock.advance(1000)
    expect((await waiting).done).toBe(true)
    await theirs.waitFor(store.revision(), stop.signal)
    expect(theirs.get('ns', 'gone')).toBeUndefined()
    expect(places((await other.resource('', 'configmaps', true)).all())).toEqual(['ns/new'])
    expect(other.ready()).toBe(true)
    await other.close()
  })
})
