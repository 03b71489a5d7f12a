/** Snapshots in S3: what lies there, and bringing one there. */

import type { EtcdSnapshotS3 } from './etcd-snapshot-file.ts'
import { type Folder, metadataIn, type SnapshotFile } from './folder.ts'
import { type Kept, tooMany } from './retention.ts'
import type { Bucket } from './s3/bucket.ts'
import { metadataNames } from './s3/bucket.ts'
import type { S3Settings } from './s3/settings.ts'
import { createdOf, type Snapshot } from './snapshot.ts'

const metadataFolder = '.metadata/'

/** What a snapshot's object says of the bucket: nothing that is secret. */
export function bucketIn(settings: S3Settings): EtcdSnapshotS3 {
  const { endpoint, endpointCA, skipSSLVerify, bucket, bucketLookup, region, folder, insecure } = settings
  const all = { endpoint, endpointCA, skipSSLVerify, bucket, bucketLookup, region, prefix: folder, insecure }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '' && value !== false))
}

/** The snapshots directly in the bucket's folder. Those in `known`, by location, are not asked about again. */
export async function snapshotsIn(
  bucket: Bucket,
  settings: S3Settings,
  known: ReadonlyMap<string, Snapshot>,
  signal: AbortSignal,
): Promise<Snapshot[]> {
  const found: Snapshot[] = []
  const withMetadata = new Set<string>()
  const keys: { key: string; size: number; lastModified: number }[] = []
  for await (const object of bucket.list('', signal)) {
    if (object.key.startsWith(metadataFolder)) withMetadata.add(object.key.slice(metadataFolder.length))
    else if (object.size > 0 && !object.key.includes('/')) keys.push(object)
  }
  const s3 = bucketIn(settings)
  for (const { key, size, lastModified } of keys) {
    const location = bucket.location(key)
    const before = known.get(location)
    const same = { name: key, location, size, created: createdOf(key, lastModified), ready: true, s3 }
    if (before?.ready && before.size === size) {
      found.push({ ...before, ...same })
      continue
    }
    const head = await bucket.head(key, signal)
    if (!head) continue
    const text = withMetadata.has(key) ? await bucket.read(`${metadataFolder}${key}`, signal) : undefined
    found.push({
      ...same,
      node: head.metadata[metadataNames.nodeName] ?? '',
      tokenHash: head.metadata[metadataNames.tokenHash],
      metadata: text === undefined ? undefined : metadataIn(text),
    })
  }
  return found
}

export interface Upload {
  readonly folder: Folder
  readonly file: SnapshotFile
  readonly node: string
  readonly clusterId: string
  readonly tokenHash: string
}

/** Sends the file, and what was noted with it. Returns the size that S3 has. */
export async function uploadTo(
  bucket: Bucket,
  { folder, file, node, clusterId, tokenHash }: Upload,
  signal: AbortSignal,
): Promise<number> {
  const tags = {
    [metadataNames.clusterId]: clusterId,
    [metadataNames.nodeName]: node,
    [metadataNames.tokenHash]: tokenHash,
  }
  // First what belongs to it: a snapshot that is there has its metadata.
  if (await folder.readMetadata(file.name))
    await bucket.upload(folder.metadataFile(file.name), `${metadataFolder}${file.name}`, tags, signal)
  const { bytes } = await bucket.upload(file.path, file.name, tags, signal)
  return bytes
}

/** Whether the snapshot was there. */
export async function removeFrom(bucket: Bucket, name: string, signal: AbortSignal): Promise<boolean> {
  const was = await bucket.remove(name, signal)
  await bucket.remove(`${metadataFolder}${name}`, signal)
  return was
}

/** Removes what is beyond the newest `keep` snapshots of this name, of all nodes together. Returns their names. */
export async function pruneIn(bucket: Bucket, name: string, keep: number, signal: AbortSignal): Promise<string[]> {
  if (keep < 1) return []
  const all: Kept[] = []
  for await (const { key, lastModified, size } of bucket.list(name, signal))
    if (size > 0 && !key.includes('/')) all.push({ name: key, at: lastModified })
  const removed: string[] = []
  for (const each of tooMany(all, name, keep)) {
    await removeFrom(bucket, each.name, signal)
    removed.push(each.name)
  }
  return removed
}
