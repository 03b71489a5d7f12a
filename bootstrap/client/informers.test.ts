import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { errors } from '../api/errors.ts'
import { createInformers } from './informers.ts'
import { type Pod, pods } from './resources.ts'
import { FakeClock, turns } from './testing/fake-clock.ts'
import { MemoryClient } from './testing/memory-client.ts'

const pod = (name: string, extra: object = {}, namespace = 'default'): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, ...extra },
  spec: { containers: [] },
})

let client: MemoryClient
let clock: FakeClock
let stop: AbortController

beforeEach(() => {
  client = new MemoryClient()
  clock = new FakeClock()
  stop = new AbortController()
})
afterEach(() => stop.abort())

const informers = () =>
  createInformers(client, { clock, log: { warn: () => {} }, signal: stop.signal, random: () => 0 })

function recorded(informer: ReturnType<ReturnType<typeof informers>['get']>): string[] {
  const seen: string[] = []
  informer.subscribe({
    added: object => seen.push(`+${object.metadata.name}`),
    updated: object => seen.push(`~${object.metadata.name}`),
    deleted: object => seen.push(`-${object.metadata.name}`),
  })
  return seen
}

describe('an informer', () => {
  test('is one per resource and selector', () => {
    const shared = informers()
    expect(shared.get(pods)).toBe(shared.get(pods))
    expect(shared.get(pods, { fieldSelector: 'spec.nodeName=a' })).not.toBe(shared.get(pods))
  })

  test('delivers what is there, then every change in order', async () => {
    await client.create(pods, pod('a'))
    const informer = informers().get(pods)
    const seen = recorded(informer as never)
    await informer.whenSynced()
    await turns()
    await client.create(pods, pod('b'))
    await client.patch(
      pods,
      { name: 'a', namespace: 'default' },
      { metadata: { labels: { x: 'y' } } },
      { type: 'merge' },
    )
    await client.delete(pods, { name: 'b', namespace: 'default' })
    await turns()
    expect(seen).toEqual(['+a', '+b', '~a', '-b'])
    expect(informer.list('default').map(found => found.metadata.name)).toEqual(['a'])
    expect(informer.list('other')).toEqual([])
  })

  test('reads all pages', async () => {
    for (let i = 0; i < 1001; i++) await client.create(pods, pod(`p${i}`))
    const informer = informers().get(pods)
    await informer.whenSynced()
    expect(informer.list()).toHaveLength(1001)
  })

  test('lists again when its version is too old, and delivers what it missed', async () => {
    await client.create(pods, pod('a'))
    await client.create(pods, pod('b'))
    const informer = informers().get(pods)
    const seen = recorded(informer as never)
    await informer.whenSynced()
    await turns()
    client.store.pause()
    await client.delete(pods, { name: 'a', namespace: 'default' })
    await client.delete(pods, { name: 'b', namespace: 'default' })
    await client.create(pods, pod('b'))
    await client.create(pods, pod('c'))
    client.store.compact()
    await turns()
    expect(seen).toEqual(['+a', '+b', '-b', '+b', '+c', '-a'])
  })

  test('resumes at its last version after a failure, backing off', async () => {
    let lists = 0
    let broken = true
    client.before = call => {
      if (call.verb === 'list') lists++
      if (call.verb === 'watch' && broken) throw errors.serviceUnavailable('down')
    }
    const informer = informers().get(pods)
    await informer.whenSynced()
    await turns()
    await client.create(pods, pod('a'))
    expect(clock.pending).toBe(1)
    await clock.advance(100)
    expect(informer.list()).toEqual([])
    broken = false
    await clock.advance(200)
    expect(informer.get('default/a')).toBeDefined()
    expect(lists).toBe(1)
  })

  test('retries a failing list until it succeeds', async () => {
    let failures = 3
    client.before = call => {
      if (call.verb === 'list' && failures-- > 0) throw errors.internal('no')
    }
    const informer = informers().get(pods)
    await turns()
    await clock.advance(100 + 200 + 400)
    expect(informer.synced).toBe(true)
  })

  test.each([
    [undefined, 30_000],
    [5000, 5000],
  ])('pauses no longer than told (%s)', async (maxBackoffMs, longest) => {
    let isDown = true
    client.before = () => {
      if (isDown) throw errors.serviceUnavailable('down')
    }
    const effects = { clock, log: { warn: () => {} }, signal: stop.signal, random: () => 0 }
    const informer = createInformers(client, { ...effects, ...(maxBackoffMs ? { maxBackoffMs } : {}) }).get(pods)
    await clock.advance(600_000)
    isDown = false
    await clock.advance(longest)
    expect(informer.synced).toBe(true)
  })

  test('keeps its indexes current', async () => {
    const informer = informers().get(pods)
    informer.addIndex('app', object => (object.metadata.labels?.app ? [object.metadata.labels.app] : []))
    await informer.whenSynced()
    await turns()
    await client.create(pods, pod('a', { labels: { app: 'web' } }))
    await client.create(pods, pod('b'))
    await turns()
    expect(informer.byIndex('app', 'web').map(found => found.metadata.name)).toEqual(['a'])
    await client.patch(
      pods,
      { name: 'a', namespace: 'default' },
      { metadata: { labels: { app: 'db' } } },
      { type: 'merge' },
    )
    await turns()
    expect(informer.byIndex('app', 'web')).toEqual([])
    expect(informer.byIndex('app', 'db')).toHaveLength(1)
    expect(() => informer.byIndex('nothing', '')).toThrow('no index')
  })

  test('sees an object leave its selection as a deletion', async () => {
    const informer = informers().get(pods, { labelSelector: 'app=web' })
    const seen = recorded(informer as never)
    await informer.whenSynced()
    await turns()
    await client.create(pods, pod('a', { labels: { app: 'web' } }))
    await client.patch(
      pods,
      { name: 'a', namespace: 'default' },
      { metadata: { labels: { app: null } } },
      { type: 'merge' },
    )
    await turns()
    expect(seen).toEqual(['+a', '-a'])
  })

  test('survives a throwing handler', async () => {
    const informer = informers().get(pods)
    informer.subscribe({
      added: () => {
        throw new Error('bad handler')
      },
    })
    const seen = recorded(informer as never)
    await informer.whenSynced()
    await turns()
    await client.create(pods, pod('a'))
    await turns()
    expect(seen).toEqual(['+a'])
  })

  test('rejects those who wait when it is stopped first', async () => {
    client.before = () => {
      throw errors.internal('never')
    }
    const informer = informers().get(pods)
    await turns()
    stop.abort(new Error('stopped'))
    await expect(informer.whenSynced()).rejects.toThrow('stopped')
  })
})
