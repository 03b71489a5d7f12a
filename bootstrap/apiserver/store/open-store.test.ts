import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { CompactedError, type Datastore, UnavailableError } from '../../datastore/datastore.ts'
import { openStore } from './open-store.ts'
import type { Store } from './store.ts'
import { configMap, places, StoreFixture, take } from './store-fixture.ts'

let fixture: StoreFixture

beforeEach(async () => {
  fixture = await StoreFixture.create()
})

afterEach(async () => {
  await fixture.destroy()
})

describe('the store', () => {
  test('fills a resource once, whoever asks', async () => {
    for (let i = 0; i < 1100; i++) void fixture.create(`ns/${i}`)
    await fixture.create('ns/last')
    const other = await openStore(fixture)
    expect(other.loaded('', 'configmaps')).toBeUndefined()
    const asked = [other.resource('', 'configmaps', true), other.resource('', 'configmaps', true)]
    expect(other.loaded('', 'configmaps')).toBeUndefined()
    const [one, two] = await Promise.all(asked)
    expect(one).toBe(two)
    expect(other.loaded('', 'configmaps')).toBe(one)
    expect((await one!.list({})).items).toHaveLength(1101)
    await other.close()
  })

  test('misses nothing that is written while a resource is being filled', async () => {
    for (let i = 0; i < 1100; i++) void fixture.create(`ns/${i}`)
    const last = await fixture.create('ns/last')
    const other = await openStore(fixture)
    const filling = other.resource('', 'configmaps', true)
    const writes = [fixture.change(fixture.maps.get('ns', '5')!, 'new'), fixture.remove(last), fixture.create('ns/new')]
    await Promise.all(writes)
    const filled = await filling
    await filled.waitFor(fixture.store.revision(), fixture.stop.signal)
    expect(places(filled.all())).toEqual(places(fixture.maps.all()))
    expect(Array.from(filled.all(), item => item.revision)).toEqual(
      Array.from(fixture.maps.all(), item => item.revision),
    )
    await other.close()
  })

  test('sees what another store writes', async () => {
    const other = await openStore(fixture)
    const theirs = await other.resource('', 'configmaps', true)
    const stored = await theirs.create(configMap('ns/a', '1'))
    await fixture.maps.waitFor(stored.revision, fixture.stop.signal)
    expect(fixture.maps.get('ns', 'a')!.bytes.equals(stored.bytes)).toBe(true)
    await other.close()
  })

  /** Another store over the same datastore, whose watch can be broken with a failure. */
  async function breakable(): Promise<{ store: Store; fail(error: Error): Promise<void> }> {
    let broken = new AbortController()
    const delegate: Datastore = {
      snapshotForm: fixture.datastore.snapshotForm,
      async *watch(prefix, after, signal) {
        const { signal: failure } = broken
        yield* fixture.datastore.watch(prefix, after, AbortSignal.any([signal, failure]))
        if (failure.aborted) throw failure.reason
      },
      read: (...args) => fixture.datastore.read(...args),
      commit: write => fixture.datastore.commit(write),
      compact: before => fixture.datastore.compact(before),
      snapshot: (...args) => fixture.datastore.snapshot(...args),
      health: () => fixture.datastore.health(),
      revision: () => fixture.datastore.revision(),
      close: () => fixture.datastore.close(),
    }
    const fail = async (error: Error) => {
      broken.abort(error)
      broken = new AbortController()
      await new Promise(setImmediate)
    }
    return { store: await openStore({ datastore: delegate, clock: fixture.clock }), fail }
  }

  test('goes on where it was when its watch of the datastore breaks', async () => {
    const { store: other, fail } = await breakable()
    const theirs = await other.resource('', 'configmaps', true)
    const watching = theirs.watch({ after: 0, signal: fixture.stop.signal })[Symbol.asyncIterator]()
    await fail(new UnavailableError('away'))
    expect(other.ready()).toBe(false)
    const writing = theirs.create(configMap('ns/a', '1'))
    await fixture.create('ns/b', '2')
    await fixture.clock.advance(1000)
    const written = await writing
    expect(other.ready()).toBe(true)
    expect(theirs.get('ns', 'a')).toBe(written)
    expect((await take(watching, 2)).length).toBe(2)
    await other.close()
  })

  test('starts over when it has missed what is compacted', async () => {
    const { store: other, fail } = await breakable()
    const theirs = await other.resource('', 'configmaps', true)
    const watching = theirs.watch({ after: 0, signal: fixture.stop.signal })[Symbol.asyncIterator]()
    const ending = watching.next()
    const gone = await theirs.create(configMap('ns/gone'))
    expect((await ending).done).toBe(false)
    const waiting = watching.next()
    await fail(new CompactedError(1, 2))
    await fixture.remove(gone)
    await fixture.create('ns/new')
    await fixture.clock.advance(1000)
    expect((await waiting).done).toBe(true)
    await theirs.waitFor(fixture.store.revision(), fixture.stop.signal)
    expect(theirs.get('ns', 'gone')).toBeUndefined()
    expect(places((await other.resource('', 'configmaps', true)).all())).toEqual(['ns/new'])
    expect(other.ready()).toBe(true)
    await other.close()
  })
})
