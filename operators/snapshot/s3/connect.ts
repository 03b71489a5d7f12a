/** A Bucket over the S3 client. */
import { posix } from 'node:path'
import { formatDuration } from '../../../bootstrap/api/time.ts'
import { systemClock } from '../../../bootstrap/client/clock.ts'
import type { Bucket, BucketEffects, ObjectHead, StoredObject } from './bucket.ts'
import { download } from './download.ts'
import { agentFor, endpointUrl, usesPathStyle } from './endpoint.ts'
import { S3Error } from './error.ts'
import type { S3Client, S3ClientConfig } from './sdk.ts'
import { Failed, operation, type S3Sdk, type Session } from './session.ts'
import type { S3Settings } from './settings.ts'
import { upload } from './upload.ts'

/** A page of a list is parsed in one go; this many take a few milliseconds. */
const pageLength = 200
const smallBytes = 1024 * 1024
/** A connection on which nothing moves for so long, or a fifth of the timeout, is broken. */
const longestStallMs = 60_000
const noticedSkewMs = 240_000

/** See openBucket. */
export async function connectBucket(
  settings: S3Settings,
  effects: BucketEffects,
  signal: AbortSignal,
): Promise<Bucket> {
  const session = await sessionFor(settings, effects)
  try {
    await check(session, signal)
  } catch (error) {
    session.client.destroy()
    throw error
  }
  return bucketOf(session)
}

async function sessionFor(settings: S3Settings, { log, env }: BucketEffects): Promise<Session> {
  if (settings.bucket === '') throw new S3Error('s3 bucket name was not set')
  const url = endpointUrl(settings)
  const agent = await agentFor(settings, url, env)
  const stallMs = Math.max(1, Math.min(longestStallMs, settings.timeoutMs / 5))
  const common = {
    endpoint: url.href,
    region: settings.region || 'us-east-1',
    forcePathStyle: usesPathStyle(settings),
    // Else Amazon's variables and files could ask for what an endpoint of one's own does not go with.
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    // What others than Amazon understand.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: { httpAgent: agent, httpsAgent: agent, connectionTimeout: stallMs, socketTimeout: stallMs },
  } as const satisfies S3ClientConfig
  const sdk = await import('./sdk.ts')
  const client = await clientWithCredentials(sdk, settings, common)
  // Its own cannot repeat a body that is read once, and says so on the console; `operation` repeats.
  const once = { name: 'retryMiddleware', step: 'finalizeRequest', priority: 'high', override: true } as const
  client.middlewareStack.add(next => next, once)
  return { sdk, client, settings, log, clock: systemClock, random: Math.random }
}

/** Those given; else, as Amazon's tools find them, files or the machine's role; else none, for a bucket that is open to all. */
async function clientWithCredentials(sdk: S3Sdk, settings: S3Settings, common: S3ClientConfig): Promise<S3Client> {
  const { accessKey, secretKey, sessionToken } = settings
  if ((accessKey === '') !== (secretKey === ''))
    throw new S3Error(
      accessKey === ''
        ? 'etcd-s3-secret-key is set without etcd-s3-access-key'
        : 'etcd-s3-access-key is set without etcd-s3-secret-key',
    )
  if (accessKey !== '')
    return new sdk.S3Client({
      ...common,
      credentials: {
        accessKeyId: accessKey,
        secretAccessKey: secretKey,
        ...(sessionToken === '' ? {} : { sessionToken }),
      },
    })
  const client = new sdk.S3Client(common)
  try {
    await client.config.credentials()
    return client
  } catch {
    const unsigned = { sign: async <T>(request: T) => request }
    return new sdk.S3Client({
      ...common,
      credentials: { accessKeyId: '', secretAccessKey: '' },
      signer: unsigned as never,
    })
  }
}

/** Whether the bucket is there and lets us in, in K3s' words where it does not. */
async function check(session: Session, signal: AbortSignal): Promise<void> {
  const { client, sdk, settings, log } = session
  const Bucket = settings.bucket
  const what = `failed to test for existence of bucket ${Bucket}`
  await operation(session, what, signal, async task => {
    try {
      await task.attempt(abortSignal => client.send(new sdk.HeadBucketCommand({ Bucket }), { abortSignal }))
    } catch (error) {
      // HEAD has no text that says why; a list has.
      if (!(error instanceof Failed) || error.reason.code === undefined) throw error
      await task.attempt(abortSignal =>
        client.send(new sdk.ListObjectsV2Command({ Bucket, MaxKeys: 1, Prefix: prefixOf(settings) }), { abortSignal }),
      )
    }
  }).catch(error => {
    if (error instanceof S3Error && error.code === 'NoSuchBucket')
      throw new S3Error(`bucket ${Bucket} does not exist`, { code: error.code, cause: error })
    throw error
  })
  const skew = client.config.systemClockOffset
  if (Math.abs(skew) >= noticedSkewMs)
    log.warn({ skew: formatDuration(Math.round(skew / 1000) * 1000) }, "this machine's clock differs from that of S3")
}

/** What keys begin with. */
function prefixOf({ folder }: S3Settings): string {
  return folder === '' ? '' : posix.join(folder, '/')
}

function bucketOf(session: Session): Bucket {
  const { client, sdk, settings } = session
  const prefix = prefixOf(settings)
  const target = (key: string) => ({ Bucket: settings.bucket, Key: prefix + key })
  const location = (key: string) => `s3://${settings.bucket}/${prefix}${key}`
  const head = (key: string, signal: AbortSignal) =>
    orNone(
      operation(session, `look at ${location(key)}`, signal, async task => {
        const answer = await task.attempt(abortSignal =>
          client.send(new sdk.HeadObjectCommand(target(key)), { abortSignal }),
        )
        const { ContentLength = 0, LastModified, Metadata = {} } = answer
        return {
          key,
          size: ContentLength,
          lastModified: LastModified?.getTime() ?? 0,
          metadata: Metadata,
        } satisfies ObjectHead
      }),
    )
  return {
    head,
    location,
    list: (start, signal) => list(session, prefix, start, signal),
    read: (key, signal) =>
      orNone(
        operation(session, `read of ${location(key)}`, signal, task =>
          task.attempt(abortSignal => text(session, target(key), abortSignal)),
        ),
      ),
    upload: (file, key, metadata, signal) => upload(session, file, target(key), location(key), metadata, signal),
    download: (key, to, signal) => download(session, target(key), location(key), to, signal),
    async remove(key, signal) {
      if ((await head(key, signal)) === undefined) return false
      await operation(session, `removal of ${location(key)}`, signal, task =>
        task.attempt(abortSignal => client.send(new sdk.DeleteObjectCommand(target(key)), { abortSignal })),
      )
      return true
    },
    close: () => client.destroy(),
  }
}

async function orNone<T>(asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking
  } catch (error) {
    if (error instanceof S3Error && error.notFound) return undefined
    throw error
  }
}

async function text(
  { client, sdk }: Session,
  target: { Bucket: string; Key: string },
  abortSignal: AbortSignal,
): Promise<string> {
  const { Body, ContentLength = 0 } = await client.send(new sdk.GetObjectCommand(target), { abortSignal })
  if (ContentLength > smallBytes) {
    ;(Body as { destroy?: () => void } | undefined)?.destroy?.()
    throw new Error(`it has ${ContentLength} bytes, too many to be read at once`)
  }
  return (await Body?.transformToString()) ?? ''
}

/** The timeout is for a page; a caller that takes its time between pages loses none of it. */
async function* list(
  session: Session,
  prefix: string,
  start: string,
  signal: AbortSignal,
): AsyncGenerator<StoredObject, void> {
  const { client, sdk, settings } = session
  const Prefix = prefix + start
  for (let ContinuationToken: string | undefined, more = true; more; more = ContinuationToken !== undefined) {
    const input = { Bucket: settings.bucket, Prefix, MaxKeys: pageLength, ContinuationToken }
    const page = await operation(session, `list of s3://${settings.bucket}/${Prefix}`, signal, task =>
      task.attempt(abortSignal => client.send(new sdk.ListObjectsV2Command(input), { abortSignal })),
    )
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? [])
      if (Key !== prefix)
        yield { key: Key.slice(prefix.length), size: Size, lastModified: LastModified?.getTime() ?? 0 }
    ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined
  }
}
