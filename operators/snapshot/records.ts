/** The objects that tell of snapshots: written here, with the events K3s has for them. */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import { sameJson } from '../../bootstrap/client/same.ts'
import { retryOnConflict } from '../runtime/apply.ts'
import type { EventRecorder } from '../runtime/operator.ts'
import { type EtcdSnapshotFile, etcdSnapshotFiles, finalizer } from './etcd-snapshot-file.ts'
import { objectNameOf, objectOf, type Snapshot, snapshotOf } from './snapshot.ts'

export interface RecordEffects {
  readonly client: Client
  readonly events: EventRecorder
}

/** Creates the snapshot's object or makes it say what is so now. One that is being deleted is left alone. */
export async function putRecord(snapshot: Snapshot, { client, events }: RecordEffects): Promise<EtcdSnapshotFile> {
  const wanted = objectOf(snapshot)
  const name = { name: objectNameOf(snapshot) }
  return await retryOnConflict(async () => {
    const existing = await client.get(etcdSnapshotFiles, name).catch(ignoreNotFound)
    if (existing?.metadata.deletionTimestamp !== undefined) return existing
    const next = existing ? merged(existing, wanted) : wanted
    if (existing && sameJson(existing, next)) return existing
    const written = existing
      ? await client.update(etcdSnapshotFiles, next)
      : await client.create(etcdSnapshotFiles, next)
    if (isNews(existing, written)) announce(written, events)
    return written
  })
}

function merged(existing: EtcdSnapshotFile, wanted: EtcdSnapshotFile): EtcdSnapshotFile {
  const { metadata } = existing
  return {
    ...existing,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, ...wanted.metadata.labels },
      ...(metadata.annotations || wanted.metadata.annotations
        ? { annotations: { ...metadata.annotations, ...wanted.metadata.annotations } }
        : {}),
      finalizers: [...new Set([...(metadata.finalizers ?? []), finalizer])],
    },
    spec: wanted.spec!,
    status: wanted.status!,
  }
}

/** An upload that has only begun is none. */
function isNews(before: EtcdSnapshotFile | undefined, { status = {} }: EtcdSnapshotFile): boolean {
  const old = before?.status
  if (status.error) return old?.error?.message !== status.error.message
  return status.readyToUse === true && old?.readyToUse !== true
}

/** k3s-io/k3s pkg/etcd/snapshot.go, emitEvent; of S3 as K3s' guide shows it, whichever server has sent it. */
function announce(object: EtcdSnapshotFile, events: EventRecorder): void {
  const { name, node, error, s3 } = snapshotOf(object)
  const where = s3 ? 'S3' : node
  if (error)
    events.event(
      object,
      'Warning',
      'ETCDSnapshotFailed',
      `Failed to save snapshot ${name} on ${where}: ${error.message}`,
    )
  else events.event(object, 'Normal', 'ETCDSnapshotCreated', `Snapshot ${name} saved on ${where}`)
}

/**
 * Takes the finalizer off an object that is being deleted, and tells of it; `left` says what the deletion has left behind.
 * Nothing when somebody else has.
 */
export async function release(
  object: EtcdSnapshotFile,
  { client, events }: RecordEffects,
  left?: string,
): Promise<void> {
  await retryOnConflict(async () => {
    const current = await client.get(etcdSnapshotFiles, { name: object.metadata.name! }).catch(ignoreNotFound)
    const { finalizers = [] } = current?.metadata ?? {}
    if (!current || !finalizers.includes(finalizer)) return
    const others = finalizers.filter(each => each !== finalizer)
    await client.update(etcdSnapshotFiles, { ...current, metadata: { ...current.metadata, finalizers: others } })
    const done = `Snapshot ${current.spec?.snapshotName} deleted`
    events.event(current, left === undefined ? 'Normal' : 'Warning', 'ETCDSnapshotDeleted', left ?? done)
  })
}

/** Removes the object of a snapshot that is gone; nothing is deleted on disk or in S3 on its account. */
export async function forget(object: EtcdSnapshotFile, effects: RecordEffects): Promise<void> {
  await release(object, effects)
  await effects.client.delete(etcdSnapshotFiles, { name: object.metadata.name! }).catch(ignoreNotFound)
}
