import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { CompactedError } from '../../datastore/datastore.ts'
import type { StoreEvent, WatchQuery } from './store.ts'
import { lineOf, StoreFixture, take } from './store-fixture.ts'

let fixture: StoreFixture

beforeEach(async () => {
  fixture = await StoreFixture.create()
})

afterEach(async () => {
  await fixture.destroy()
})

function watch(query: Partial<WatchQuery> & { after: number }): AsyncIterator<readonly StoreEvent[]> {
  return fixture.maps.watch({ signal: fixture.stop.signal, ...query })[Symbol.asyncIterator]()
}

describe('watches', () => {
  test('show what happens, in order, with the last state of what is deleted', async () => {
    const watching = watch({ after: 0 })
    const first = await fixture.create('ns/a', '1')
    const second = await fixture.change(first, '2')
    await fixture.remove(second)
    await fixture.create('ns/a', '3')
    const expected = ['ADDED ns/a=1@1', 'MODIFIED ns/a=2@2', 'DELETED ns/a=2@3', 'ADDED ns/a=3@4']
    expect(await take(watching, 4)).toEqual(expected)
    expect(await take(watch({ after: 0 }), 4)).toEqual(expected)
    expect(await take(watch({ after: 2 }), 2)).toEqual(expected.slice(2))
  })

  test('give the previous state', async () => {
    const first = await fixture.create('ns/a', '1')
    const second = await fixture.change(first, '2')
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
    const first = await fixture.create('a/1')
    await fixture.create('a/2')
    await fixture.create('b/1')
    await fixture.change(first, '')
    expect(await waiting).toEqual(expected)
    expect(await take(watch({ after: 0, ...query }), expected.length)).toEqual(expected)
    await fixture.reopen()
    expect(await take(watch({ after: 0, ...query }), expected.length)).toEqual(expected)
  })

  test('go on from the log into the present', async () => {
    for (let i = 0; i < 10; i++) await fixture.create(`ns/${i}`)
    await fixture.reopen()
    const watching = watch({ after: 4 })
    const lines = await take(watching, 6)
    const next = take(watching, 2)
    await fixture.create('ns/x')
    await fixture.create('ns/y')
    const revisions = [...lines, ...(await next)].map(line => Number(line.split('@')[1]))
    expect(revisions).toEqual([5, 6, 7, 8, 9, 10, 11, 12])
  })

  test('see concurrent writes once each, in order', async () => {
    const watching = take(watch({ after: 0 }), 500)
    await Promise.all(Array.from({ length: 500 }, (_, i) => fixture.create(`ns/${i}`)))
    const revisions = (await watching).map(line => Number(line.split('@')[1]))
    expect(revisions).toEqual(Array.from({ length: 500 }, (_, i) => i + 1))
  })

  test('of what is compacted fail', async () => {
    const first = await fixture.create('ns/a')
    const second = await fixture.change(first, '2')
    await fixture.reopen()
    await fixture.datastore.compact(second.revision)
    await expect(watch({ after: first.revision }).next()).rejects.toThrow(CompactedError)
  })

  test('from before what the ring keeps read the log', async () => {
    const first = await fixture.create('ns/a', '1')
    await fixture.change(first, '2')
    await fixture.clock.advance(6 * 60_000)
    await fixture.create('ns/b', '3')
    expect(await take(watch({ after: 0 }), 3)).toEqual(['ADDED ns/a=1@1', 'MODIFIED ns/a=2@2', 'ADDED ns/b=3@3'])
  })

  test('that are too slow end, and lose nothing that was handed out', async () => {
    const slow = watch({ after: 0 })
    const idle = watch({ after: 0, namespace: 'other' })
    const idling = idle.next()
    const first = slow.next()
    await fixture.create('ns/a')
    expect((await first).value).toHaveLength(1)
    const count = 10_100
    await Promise.all(Array.from({ length: count }, (_, i) => fixture.create(`ns/${i}`)))
    expect((await slow.next()).done).toBe(true)
    await fixture.create('other/a')
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
    await fixture.store.close()
    expect((await ends[2])?.done).toBe(true)
    expect((await watch({ after: 0, signal: single.signal }).next()).done).toBe(true)
    expect((await watch({ after: 0 }).next()).done).toBe(true)
    expect(fixture.store.ready()).toBe(false)
  })

  test('that asked for it are told the revision while nothing happens', async () => {
    const nodes = await fixture.store.resource('', 'nodes', false)
    const query = { after: 0, signal: fixture.stop.signal }
    const often = nodes.watch({ ...query, bookmarkEveryMs: 1000 })[Symbol.asyncIterator]()
    const rarely = nodes.watch({ ...query, bookmarkEveryMs: 60_000 })[Symbol.asyncIterator]()
    const early = nodes
      .watch({ ...query, after: 2, bookmarkEveryMs: 1000 })
      [Symbol.asyncIterator]()
      .next()
    const [first, rare] = [often.next(), rarely.next()]
    await fixture.create('ns/a')
    await fixture.clock.advance(1000)
    expect((await first).value?.map(lineOf)).toEqual(['BOOKMARK@1'])
    const second = often.next()
    await fixture.create('ns/b')
    await fixture.clock.advance(59_000)
    expect((await second).value?.map(lineOf)).toEqual(['BOOKMARK@2'])
    expect((await rare).value?.map(lineOf)).toEqual(['BOOKMARK@2'])
    expect((await early).value?.map(lineOf)).toEqual(['BOOKMARK@2'])
  })

  test('are told the revision on demand, after what is still to be taken', async () => {
    const [busy, waiting, log] = [new AbortController(), new AbortController(), new AbortController()]
    const reading = watch({ after: 0, bookmarkOn: busy.signal })
    const idle = take(watch({ after: 0, namespace: 'other', bookmarkOn: waiting.signal }), 1)
    await fixture.create('ns/a')
    busy.abort()
    waiting.abort()
    expect(await idle).toEqual(['BOOKMARK@1'])
    await fixture.create('ns/b')
    expect(await take(reading, 3)).toEqual(['ADDED ns/a=@1', 'ADDED ns/b=@2', 'BOOKMARK@2'])
    await fixture.reopen()
    log.abort()
    expect(await take(watch({ after: 0, bookmarkOn: log.signal }), 3)).toEqual([
      'ADDED ns/a=@1',
      'ADDED ns/b=@2',
      'BOOKMARK@2',
    ])
  })

  test('finish with what has happened', async () => {
    const finish = new AbortController()
    const [reading, waiting] = [0, 1].map(() => watch({ after: 0, finishOn: finish.signal }))
    const first = waiting!.next()
    await fixture.create('ns/a')
    expect((await first).value?.map(lineOf)).toEqual(['ADDED ns/a=@1'])
    const last = waiting!.next()
    finish.abort()
    expect((await last).done).toBe(true)
    expect(await take(reading!, 2)).toEqual(['ADDED ns/a=@1'])
    expect(await take(watch({ after: 0, finishOn: finish.signal }), 2)).toEqual(['ADDED ns/a=@1'])
  })

  test('of a thousand all see everything in order, by way of the same arrays', async () => {
    const waiting = Array.from({ length: 1000 }, () => watch({ after: 0 }))
    const first = Promise.all(waiting.map(watching => watching.next()))
    const written = await fixture.create('ns/a')
    const tell = new AbortController()
    const told = take(watch({ after: 1, bookmarkOn: tell.signal }), 2)
    const change = fixture.change(written, '1')
    tell.abort()
    const batches = await first
    expect(new Set(batches.map(({ value }) => value)).size).toBe(1)
    await change
    const seconds = await Promise.all(waiting.map(watching => take(watching, 1)))
    expect(new Set(seconds.flat())).toEqual(new Set(['MODIFIED ns/a=1@2']))
    expect(await told).toEqual(expect.arrayContaining(['MODIFIED ns/a=1@2']))
  })
})
