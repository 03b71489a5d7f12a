/** Uploads that have not succeeded yet are tried again, for as long as there is a file to upload. K3s does not. */
import { dirname } from 'node:path'
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import type { Informer } from '../../bootstrap/client/informer.ts'
import { done, type Result } from '../runtime/operator.ts'
import { type Context, inTurn } from './context.ts'
import { type EtcdSnapshotFile, etcdSnapshotFiles } from './etcd-snapshot-file.ts'
import { Folder, type SnapshotFile } from './folder.ts'
import { type Snapshot, snapshotOf } from './snapshot.ts'
import { send } from './upload.ts'

const soonestMs = 15_000
const latestMs = 600_000

export function isPending(object: EtcdSnapshotFile, node: string): boolean {
  const { spec, status, metadata } = object
  return spec?.s3 !== undefined && status?.readyToUse !== true && spec.nodeName === node && !metadata.deletionTimestamp
}

/** When the next attempt is due: after as long again as has passed already, within limits; at once when S3 has come back. */
export function dueAt({ created, error }: Snapshot, s3WorkedAt: number): number {
  if (!error || s3WorkedAt > error.at) return 0
  return error.at + Math.min(latestMs, Math.max(soonestMs, error.at - created))
}

/** Uploads if it is time to. */
export async function retryUpload(
  name: string,
  objects: Informer<EtcdSnapshotFile>,
  context: Context,
): Promise<Result> {
  const { client, clock, node, state } = context
  // The cache may not know yet that the last attempt is over, and an upload may be long.
  const object = await client.get(etcdSnapshotFiles, { name }).catch(ignoreNotFound)
  if (!object || !isPending(object, node)) return done
  const snapshot = snapshotOf(object)
  if (state.uploading.has(snapshot.name)) return done
  const wait = dueAt(snapshot, state.uploadedAt) - clock.now()
  if (wait > 0) return { requeueAfterMs: wait }
  const s3 = state.buckets.get(snapshot.name) ?? context.s3
  const found = await fileOf(snapshot, objects, context)
  // Its object tells of the failure for a day.
  if (!s3 || !found) return done
  await inTurn(state.retries, () => send({ ...found, s3, before: object, metadata: snapshot.metadata }, context))
  return done
}

/** The file on disk: in the usual folder, or where the object of the local one says. */
async function fileOf(
  { name, node }: Snapshot,
  objects: Informer<EtcdSnapshotFile>,
  { folder }: Context,
): Promise<{ folder: Folder; file: SnapshotFile } | undefined> {
  const usual = await folder.find(name)
  if (usual) return { folder, file: usual }
  const local = objects
    .list()
    .find(({ spec }) => spec?.snapshotName === name && spec.nodeName === node && spec.location?.startsWith('file://'))
  if (!local) return undefined
  const elsewhere = new Folder(dirname(local.spec!.location!.slice('file://'.length)), 'other')
  const file = await elsewhere.find(name)
  return file && { folder: elsewhere, file }
}
