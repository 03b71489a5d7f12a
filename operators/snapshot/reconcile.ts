/** Makes the objects tell of what is on disk and in S3 (k3s-io/k3s pkg/etcd/snapshot.go, reconcileSnapshotData). */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { rfc3339 } from '../../bootstrap/api/time.ts'
import { nodes } from '../../bootstrap/client/resources.ts'
import { snapshotsIn } from './cloud.ts'
import { type Context, inTurn, open, serverNodes } from './context.ts'
import {
  type EtcdSnapshotFile,
  etcdSnapshotFiles,
  inS3,
  localReconciledAnnotation,
  s3ReconciledAnnotation,
  storageLabel,
} from './etcd-snapshot-file.ts'
import { forget, putRecord } from './records.ts'
import type { S3Config } from './s3/settings.ts'
import { objectNameOf, type Snapshot, snapshotOf } from './snapshot.ts'

/** Failures are told of for so long. */
const failedMs = 24 * 3_600_000
/** What another server uploads may show in a listing of S3 only later. */
const freshMs = 60_000

/** What this server can see of one place. */
interface Seen {
  readonly snapshots: readonly Snapshot[]
  /** Whether the object tells of that place, so that its absence there says it is gone. */
  readonly covers: (snapshot: Snapshot, object: EtcdSnapshotFile) => boolean
}

/** `deleted`: names whose objects go even if they tell of a failure. S3 that does not answer is left out, and logged. */
export async function reconcileSnapshots(
  context: Context,
  s3: S3Config | undefined,
  deleted: readonly string[] = [],
): Promise<void> {
  await inTurn(context.state, () =>
    context.metrics.measure('reconcile', () => compareAll(context, s3, new Set(deleted))),
  )
}

async function compareAll(context: Context, s3: S3Config | undefined, deleted: ReadonlySet<string>): Promise<void> {
  const { client, metrics } = context
  // Objects first: a file that is written meanwhile has its object already when it is found, or is found.
  const objects = (await client.list(etcdSnapshotFiles)).items
  const local = await metrics.measure('reconcile_local', () => seenLocally(context))
  const remote = s3 && (await seenInS3(context, s3, objects, deleted))
  const seen = remote ? [local, remote] : [local]
  const judging = { seen, servers: await serverNodes(context), deleted }
  for (const object of objects)
    if (object.metadata.deletionTimestamp === undefined && isOver(object, judging, context)) {
      context.log.info({}, `Deleting ETCDSnapshotFile for ${object.spec?.snapshotName}`)
      await forget(object, context)
    }
  const told = new Map(objects.map(object => [object.metadata.name, object]))
  for (const snapshot of seen.flatMap(place => place.snapshots)) await tell(snapshot, told, context)
  await noteOnNode(context, remote !== undefined)
}

async function tell(
  snapshot: Snapshot,
  told: ReadonlyMap<string | undefined, EtcdSnapshotFile>,
  context: Context,
): Promise<void> {
  const object = told.get(objectNameOf(snapshot))
  const known = object && snapshotOf(object)
  if (known?.ready && known.size === snapshot.size) return
  // What is being sent has an object that says so.
  if (known && !known.ready && context.state.uploading.has(snapshot.name)) return
  if (!object) context.log.info({}, `Creating ETCDSnapshotFile for ${snapshot.name}`)
  await putRecord({ ...snapshot, metadata: snapshot.metadata ?? known?.metadata }, context)
}

async function seenLocally({ folder, node }: Context): Promise<Seen> {
  const snapshots: Snapshot[] = []
  for (const { name, path, created, size } of await folder.list()) {
    const metadata = await folder.readMetadata(name)
    snapshots.push({ name, node, location: `file://${path}`, created, size, ready: true, metadata })
  }
  // One that was saved elsewhere on request stays as long as its file does.
  const isElsewhere = (path: string) => dirname(path) !== folder.path && existsSync(path)
  return {
    snapshots,
    covers: ({ location }, { metadata }) =>
      metadata.labels?.[storageLabel] === node && !isElsewhere(location.replace(/^file:\/\//, '')),
  }
}

async function seenInS3(
  context: Context,
  s3: S3Config,
  objects: readonly EtcdSnapshotFile[],
  deleted: ReadonlySet<string>,
): Promise<Seen | undefined> {
  const { metrics, clock, log, signal } = context
  try {
    return await metrics.measure('reconcile_s3', async () => {
      const { bucket, settings } = await open(s3, context)
      try {
        const known = new Map(objects.map(object => [object.spec?.location ?? '', snapshotOf(object)]))
        const snapshots = await snapshotsIn(bucket, settings, known, signal)
        const here = bucket.location('')
        return {
          snapshots,
          covers: ({ name, location, s3: at }, { metadata }) =>
            metadata.labels?.[storageLabel] === inS3 &&
            at?.endpoint === settings.endpoint &&
            location.startsWith(here) &&
            (deleted.has(name) || clock.now() >= Date.parse(metadata.creationTimestamp ?? '') + freshMs),
        }
      } finally {
        bucket.close()
      }
    })
  } catch (error) {
    if (signal.aborted) throw error
    log.warn({}, `Error retrieving S3 snapshots for reconciliation: ${(error as Error).message}`)
    return undefined
  }
}

interface Judging {
  readonly seen: readonly Seen[]
  readonly servers: ReadonlySet<string>
  readonly deleted: ReadonlySet<string>
}

/** Whether what an object tells of is no more. */
function isOver(object: EtcdSnapshotFile, { seen, servers, deleted }: Judging, context: Context): boolean {
  const { clock, agentless, node, state } = context
  if (seen.some(place => place.snapshots.some(each => objectNameOf(each) === object.metadata.name))) return false
  const snapshot = snapshotOf(object)
  if (!snapshot.ready) {
    const isOurs = snapshot.node === node || !servers.has(snapshot.node)
    if (!isOurs || state.uploading.has(snapshot.name)) return false
    const since = Math.max(snapshot.created, snapshot.error?.at ?? 0)
    return deleted.has(snapshot.name) || clock.now() >= since + failedMs
  }
  const storage = object.metadata.labels?.[storageLabel] ?? ''
  if (storage !== inS3 && !servers.has(storage)) return !agentless
  return seen.some(place => place.covers(snapshot, object))
}

async function noteOnNode({ agentless, client, clock, node }: Context, withS3: boolean): Promise<void> {
  if (agentless) return
  const now = rfc3339(clock.now())
  const annotations = { [localReconciledAnnotation]: now, ...(withS3 ? { [s3ReconciledAnnotation]: now } : {}) }
  // The agent registers the Node; until then there is nothing to annotate.
  await client.patch(nodes, { name: node }, { metadata: { annotations } }, { type: 'merge' }).catch(ignoreNotFound)
}
