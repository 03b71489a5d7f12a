/** A user deletes an ETCDSnapshotFile: the snapshot goes with it. */
import { basename, dirname } from 'node:path'
import { removeFrom } from './cloud.ts'
import { type Context, serverNodes } from './context.ts'
import { type EtcdSnapshotFile, finalizer, inS3, storageLabel } from './etcd-snapshot-file.ts'
import { Folder } from './folder.ts'
import { release } from './records.ts'
import { settingsOf } from './s3/settings.ts'
import { type Snapshot, snapshotOf } from './snapshot.ts'
import { locationIn } from './upload.ts'

/** Deletes what the object tells of, if that is this server's to do, and lets the object go. Throws when S3 does not answer. */
export async function finish(object: EtcdSnapshotFile, context: Context): Promise<void> {
  if (!object.metadata.finalizers?.includes(finalizer)) return
  const snapshot = snapshotOf(object)
  const storage = object.metadata.labels?.[storageLabel]
  let left: string | undefined
  if (storage === inS3) left = await deleteInS3(snapshot, context)
  else if (storage === context.node) await deleteFile(snapshot, context)
  else if (storage !== undefined && (await serverNodes(context)).has(storage)) return
  await release(object, context, left)
}

async function deleteFile(snapshot: Snapshot, { folder, engine, log }: Context): Promise<void> {
  const { location, name } = snapshot
  const path = location.replace(/^file:\/\//, '')
  if (!location.startsWith('file://') || basename(path) !== name) return
  if (dirname(path) === folder.path) {
    await folder.remove(name)
    log.info({ snapshot: name }, `Snapshot ${name} deleted locally`)
  } else if (
    isNamedAsOurs(snapshot) &&
    (await engine.inspect(path).then(
      () => true,
      () => false,
    ))
  ) {
    await new Folder(dirname(path), 'other').remove(name)
    log.info({ snapshot: name }, `Snapshot ${name} deleted locally`)
  }
}

/** Whoever may write these objects must not thereby be able to delete any file of the machine. */
function isNamedAsOurs({ name, node }: Snapshot): boolean {
  const [, before] = /^(.+)-\d+(?:\.zip)?(?:\.enc)?$/.exec(name) ?? []
  return before?.endsWith(`-${node}`) ?? false
}

/** Resolves with what to say of a snapshot that stays in S3. */
async function deleteInS3({ name, location, ready, s3 }: Snapshot, context: Context): Promise<string | undefined> {
  const { client, log, signal, state } = context
  const given = state.buckets.get(name) ?? context.s3
  state.buckets.delete(name)
  if (!ready) return undefined
  const settings = given && (await settingsOf(given, { client, log }))
  if (!settings || settings.endpoint !== s3?.endpoint || locationIn(settings, name) !== location) {
    const left = `${location} stays where it is: this server is not configured for that bucket`
    log.warn({ snapshot: name }, left)
    return left
  }
  const bucket = await context.connect(settings)
  try {
    await removeFrom(bucket, name, signal)
    log.info({ snapshot: name }, `Snapshot ${name} deleted from S3`)
    return undefined
  } finally {
    bucket.close()
  }
}
