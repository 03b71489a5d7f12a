import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { isStatusError, type StatusError } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Client, Resource } from '../../client/client.ts'
import type { FaultyDatastore } from '../../datastore/testing/faulty.ts'
import { type AssembledTestServer, assembledPeers, type TestPeers } from '../testing-assembled.ts'

const maps: Resource = { group: '', version: 'v1', resource: 'configmaps', kind: 'ConfigMap', namespaced: true }
const spaces: Resource = { group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace', namespaced: false }

const map = (name: string, data: { [key: string]: string } = {}, namespace = 'default'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
})
const at = (name: string) => ({ name, namespace: 'default' })
const dataOf = (object: KubeObject) => object.data as { [key: string]: string }
const merge = { type: 'merge' } as const
const failed = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    error => error as StatusError,
  )

describe('two servers over one datastore', () => {
  let peers: TestPeers
  let [one, two]: readonly Client[] = []
  let [first, second]: readonly AssembledTestServer[] = []
  let way: FaultyDatastore

  beforeEach(async () => {
    peers = await assembledPeers(2)
    ;[first, second] = peers.servers
    one = first!.client()
    two = second!.client()
    way = peers.ways[1]!
  })

  afterEach(() => peers.stop())

  /** What the second server answers over its whole request path. */
  async function get(path: string): Promise<{ status: number; body: string }> {
    const url = new URL(path, 'https://server')
    const response = await second!.server.handle({
      method: 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: {},
      user: { name: 'admin', uid: '', groups: ['system:masters'], extra: {} },
      signal: new AbortController().signal,
      body: async () => Buffer.alloc(0),
    } as never)
    return { status: response.status, body: String(response.body) }
  }

  /** The second server hears of others' writes only after this has run for a while; however long that is, the outcome is one. */
  function late(work: Promise<unknown>): Promise<unknown> {
    setTimeout(() => way.flow(), 50)
    return work
  }

  test('a read shows what another server has acknowledged, however far its watch is behind', async () => {
    way.hold()
    await one!.create(maps, map('a', { value: '1' }))
    expect(await late(two!.get(maps, at('a')))).toMatchObject({ data: { value: '1' } })
    for (let i = 0; i < 20; i++) {
      way.hold()
      const written = await one!.patch(maps, at('a'), { data: { value: `v${i}` } }, merge)
      const reading =
        i % 2 === 0
          ? two!.get(maps, at('a'))
          : two!
              .list(maps, { namespace: 'default' })
              .then(page => page.items.find(({ metadata }) => metadata.name === 'a')!)
      const read = (await late(reading)) as KubeObject
      expect(dataOf(read).value).toBe(`v${i}`)
      expect(read.metadata.resourceVersion).toBe(written.metadata.resourceVersion)
    }
  })

  test('resourceVersion 0 is answered at once, a later version is waited for, 504 when it does not come', async () => {
    const old = await one!.create(maps, map('a', { value: 'old' }))
    await two!.get(maps, at('a'))
    way.hold()
    const now = await one!.patch(maps, at('a'), { data: { value: 'new' } }, merge)
    const url = '/api/v1/namespaces/default/configmaps'
    expect((await get(`${url}/a?resourceVersion=0`)).body).toContain('"old"')
    expect((await get(`${url}?resourceVersion=${old.metadata.resourceVersion}`)).body).toContain('"old"')
    const revision = now.metadata.resourceVersion!
    const late = await get(`${url}?resourceVersion=${revision}&resourceVersionMatch=NotOlderThan`)
    expect(late.status).toBe(504)
    expect(late.body).toContain(`Too large resource version: ${revision}, current: `)
    setTimeout(() => way.flow(), 50)
    const exact = await get(`${url}?resourceVersion=${revision}&resourceVersionMatch=Exact`)
    expect([exact.status, exact.body.includes('"new"')]).toEqual([200, true])
  })

  test('readers that wait together ask the datastore once, those that come later once more', async () => {
    const before = way.asked
    await Promise.all(Array.from({ length: 100 }, () => two!.get(spaces, { name: 'default' })))
    expect(way.asked - before).toBeLessThanOrEqual(2)
  })

  test('changes are decided on the newest state', async () => {
    await one!.create(maps, map('a', { n: '0' }))
    await two!.get(maps, at('a'))
    way.hold()
    await one!.patch(maps, at('a'), { data: { one: 'x' } }, merge)
    const patched = (await late(two!.patch(maps, at('a'), { data: { two: 'y' } }, merge))) as KubeObject
    expect(dataOf(patched)).toEqual({ n: '0', one: 'x', two: 'y' })

    // Nothing to do by what the cache has, but by now there is.
    way.hold()
    await one!.patch(maps, at('a'), { data: { two: 'z' } }, merge)
    const again = (await late(two!.patch(maps, at('a'), { data: { two: 'y' } }, merge))) as KubeObject
    expect(dataOf(again).two).toBe('y')

    // The version it names is newer than the cache.
    way.hold()
    const newest = await one!.patch(maps, at('a'), { data: { n: '1' } }, merge)
    const put = (await late(two!.update(maps, { ...newest, data: { n: '2' } } as KubeObject))) as KubeObject
    expect(dataOf(put)).toEqual({ n: '2' })
    const stale = await failed(two!.update(maps, { ...newest, data: { n: '3' } } as KubeObject))
    expect([stale?.code, stale?.reason]).toEqual([409, 'Conflict'])
  })

  test('what was created, deleted or replaced elsewhere is known', async () => {
    way.hold()
    await one!.create(maps, map('new'))
    await late(two!.delete(maps, at('new')))

    await one!.create(maps, map('old'))
    await two!.get(maps, at('old'))
    way.hold()
    await one!.delete(maps, at('old'))
    await late(two!.create(maps, map('old', { again: 'yes' })))
    expect(dataOf(await one!.get(maps, at('old')))).toEqual({ again: 'yes' })
    expect(isStatusError(await failed(two!.create(maps, map('old'))), 'AlreadyExists')).toBe(true)

    way.hold()
    await one!.delete(maps, at('old'))
    const gone = await late(failed(two!.delete(maps, at('old'))))
    expect((gone as StatusError).code).toBe(404)
    way.hold()
    const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace: 'default' } }
    await one!.create(maps, map('applied', { kept: 'yes' }))
    const result = (await late(
      two!.patch(maps, at('applied'), { ...applied, data: { more: 'yes' } }, { type: 'apply', fieldManager: 'test' }),
    )) as KubeObject
    expect(dataOf(result)).toEqual({ kept: 'yes', more: 'yes' })
  })

  test('an object goes into a namespace that another server has just made', async () => {
    way.hold()
    await one!.create(spaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'fresh' } })
    await late(two!.create(maps, map('a', {}, 'fresh')))
    expect((await one!.get(maps, { name: 'a', namespace: 'fresh' })).metadata.namespace).toBe('fresh')
  })

  test('of increments through both servers none is lost, and none is refused', async () => {
    await one!.create(maps, map('counter'))
    const add = (client: Client, key: string) => client.patch(maps, at('counter'), { data: { [key]: '1' } }, merge)
    await Promise.all(Array.from({ length: 60 }, (_, i) => add(i % 2 ? one! : two!, `k${i}`)))
    expect(Object.keys(dataOf(await two!.get(maps, at('counter'))))).toHaveLength(60)
  })

  test('a durable write is answered although its echo does not come', async () => {
    way.hold()
    const created = await two!.create(maps, map('a', { value: '1' }))
    expect(created.metadata.resourceVersion).toBe((await one!.get(maps, at('a'))).metadata.resourceVersion)
  })

  describe('while the datastore is away from one of them', () => {
    test('it refuses reads and writes, serves its cache, is not ready but alive, and goes on by itself', async () => {
      await one!.create(maps, map('a', { value: 'old' }))
      await two!.get(maps, at('a'))
      way.cut('refused')
      await one!.patch(maps, at('a'), { data: { value: 'new' } }, merge)
      const url = '/api/v1/namespaces/default/configmaps/a'
      const refused = await get(url)
      expect(refused.status).toBe(503)
      expect(JSON.parse(refused.body)).toMatchObject({
        kind: 'Status',
        reason: 'ServiceUnavailable',
        message: 'datastore unavailable: connection refused',
        details: { retryAfterSeconds: 1 },
      })
      expect((await failed(two!.create(maps, map('b'))))?.message).toContain('datastore unavailable')
      expect((await get(`${url}?resourceVersion=0`)).body).toContain('"old"')
      const ready = await get('/readyz')
      expect([ready.status, ready.body]).toEqual([500, expect.stringContaining('[-]etcd failed: reason withheld')])
      expect((await get('/readyz/etcd')).body).toContain('connection refused')
      expect((await get('/livez')).status).toBe(200)
      way.mend()
      await until(async () => (await get('/readyz')).status === 200)
      expect((await get(url)).body).toContain('"new"')
    })

    test('a datastore that says nothing is given up on', async () => {
      way.cut('silent')
      expect((await get('/api/v1/namespaces/default')).status).toBe(503)
      way.mend()
      expect((await get('/api/v1/namespaces/default')).status).toBe(200)
    })

    test('watches resume without a gap', async () => {
      const from = (await two!.list(maps, { namespace: 'default' })).resourceVersion
      const seen = watched(two!, from)
      await one!.create(maps, map('a'))
      way.cut('refused')
      for (const name of ['b', 'c']) await one!.create(maps, map(name))
      way.mend()
      await one!.create(maps, map('d'))
      await until(() => seen.names.length >= 4)
      expect(seen.names).toEqual(['a', 'b', 'c', 'd'])
      seen.stop()
    })

    test('when history is gone watches end, and what follows is current', async () => {
      const { resourceVersion } = await two!.list(maps, { namespace: 'default' })
      const seen = watched(two!, resourceVersion)
      way.cut('refused')
      for (const name of ['a', 'b']) await one!.create(maps, map(name))
      await peers.datastore.compact(await peers.datastore.revision())
      way.mend({ forgotten: true })
      await seen.ended
      const names = (await two!.list(maps, { namespace: 'default' })).items.map(({ metadata }) => metadata.name)
      expect(names).toEqual(expect.arrayContaining(['a', 'b']))
      const again = watched(two!, resourceVersion)
      expect(((await again.ended) as StatusError).code).toBe(410)
      expect((await two!.get(spaces, { name: 'default' })).metadata.name).toBe('default')
    })
  })
})

/** The names a watch of ConfigMaps tells of, until it ends. */
function watched(client: Client, resourceVersion: string) {
  const stop = new AbortController()
  const names: string[] = []
  const ended = (async () => {
    for await (const event of client.watch(maps, { namespace: 'default', resourceVersion }, stop.signal))
      if (event.type !== 'BOOKMARK') names.push(event.object.metadata.name ?? '')
  })().catch(error => error as unknown)
  return { names, ended, stop: () => stop.abort() }
}

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise(resolve => setTimeout(resolve, 20))
}
