/** What every transport of the client must do, run against each of them. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/errors.ts'
import type { Client, WatchEvent } from '../client.ts'
import { type ConfigMap, configMaps, deployments, namespaces } from '../resources.ts'

export interface Subject {
  readonly client: Client
  close(): Promise<void>
}

const namespace = 'client-contract'

const configMap = (name: string, data: { [key: string]: string } = {}, labels = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace, labels },
  data,
})

/** Declares the suite. `make` gives a client that may do anything, of a server of its own. */
export function clientContract(name: string, make: () => Promise<Subject>): void {
  describe(`${name} keeps the client's contract:`, () => {
    let subject: Subject
    let client: Client
    let stop: AbortController

    beforeEach(async () => {
      subject = await make()
      client = subject.client
      stop = new AbortController()
      const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace }, spec: {} }
      await client.create(namespaces, object).catch(error => {
        if (!isAlreadyExists(error)) throw error
      })
    })
    afterEach(async () => {
      stop.abort()
      await subject.close()
    })

    const at = (name: string) => ({ name, namespace })

    test('create, get, update, delete', async () => {
      const made = await client.create(configMaps, configMap('a', { x: '1' }))
      expect(made.metadata).toMatchObject({ uid: expect.any(String), resourceVersion: expect.stringMatching(/^\d+$/) })
      expect(await client.get(configMaps, at('a'))).toEqual(made)
      const updated = await client.update(configMaps, { ...made, data: { x: '2' } })
      expect(updated.data).toEqual({ x: '2' })
      expect(updated.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion)
      await client.delete(configMaps, at('a'))
      await expect(client.get(configMaps, at('a'))).rejects.toThrow('configmaps "a" not found')
    })

    test('failures are StatusErrors', async () => {
      const made = await client.create(configMaps, configMap('a'))
      const failures = await Promise.all([
        client.create(configMaps, configMap('a')).catch(isAlreadyExists),
        client.get(configMaps, at('b')).catch(isNotFound),
        client.delete(configMaps, at('b')).catch(isNotFound),
        client.update(configMaps, { ...made, metadata: { ...made.metadata, resourceVersion: '1' } }).catch(isConflict),
        client.delete(configMaps, at('a'), { preconditions: { uid: 'other' } }).catch(isConflict),
      ])
      expect(failures).toEqual([true, true, true, true, true])
    })

    test('a name may be left to the server', async () => {
      const metadata = { generateName: 'some-', namespace }
      const made = await client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata })
      expect(made.metadata.name).toMatch(/^some-.{5}$/)
    })

    test('every patch type', async () => {
      await client.create(configMaps, configMap('a', { x: '1', y: '1' }))
      const merged = await client.patch(configMaps, at('a'), { data: { x: null, z: '1' } }, { type: 'merge' })
      expect(merged.data).toEqual({ y: '1', z: '1' })
      const json = await client.patch(configMaps, at('a'), [{ op: 'replace', path: '/data/y', value: '2' }], {
        type: 'json',
      })
      expect(json.data).toEqual({ y: '2', z: '1' })
      const strategic = await client.patch(configMaps, at('a'), { data: { z: '2' } }, { type: 'strategic' })
      expect(strategic.data).toEqual({ y: '2', z: '2' })
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b' }, data: { applied: 'yes' } }
      const applied = await client.patch(configMaps, at('b'), body, {
        type: 'apply',
        fieldManager: 'test',
        force: true,
      })
      expect(applied).toMatchObject({ metadata: { name: 'b', namespace }, data: { applied: 'yes' } })
    })

    test('lists by namespace and selector, page by page', async () => {
      for (const name of ['a', 'b', 'c']) await client.create(configMaps, configMap(name, {}, { half: 'one' }))
      await client.create(configMaps, configMap('d'))
      const options = { namespace, labelSelector: 'half=one' }
      const all = await client.list(configMaps, options)
      expect(all.items.map(item => [item.kind, item.apiVersion, item.metadata.name])).toEqual([
        ['ConfigMap', 'v1', 'a'],
        ['ConfigMap', 'v1', 'b'],
        ['ConfigMap', 'v1', 'c'],
      ])
      const first = await client.list(configMaps, { ...options, limit: 2 })
      expect(first.items).toHaveLength(2)
      const rest = await client.list(configMaps, { ...options, limit: 2, continue: first.continue ?? '' })
      expect(rest.items.map(item => item.metadata.name)).toEqual(['c'])
      expect(rest.continue).toBeUndefined()
      const one = await client.list(configMaps, { namespace, fieldSelector: 'metadata.name=b' })
      expect(one.items).toHaveLength(1)
    })

    test('watches from a version on', async () => {
      const { resourceVersion } = await client.list(configMaps, { namespace })
      const watched = client.watch(configMaps, { namespace, resourceVersion }, stop.signal)[Symbol.asyncIterator]()
      const made = await client.create(configMaps, configMap('a'))
      const updated = await client.update(configMaps, { ...made, data: { x: '1' } })
      await client.delete(configMaps, at('a'))
      expect(await next(watched)).toEqual(['ADDED', made.metadata.resourceVersion])
      expect(await next(watched)).toEqual(['MODIFIED', updated.metadata.resourceVersion])
      expect((await next(watched))[0]).toBe('DELETED')
      const resumed = client.watch(
        configMaps,
        { namespace, resourceVersion: made.metadata.resourceVersion ?? '' },
        stop.signal,
      )
      expect((await next(resumed[Symbol.asyncIterator]()))[0]).toBe('MODIFIED')
    })

    test('a watch ends with its signal', async () => {
      const { resourceVersion } = await client.list(configMaps, { namespace })
      const watched = client.watch(configMaps, { namespace, resourceVersion }, stop.signal)[Symbol.asyncIterator]()
      const pending = watched.next()
      setImmediate(() => stop.abort())
      const end = await pending.catch(() => ({ done: true }))
      expect(end.done).toBe(true)
    })

    test('status and the rest are written apart', async () => {
      const labels = { app: 'x' }
      const made = await client.create(deployments, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'a', namespace },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
        status: { replicas: 7 },
      })
      expect(made.status?.replicas).toBeUndefined()
      const changed = { ...made, spec: { ...made.spec, replicas: 3 }, status: { observedGeneration: 1, replicas: 2 } }
      const reported = await client.update(deployments, changed, { subresource: 'status' })
      expect([reported.spec.replicas, reported.status?.replicas, reported.metadata.generation]).toEqual([1, 2, 1])
      const scaled = await client.patch(deployments, at('a'), { spec: { replicas: 3 } }, { type: 'merge' })
      expect([scaled.spec.replicas, scaled.status?.replicas, scaled.metadata.generation]).toEqual([3, 2, 2])
    })

    test('a finalizer keeps a deleted object until it is removed', async () => {
      const object = configMap('a')
      await client.create(configMaps, { ...object, metadata: { ...object.metadata, finalizers: ['test.io/keep'] } })
      await client.delete(configMaps, at('a'))
      expect((await client.get(configMaps, at('a'))).metadata.deletionTimestamp).toEqual(expect.any(String))
      await client.patch(configMaps, at('a'), { metadata: { finalizers: null } }, { type: 'merge' })
      await expect(client.get(configMaps, at('a'))).rejects.toThrow('not found')
    })

    test('deletes a collection by selector', async () => {
      await client.create(configMaps, configMap('a', {}, { half: 'one' }))
      await client.create(configMaps, configMap('b'))
      await client.deleteCollection(configMaps, { namespace, labelSelector: 'half=one' })
      const left = await client.list(configMaps, { namespace, fieldSelector: 'metadata.name!=kube-root-ca.crt' })
      expect(left.items.map(item => item.metadata.name)).toEqual(['b'])
    })

    test('reads paths that are no resource', async () => {
      expect(await client.raw('GET', '/apis/apps/v1')).toMatchObject({
        kind: 'APIResourceList',
        groupVersion: 'apps/v1',
      })
    })
  })
}

/** Type and version of the next event that is no bookmark. */
async function next(events: AsyncIterator<WatchEvent<ConfigMap>>): Promise<[string, string | undefined]> {
  for (;;) {
    const { value, done } = await events.next()
    if (done) throw new Error('the watch ended')
    if (value.type !== 'BOOKMARK') return [value.type, value.object.metadata.resourceVersion]
  }
}
