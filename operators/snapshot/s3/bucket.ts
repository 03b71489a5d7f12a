/** What snapshots need of an S3 bucket. Keys are names inside the configured folder: "x.zip", ".metadata/x.zip". */
import { connectBucket } from './connect.ts'
import type { S3Settings } from './settings.ts'

export interface StoredObject {
  readonly key: string
  /** In bytes. */
  readonly size: number
  /** In milliseconds since the epoch. */
  readonly lastModified: number
}

export interface ObjectHead extends StoredObject {
  /** User metadata; S3 has names in lower case: "k3s-node-name". */
  readonly metadata: { readonly [name: string]: string }
}

/** Names of the metadata that K3s gives every snapshot it uploads. */
export const metadataNames = {
  clusterId: 'k3s-cluster-id',
  nodeName: 'k3s-node-name',
  tokenHash: 'k3s-token-hash',
} as const

/**
 * One bucket and folder. Every call fails with S3Error, in one line, or with the signal's reason. Each takes no longer than the
 * configured timeout, and repeats by itself what a passing fault has broken. Memory does not depend on sizes.
 */
export interface Bucket {
  /** Objects whose key begins with `prefix`, those of folders below included, in the order of their keys. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject>
  /** Undefined when there is none. */
  head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined>
  /** A small object as text, undefined when there is none. */
  read(key: string, signal: AbortSignal): Promise<string | undefined>
  /** Sends a file, in several parts if it is large; a failed upload leaves nothing behind. Returns its size. */
  upload(
    file: string,
    key: string,
    metadata: { readonly [name: string]: string },
    signal: AbortSignal,
  ): Promise<{ readonly bytes: number }>
  /** Writes the object to `to` with mode 0600; the file is whole or not there. NotFound as S3Error when there is none. */
  download(key: string, to: string, signal: AbortSignal): Promise<{ readonly bytes: number }>
  /** Whether it was there. */
  remove(key: string, signal: AbortSignal): Promise<boolean>
  /** "s3://bucket/folder/key" */
  location(key: string): string
  /** Ends the idle connections; calls under way fail. */
  close(): void
}

export interface BucketEffects {
  readonly log: { warn(fields: object, message: string): void }
  /** Proxy variables and the like. */
  readonly env: { readonly [name: string]: string | undefined }
}

/** Connects and checks that the bucket is there and may be used: S3Error otherwise. Loads the S3 client on first use. */
export async function openBucket(settings: S3Settings, effects: BucketEffects, signal: AbortSignal): Promise<Bucket> {
  return connectBucket(settings, effects, signal)
}
