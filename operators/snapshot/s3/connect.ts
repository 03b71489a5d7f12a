import type { Bucket, BucketEffects } from './bucket.ts'
import { S3Error } from './error.ts'
import type { S3Settings } from './settings.ts'

export async function connectBucket(settings: S3Settings, _: BucketEffects, __: AbortSignal): Promise<Bucket> {
  throw new S3Error(`bucket ${settings.bucket}: S3 is not supported by this version yet`)
}
