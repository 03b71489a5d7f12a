/** Bringing a snapshot to S3, the first time and again. Its object says so before it begins, so that nothing is lost with the process. */
import { posix } from 'node:path'
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { bucketIn, pruneIn, uploadTo } from './cloud.ts'
import { type Context, clusterIdOf, open, warnOnNode } from './context.ts'
import { type EtcdSnapshotFile, etcdSnapshotFiles } from './etcd-snapshot-file.ts'
import type { Folder, SnapshotFile } from './folder.ts'
import { forget, putRecord } from './records.ts'
import type { Bucket } from './s3/bucket.ts'
import { type S3Config, type S3Settings, settingsOf } from './s3/settings.ts'
import { objectNameOf, type Snapshot } from './snapshot.ts'

export interface Sending {
  readonly folder: Folder
  readonly file: SnapshotFile
  readonly s3: S3Config
  readonly metadata?: { readonly [name: string]: string } | undefined
  /** The object of an earlier attempt. */
  readonly before?: EtcdSnapshotFile
  /** Afterwards so many of this name are kept in the bucket, even if the upload failed: it may have been full. */
  readonly keep?: { readonly name: string; readonly retention: number }
}

export interface Sent {
  readonly uploaded: boolean
  /** Names that are in S3 no more. */
  readonly pruned: readonly string[]
}

const none: Sent = { uploaded: false, pruned: [] }

/** Never throws for S3: what fails is told by the snapshot's object, its events and the log, and is tried again. */
export async function send(sending: Sending, context: Context): Promise<Sent> {
  const { uploading } = context.state
  const { name } = sending.file
  if (uploading.has(name)) return none
  uploading.add(name)
  try {
    return await context.metrics.measure('save_s3', () => attempt(sending, context)).catch(error => failed(error))
  } finally {
    uploading.delete(name)
  }

  /** Whatever the object's fate, the attempt has one. */
  function failed(error: unknown): Sent {
    if (!(error instanceof AttemptError)) throw error
    return error.sent
  }
}

/** The upload failed and its object says why. */
class AttemptError extends Error {
  readonly sent: Sent

  constructor(cause: Error, sent: Sent) {
    super(cause.message, { cause })
    this.sent = sent
  }
}

async function attempt(sending: Sending, context: Context): Promise<Sent> {
  const { file, folder, before } = sending
  const { log, node, engine, signal } = context
  let snapshot: Snapshot = {
    name: file.name,
    node,
    location: '',
    created: file.created,
    size: 0,
    ready: false,
    s3: {},
    metadata: sending.metadata ?? (await folder.readMetadata(file.name)),
  }
  let bucket: Bucket | undefined
  let pruned: readonly string[] = []
  try {
    const settings = await settingsOf(sending.s3, context)
    snapshot = { ...snapshot, s3: bucketIn(settings), location: locationIn(settings, file.name) }
    if (!before) await putRecord(snapshot, context)
    bucket = (await open(sending.s3, context)).bucket
    log.info({ snapshot: file.name }, `Saving etcd snapshot ${file.name} to S3`)
    const upload = { folder, file, node, clusterId: await clusterIdOf(context), tokenHash: engine.tokenHash }
    const size = await uploadTo(bucket, upload, signal)
    await replace(before, { ...snapshot, size, ready: true, tokenHash: engine.tokenHash }, context)
    log.info({ snapshot: file.name }, `S3 upload complete for ${file.name}`)
    const { state } = context
    state.buckets.delete(file.name)
    state.uploadedAt = context.clock.now()
    pruned = await keepSome(bucket, sending, context)
    state.wake()
    return { uploaded: true, pruned }
  } catch (error) {
    if (signal.aborted) throw error
    const { message } = error as Error
    log.error({ snapshot: file.name }, `Error received during snapshot upload to S3: ${message}`)
    await replace(before, { ...snapshot, error: { at: context.clock.now(), message } }, context)
    if (bucket) pruned = await keepSome(bucket, sending, context)
    throw new AttemptError(error as Error, { uploaded: false, pruned })
  } finally {
    bucket?.close()
  }
}

async function keepSome(bucket: Bucket, { keep }: Sending, context: Context): Promise<string[]> {
  if (!keep) return []
  try {
    return await pruneIn(bucket, keep.name, keep.retention, context.signal)
  } catch (error) {
    const message = `Failed to apply s3 snapshot retention policy: ${(error as Error).message}`
    context.log.warn({}, message)
    warnOnNode(context, 'ETCDSnapshotRetentionFailedS3', message)
    return []
  }
}

/** Another bucket than the last time makes another object. A deleted one is not made anew: nobody wants the upload any more. */
async function replace(before: EtcdSnapshotFile | undefined, snapshot: Snapshot, context: Context): Promise<void> {
  if (before && objectNameOf(snapshot) !== before.metadata.name) await forget(before, context)
  else if (before && !snapshot.ready && !(await isThere(before, context))) return
  await putRecord(snapshot, context)
}

async function isThere({ metadata }: EtcdSnapshotFile, { client }: Context): Promise<boolean> {
  const found = await client.get(etcdSnapshotFiles, { name: metadata.name! }).catch(ignoreNotFound)
  return found !== undefined && found.metadata.deletionTimestamp === undefined
}

/** "s3://bucket/folder/name", as the bucket itself says once it is open. */
export function locationIn({ bucket, folder }: S3Settings, name: string): string {
  return `s3://${bucket}/${folder === '' ? '' : posix.join(folder, '/')}${name}`
}
