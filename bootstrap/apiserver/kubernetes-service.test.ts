import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Datastore } from '../datastore/datastore.ts'
import { openSqlite } from '../datastore/sqlite/sqlite.ts'
import { keepKubernetesService } from './kubernetes-service.ts'
import { ManualClock } from './store/manual-clock.ts'
import { openStore } from './store/open-store.ts'
import type { Store } from './store/store.ts'

let directory: string
let datastore: Datastore
let store: Store

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skiff-kubernetes-service-'))
  const clock = new ManualClock()
  datastore = await openSqlite({ file: join(directory, 'state.db'), clock })
  store = await openStore({ datastore, clock })
})
afterEach(async () => {
  await store.close()
  await datastore.close()
  await rm(directory, { recursive: true })
})

test('what is deleted or changed is restored, failures are told, other objects do not matter', async () => {
  const services = await store.resource('', 'services', true)
  const service = (name: string) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' } })
  const stop = new AbortController()
  const failures: unknown[] = []
  let restored = () => {}
  let fail = false
  let calls = 0
  const next = () => new Promise<void>(resolve => (restored = resolve))
  const restore = async () => {
    calls++
    restored()
    if (fail) throw new Error('no')
  }
  const first = next()
  const kept = await services.create(service('kubernetes'))
  const following = keepKubernetesService(store, restore, error => failures.push(error), stop.signal)
  await first
  const other = await services.create(service('other'))
  await services.delete('default', 'other', other.revision)
  fail = true
  const second = next()
  await services.delete('default', 'kubernetes', kept.revision)
  await second
  stop.abort()
  await following
  expect(calls).toBe(2)
  expect(failures).toEqual([new Error('no')])
})
