import { beforeEach, describe, expect, test } from '@jest/globals'
import { configMaps, secrets } from '../../../bootstrap/client/resources.ts'
import { FakeClock } from '../../../bootstrap/client/testing/fake-clock.ts'
import { MemoryClient } from '../../../bootstrap/client/testing/memory-client.ts'
import type { Release, ReleaseStatus } from './release.ts'
import { createStorage, type Driver, isRecordGone } from './storage.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const clock = new FakeClock()
let client: MemoryClient
beforeEach(() => {
  client = new MemoryClient({ now: () => clock.now() })
})

const storage = (driver: Driver = 'secret') => createStorage({ client, clock, log, driver })

function release(version: number, status: ReleaseStatus = 'superseded', more: Partial<Release> = {}): Release {
  const info = { first_deployed: '', last_deployed: '', deleted: '', description: '', status }
  const chart = {
    metadata: { name: 'c', version: '1', apiVersion: 'v2' },
    lock: null,
    templates: null,
    values: null,
    schema: null,
    files: null,
  }
  return { name: 'web', namespace: 'shop', version, info, chart, manifest: 'm', ...more }
}

test('a revision is a Secret as Helm names, types and labels it', async () => {
  await storage().create(release(2, 'deployed', { labels: { team: 'red' } }))
  const record = await client.get(secrets, { name: 'sh.helm.release.v1.web.v2', namespace: 'shop' })
  expect(record).toMatchObject({ type: 'helm.sh/release.v1' })
  expect(record.metadata.labels).toEqual({
    name: 'web',
    owner: 'helm',
    status: 'deployed',
    version: '2',
    team: 'red',
    createdAt: String(Math.floor(clock.now() / 1000)),
  })
  expect((await storage().history('web', 'shop'))[0]).toMatchObject({ version: 2, labels: { team: 'red' } })
})

test('or a ConfigMap', async () => {
  const kept = storage('configmap')
  await kept.create(release(1))
  const record = await client.get(configMaps, { name: 'sh.helm.release.v1.web.v1', namespace: 'shop' })
  expect(record.data?.release).toMatch(/^H4sI/)
  expect(await kept.history('web', 'shop')).toMatchObject([{ version: 1 }])
})

test('an update says when, and keeps when it was made', async () => {
  const kept = storage()
  await kept.create(release(1, 'pending-install'))
  await clock.advance(5000)
  await storage().history('web', 'shop')
  await kept.update(release(1, 'deployed'))
  const { labels = {} } = (await client.get(secrets, { name: 'sh.helm.release.v1.web.v1', namespace: 'shop' })).metadata
  expect(labels).toMatchObject({ status: 'deployed' })
  expect(Number(labels.modifiedAt) - Number(labels.createdAt)).toBe(5)
})

test('two writers of one revision: the second is told', async () => {
  await storage().create(release(1))
  await expect(storage().create(release(1))).rejects.toThrow('release: already exists')
})

test('a record that is gone is told from other failures', async () => {
  const failure = await storage()
    .update(release(1))
    .catch((error: unknown) => error)
  expect(isRecordGone(failure)).toBe(true)
  expect(isRecordGone(new Error('no'))).toBe(false)
})

test('records that cannot be read are left out', async () => {
  await storage().create(release(1))
  await client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'broken', namespace: 'shop', labels: { name: 'web', owner: 'helm' } },
    data: { release: 'AAAA' },
  })
  expect(await storage().history('web', 'shop')).toMatchObject([{ version: 1 }])
})

describe('history is kept short', () => {
  const versions = async () => (await storage().history('web', 'shop')).map(({ version }) => version)

  test('the oldest go first, the deployed one never', async () => {
    const kept = storage()
    await kept.create(release(1, 'deployed'))
    for (const version of [2, 3, 4]) await kept.create(release(version, 'failed'))
    await kept.create(release(5, 'pending-upgrade'), 3)
    expect(await versions()).toEqual([1, 4, 5])
  })

  test('without a limit all stay', async () => {
    for (const version of [1, 2, 3]) await storage().create(release(version), 0)
    expect(await versions()).toEqual([1, 2, 3])
  })
})
