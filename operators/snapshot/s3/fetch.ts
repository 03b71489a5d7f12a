/** A snapshot out of S3 for a restore, while there is no cluster to ask. */
import type { Kernel } from '../../../bootstrap/userland.ts'
import { openBucket } from './bucket.ts'
import { S3Error } from './error.ts'
import { settingsOf } from './settings.ts'

/**
 * Downloads the snapshot of this name, below the configured folder, to the path `to`. S3Error in one line when S3 is not
 * configured by flags, or as Bucket.download.
 */
export async function fetchSnapshot(
  config: Kernel['config'],
  name: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  if (!config.s3) throw new S3Error('s3 configuration was not set: want etcd-s3-bucket')
  // What may pass shows in the error if it does not.
  const log = { warn: () => {} }
  const bucket = await openBucket(await settingsOf(config.s3, { log }), { log, env: process.env }, signal)
  try {
    await bucket.download(name, to, signal)
  } catch (error) {
    if (error instanceof S3Error && error.notFound)
      throw new S3Error(`there is no snapshot ${bucket.location(name)}`, { code: error.code, cause: error })
    throw error
  } finally {
    bucket.close()
  }
}
