import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { CompactedError, ConflictError, FutureRevisionError } from '../../datastore/datastore.ts'
import type { Stored } from './store.ts'
import { configMap, places, StoreFixture } from './store-fixture.ts'

let fixture: StoreFixture

beforeEach(async () => {
  fixture = await StoreFixture.create()
})

afterEach(async () => {
  await fixture.destroy()
})

describe('bytes', () => {
  test('are the JSON of the object with its revision first in the metadata', async () => {
    const stored = await fixture.create('ns/a', 'ä')
    const text =
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"1","name":"a","namespace":"ns"},"data":{"value":"ä"}}'
    expect(stored.bytes.toString()).toBe(text)
    expect((await fixture.datastore.read('/registry/core/configmaps/ns/a')).entries[0]!.value.toString()).toBe(
      text.replace('"resourceVersion":"1",', ''),
    )
    expect(stored).toMatchObject({ key: '/registry/core/configmaps/ns/a', revision: 1, namespace: 'ns', name: 'a' })
  })

  test('parse to the same, whether written here or read at start', async () => {
    const awkward = { ...configMap('ns/a', '"metadata":{'), extra: [{ metadata: {} }] }
    const written = await fixture.maps.create({ ...awkward, metadata: { ...awkward.metadata, resourceVersion: '99' } })
    expect(written.object.metadata.resourceVersion).toBe('1')
    await fixture.reopen()
    const read = fixture.maps.get('ns', 'a')!
    expect(read.bytes.equals(written.bytes)).toBe(true)
    expect(read.object).toEqual(written.object)
    expect(JSON.parse(read.bytes.toString())).toEqual(written.object)
  })

  test('the object written becomes the parsed form, and nobody can change it', async () => {
    const object = configMap('ns/a')
    const stored = await fixture.maps.create(object)
    expect(stored.object.data).toBe(object.data)
    expect(fixture.maps.get('ns', 'a')!.object).toBe(stored.object)
    expect(() => Object.assign(stored.object.data as object, { value: 'x' })).toThrow(TypeError)
  })

  test('labels are those of the object', async () => {
    const stored = await fixture.maps.create(configMap('ns/a', '', { app: 'web' }))
    expect(stored.labels).toEqual({ app: 'web' })
    expect((await fixture.create('ns/b')).labels).toEqual({})
  })
})

describe('writes', () => {
  test('can be read at once', async () => {
    const first = await fixture.create('ns/a', '1')
    expect(fixture.maps.get('ns', 'a')).toBe(first)
    const second = await fixture.change(first, '2')
    expect(fixture.maps.get('ns', 'a')).toBe(second)
    expect(fixture.maps.revision).toBe(second.revision)
    const last = await fixture.remove(second)
    expect(fixture.maps.get('ns', 'a')).toBeUndefined()
    expect(last.object).toMatchObject({ metadata: { resourceVersion: '3' }, data: { value: '2' } })
    expect(JSON.parse(last.bytes.toString())).toEqual(last.object)
  })

  test('that lose are told what is there', async () => {
    const first = await fixture.create('ns/a', '1')
    const second = await fixture.change(first, '2')
    const losers = [() => fixture.create('ns/a'), () => fixture.change(first, 'x'), () => fixture.remove(first)]
    for (const lose of losers) {
      const error = await lose().catch((error: unknown) => error)
      expect(error).toBeInstanceOf(ConflictError)
      expect((error as ConflictError).current?.revision).toBe(second.revision)
    }
  })

  test('give each of many writers their own result', async () => {
    const stored = await Promise.all(Array.from({ length: 300 }, (_, i) => fixture.create(`ns/${i}`, String(i))))
    expect(stored.map(item => item.name)).toEqual(Array.from({ length: 300 }, (_, i) => String(i)))
    for (const item of stored) expect(item.object).toMatchObject({ data: { value: item.name } })
  })

  test('need a place of the resource’s form', async () => {
    await expect(fixture.create('/a')).rejects.toThrow('namespace "", name "a"')
    await expect(fixture.create('ns/')).rejects.toThrow('name ""')
    const nodes = await fixture.store.resource('', 'nodes', false)
    await expect(nodes.create(configMap('ns/a'))).rejects.toThrow('namespace "ns"')
  })

  test('of one resource advance the revision of all', async () => {
    const nodes = await fixture.store.resource('', 'nodes', false)
    const { revision } = await fixture.create('ns/a')
    expect([nodes.revision, fixture.store.revision()]).toEqual([revision, revision])
    await nodes.waitFor(revision, fixture.stop.signal)
    const later = nodes.waitFor(revision + 1, fixture.stop.signal)
    await fixture.create('ns/b')
    await later
    const never = nodes.waitFor(revision + 9, fixture.stop.signal)
    fixture.stop.abort(new Error('enough'))
    await expect(never).rejects.toThrow('enough')
  })
})

describe('lists', () => {
  const names = ['b/2', 'a/1', 'a-b/1', 'b/1', 'a/2', 'ab/1']

  test('are in key order, as the datastore has them', async () => {
    for (const name of names) await fixture.create(name)
    const { items, revision, remaining } = await fixture.maps.list({})
    const { entries } = await fixture.datastore.read('/registry/core/configmaps/')
    expect(items.map(item => item.key)).toEqual(entries.map(entry => entry.key))
    expect(places(items)).toEqual(['a-b/1', 'a/1', 'a/2', 'ab/1', 'b/1', 'b/2'])
    expect([revision, remaining]).toEqual([6, 0])
    expect(places((await fixture.maps.list({ namespace: 'a' })).items)).toEqual(['a/1', 'a/2'])
    expect(places(fixture.maps.all('b'))).toEqual(['b/1', 'b/2'])
    expect(places(fixture.maps.all('none'))).toEqual([])
  })

  test.each([[1], [2], [5], [6], [7]])('come in pages of %i that stay as they were while others write', async limit => {
    const stored: Stored[] = []
    for (const name of names) stored.push(await fixture.create(name, 'old'))
    const first = await fixture.maps.list({ limit })
    const items = [...first.items]
    await fixture.change(stored[0]!, 'new')
    await fixture.remove(stored[5]!)
    await fixture.create('a/3')
    for (let page = first; page.continueAfter !== undefined; ) {
      page = await fixture.maps.list({ limit, at: first.revision, after: page.continueAfter })
      expect(page.revision).toBe(first.revision)
      items.push(...page.items)
      expect(page.remaining).toBe(names.length - items.length)
    }
    expect(places(items)).toEqual(['a-b/1', 'a/1', 'a/2', 'ab/1', 'b/1', 'b/2'])
    expect(new Set(items.map(item => (item.object.data as { value: string }).value))).toEqual(new Set(['old']))
    expect((await fixture.maps.list({})).items).toHaveLength(6)
  })

  test.each([['now'], ['earlier']])('that filter count no remainder (%s)', async when => {
    for (const name of names) await fixture.create(name)
    const at = fixture.store.revision()
    if (when === 'earlier') await fixture.create('a/9')
    const match = (stored: Stored) => stored.name === '1'
    const page = await fixture.maps.list({ match, limit: 2, at })
    expect(places(page.items)).toEqual(['a-b/1', 'a/1'])
    expect(page.remaining).toBeUndefined()
    const rest = await fixture.maps.list({ match, limit: 5, at, after: page.continueAfter! })
    expect(places(rest.items)).toEqual(['ab/1', 'b/1'])
    expect(rest.continueAfter).toBeUndefined()
  })

  test('refuse revisions that are gone or not yet there', async () => {
    const first = await fixture.create('ns/a')
    const second = await fixture.change(first, '2')
    await fixture.datastore.compact(second.revision)
    await expect(fixture.maps.list({ at: first.revision })).rejects.toThrow(CompactedError)
    await expect(fixture.maps.list({ at: second.revision + 1 })).rejects.toThrow(FutureRevisionError)
  })
})
