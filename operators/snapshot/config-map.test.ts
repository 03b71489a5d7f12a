import { afterEach, expect, test } from '@jest/globals'
import { configMaps } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { snapshotConfigMap } from './config-map.ts'
import { etcdSnapshotFiles, finalizer } from './etcd-snapshot-file.ts'
import { objectOf, type Snapshot } from './snapshot.ts'

let harness: Harness
afterEach(() => harness.stop())

const at = { name: 'k3s-etcd-snapshots', namespace: 'kube-system' }
const snapshot: Snapshot = {
  name: 'x-n1-1',
  node: 'n1',
  location: 'file:///x-n1-1',
  created: 1000,
  size: 5,
  ready: true,
}
const keys = async () => Object.keys((await harness.client.get(configMaps, at)).data ?? {})
const start = async () => {
  harness = new Harness(new MemoryClient({ whole: [etcdSnapshotFiles] }))
  await harness.start(snapshotConfigMap())
}

test('only snapshots with metadata are in the ConfigMap, for as long as they are there', async () => {
  await start()
  await harness.client.create(etcdSnapshotFiles, objectOf(snapshot))
  await harness.idle()
  expect(harness.client.calls.filter(({ resource }) => resource === 'configmaps')).toEqual([])
  const told = objectOf({ ...snapshot, name: 'y-n1-2', metadata: { owner: 'ops' } })
  const created = await harness.client.create(etcdSnapshotFiles, told)
  await harness.idle()
  expect(await keys()).toEqual(['local-y-n1-2'])
  await harness.client.delete(etcdSnapshotFiles, { name: created.metadata.name! })
  await harness.idle()
  expect(created.metadata.finalizers).toEqual([finalizer])
  expect(await keys()).toEqual([])
})

test('what was left in it from before goes', async () => {
  harness = new Harness(new MemoryClient({ whole: [etcdSnapshotFiles] }))
  harness.client.seed(configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: at,
    data: { 'local-gone-n1-1': '{}' },
  })
  await harness.start(snapshotConfigMap())
  expect(await keys()).toEqual([])
})
