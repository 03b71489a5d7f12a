/** K3s' ConfigMap of snapshots that carry extra metadata, for what reads it instead of ETCDSnapshotFiles (k3s-io/k3s pkg/etcd/snapshot_controller.go). */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { configMaps } from '../../bootstrap/client/resources.ts'
import { sameJson } from '../../bootstrap/client/same.ts'
import { retryOnConflict } from '../runtime/apply.ts'
import { done, type Operator, on } from '../runtime/operator.ts'
import { type EtcdSnapshotFile, etcdSnapshotFiles, snapshotsConfigMapName } from './etcd-snapshot-file.ts'
import { configMapEntryOf, keyOf, type Snapshot, snapshotOf } from './snapshot.ts'

const namespace = 'kube-system'
/** What the API takes. */
const limit = 1 << 20
/** So many of the oldest go at once until the rest fits. */
const step = 4

type Data = { readonly [key: string]: string }

export function snapshotConfigMap(): Operator {
  return {
    name: 'etcd-snapshot-configmap',
    watches: [
      on(etcdSnapshotFiles, (object, old) =>
        hasMetadata(object) || (old && hasMetadata(old)) ? snapshotsConfigMapName : undefined,
      ),
    ],
    async run(_cluster, enqueue) {
      enqueue(snapshotsConfigMapName)
    },
    async reconcile(name, { client, informers, log }) {
      const objects = informers.get(etcdSnapshotFiles).list()
      const told = objects.filter(object => hasMetadata(object) && !object.metadata.deletionTimestamp).map(snapshotOf)
      const data = fitting(told, left => log.warn({ left }, 'the ConfigMap k3s-etcd-snapshots is too large for all'))
      await retryOnConflict(async () => {
        const existing = await client.get(configMaps, { name, namespace }).catch(ignoreNotFound)
        if (existing ? sameJson(existing.data ?? {}, data) : told.length === 0) return
        if (existing) await client.update(configMaps, { ...existing, data })
        else
          await client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data })
      })
      return done
    },
  }
}

const hasMetadata = ({ spec }: EtcdSnapshotFile) => Object.keys(spec?.metadata ?? {}).length > 0

/** The newest, as many as fit. */
export function fitting(snapshots: readonly Snapshot[], tooMany: (left: number) => void, bytes = limit): Data {
  const entries = [...snapshots]
    .sort((a, b) => b.created - a.created)
    .map(snapshot => [keyOf(snapshot), configMapEntryOf(snapshot)] as const)
  const size = ([key, value]: readonly [string, string]) => Buffer.byteLength(key) + Buffer.byteLength(value)
  let total = entries.reduce((sum, entry) => sum + size(entry), 0)
  while (total > bytes && entries.length > 0) for (const dropped of entries.splice(-step)) total -= size(dropped)
  if (entries.length < snapshots.length) tooMany(entries.length)
  return Object.fromEntries(entries)
}
