/** Taking a snapshot: the file, its object, what is too old, and S3 (k3s-io/k3s pkg/etcd/snapshot.go). */
import { rm } from 'node:fs/promises'
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { configMaps } from '../../bootstrap/client/resources.ts'
import { type Context, Refusal, warnOnNode } from './context.ts'
import { extraMetadataName } from './etcd-snapshot-file.ts'
import type { Folder, SnapshotFile } from './folder.ts'
import { putRecord } from './records.ts'
import { tooMany } from './retention.ts'
import type { S3Config } from './s3/settings.ts'
import { fileNameOf } from './snapshot.ts'
import { send } from './upload.ts'

/** In bytes: of every file system of Linux that matters. */
const longestName = 255

export interface SaveRequest {
  /** The first part of the name. */
  readonly name: string
  readonly folder: Folder
  readonly compress: boolean
  /** How many of this name and node are kept on disk; below one: all. */
  readonly retention: number
  /** Sent there, too. */
  readonly s3: S3Config | undefined
  /** Tries a restore before the snapshot counts as one. */
  readonly verify: boolean
}

/** Names; of a snapshot that is, or was, on disk and in S3 twice, as K3s has it. */
export interface Changed {
  readonly created: readonly string[]
  readonly deleted: readonly string[]
}

/** Refusal when another one is under way or this server cannot; what the engine says when it fails, which an object tells of then. */
export async function save(request: SaveRequest, context: Context): Promise<Changed> {
  const { state } = context
  if (state.saving) throw new Refusal(500, 'snapshot save already in progress')
  state.saving = true
  try {
    return await context.metrics.measure('save', () => saveAndSend(request, context))
  } finally {
    state.saving = false
  }
}

async function saveAndSend(request: SaveRequest, context: Context): Promise<Changed> {
  const { folder, name, retention, s3 } = request
  const notReady = await context.engine.notReady()
  if (notReady !== undefined) throw new Refusal(503, `Unable to take snapshot: ${notReady}`)
  await folder.ensure()
  const metadata = await extraMetadata(context)
  const file = await context.metrics.measure('save_local', () => takeOne(request, metadata, context))
  const created = [file.name]
  const deleted = await pruneFolder(folder, name, retention, context)
  if (!s3) return { created, deleted }
  if (s3 !== context.s3) context.state.buckets.set(file.name, s3)
  const keep = { name, retention: retention < 1 ? 0 : s3.retention }
  const { uploaded, pruned } = await send({ folder, file, s3, metadata, keep }, context)
  return { created: uploaded ? [...created, file.name] : created, deleted: [...deleted, ...pruned] }
}

async function takeOne(
  request: SaveRequest,
  metadata: { readonly [name: string]: string } | undefined,
  context: Context,
): Promise<SnapshotFile> {
  const { folder, compress } = request
  const { clock, engine, node, log, signal } = context
  const suffix = engine.suffix(compress)
  let created = Math.round(clock.now() / 1000) * 1000
  const tooLong = Buffer.byteLength(fileNameOf(request.name, node, created, suffix)) - longestName
  if (tooLong > 0)
    throw new Refusal(400, `invalid snapshot name "${request.name}": ${tooLong} bytes too long for the name of a file`)
  while (await folder.find(fileNameOf(request.name, node, created, suffix))) created += 1000
  const name = fileNameOf(request.name, node, created, suffix)
  const path = folder.file(name)
  const base = { name, node, created, metadata }
  log.info({ snapshot: name }, `Saving etcd snapshot to ${path}`)
  try {
    const { bytes } = await engine.take(path, { compress, signal })
    if (request.verify) await verified(path, context)
    if (metadata)
      await folder.writeMetadata(name, metadata).catch(error => {
        log.warn({ snapshot: name }, `Failed to save local snapshot metadata: ${(error as Error).message}`)
      })
    const saved = { ...base, location: `file://${path}`, size: bytes, ready: true, tokenHash: engine.tokenHash }
    const { verify } = request
    await putRecord(verify ? { ...saved, verifiedAt: clock.now() } : saved, context).catch(error => {
      log.warn({ snapshot: name }, `Failed to sync ETCDSnapshotFile: ${(error as Error).message}`)
    })
    return { name, path, created, size: bytes }
  } catch (error) {
    if (signal.aborted) throw error
    const { message } = error as Error
    log.error({ snapshot: name }, `Failed to take etcd snapshot: ${message}`)
    const failure = { ...base, location: '', size: 0, ready: false, error: { at: clock.now(), message } }
    // The datastore that cannot be saved, or its full disk, may not take this either.
    await putRecord(failure, context).catch(cause => {
      log.warn({ snapshot: name }, `Failed to sync ETCDSnapshotFile: ${(cause as Error).message}`)
    })
    throw new Refusal(500, `failed to take snapshot ${name}: ${message}`, { cause: error })
  }
}

/** A snapshot that cannot be restored is none: it must not outlive better ones. */
async function verified(path: string, { engine, signal }: Context): Promise<void> {
  try {
    await engine.verify(path, signal)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/** Removes what is beyond the newest so many of this name and node. Returns their names; a failure is told and no more. */
export async function pruneFolder(folder: Folder, name: string, keep: number, context: Context): Promise<string[]> {
  const removed: string[] = []
  try {
    const files = (await folder.list()).map(file => ({ name: file.name, at: file.created }))
    for (const old of tooMany(files, name, keep, context.node)) {
      context.log.info({ snapshot: old.name }, `Removing local snapshot ${folder.file(old.name)}`)
      await folder.remove(old.name)
      removed.push(old.name)
    }
  } catch (error) {
    const message = `Failed to apply local snapshot retention policy: ${(error as Error).message}`
    context.log.warn({}, message)
    warnOnNode(context, 'ETCDSnapshotRetentionFailedLocal', message)
  }
  return removed
}

async function extraMetadata({ client, log }: Context): Promise<{ readonly [name: string]: string } | undefined> {
  try {
    const name = { name: extraMetadataName, namespace: 'kube-system' }
    const data = (await client.get(configMaps, name).catch(ignoreNotFound))?.data
    return data && Object.keys(data).length > 0 ? data : undefined
  } catch (error) {
    log.debug({ err: error }, 'cannot read the extra metadata of snapshots')
    return undefined
  }
}
