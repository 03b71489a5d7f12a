/**
 * Sends a file. Up to one part it is a single request, else several, three at a time; each is repeated by itself. A part is
 * read twice, once for its checksum, which the signature covers, and once for the network: memory holds none of it. The
 * checksums of the next parts are made while others are on their way, so that the link never waits for the disk.
 */
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { type Ahead, ahead } from './ahead.ts'
import type { PutObjectCommand, UploadPartCommand } from './sdk.ts'
import { type Operation, operation, type Session } from './session.ts'
import { type Stretch, type StretchReader, stretchesOf, stretchReader, usualPartBytes } from './stretches.ts'

/** Enough to keep the link busy while one part waits for its answer and another begins. */
const sendersAtOnce = 3
const cleanUpMs = 30_000

/** Where the object goes. */
export interface Target {
  readonly Bucket: string
  readonly Key: string
}

/** `location` names the object in errors. Rejects as Bucket.upload. */
export async function upload(
  session: Session,
  file: string,
  target: Target,
  location: string,
  metadata: { readonly [name: string]: string },
  signal: AbortSignal,
): Promise<{ readonly bytes: number }> {
  const object = { ...target, ContentType: contentType(target.Key), Metadata: { ...metadata } }
  return operation(session, `upload to ${location}`, signal, async task => {
    const handle = await open(file, 'r')
    try {
      const { size } = await handle.stat()
      const reader = stretchReader(handle)
      if (size <= usualPartBytes) await putWhole(session, reader, size, object, task)
      else await putParts(session, reader, size, object, task)
      return { bytes: size }
    } finally {
      await handle.close()
    }
  })
}

function contentType(key: string): string {
  if (key.split('/').at(-2) === '.metadata') return 'application/json'
  return key.endsWith('.zip') ? 'application/zip' : 'application/octet-stream'
}

type ObjectToBe = Target & { readonly ContentType: string; readonly Metadata: { [name: string]: string } }

async function putWhole(
  { client, sdk }: Session,
  reader: StretchReader,
  size: number,
  object: ObjectToBe,
  task: Operation,
) {
  await task.attempt(signal =>
    sendStretch(reader, { number: 1, start: 0, bytes: size }, undefined, signal, (body, hash, sending) =>
      client.send(signed(new sdk.PutObjectCommand({ ...object, Body: body, ContentLength: size }), hash), {
        abortSignal: sending,
      }),
    ),
  )
}

async function putParts(session: Session, reader: StretchReader, size: number, object: ObjectToBe, task: Operation) {
  const target = { Bucket: object.Bucket, Key: object.Key }
  const stretches = ahead(stretchesOf(size), sendersAtOnce, (stretch, stop) =>
    reader.checksum(stretch, AbortSignal.any([task.signal, stop])),
  )
  try {
    await dropAbandoned(session, target, task)
    await putStretches(session, reader, stretches, size, object, task)
  } finally {
    // A read under way ends before the file may be closed.
    await stretches.end()
  }
}

type Stretches = Ahead<Stretch, string>

async function putStretches(
  session: Session,
  reader: StretchReader,
  stretches: Stretches,
  size: number,
  object: ObjectToBe,
  task: Operation,
) {
  const { client, sdk } = session
  const { UploadId } = await task.attempt(abortSignal =>
    client.send(new sdk.CreateMultipartUploadCommand(object), { abortSignal }),
  )
  const upload = { Bucket: object.Bucket, Key: object.Key, UploadId }
  try {
    const Parts = await sendAll(session, reader, stretches, upload, task)
    await complete(session, { ...upload, MultipartUpload: { Parts } }, size, task)
  } catch (error) {
    await abandon(session, upload)
    throw error
  }
}

type Upload = Target & { readonly UploadId: string | undefined }

/** Parts in order. The first that fails for good stops the others. */
async function sendAll(
  { client, sdk }: Session,
  reader: StretchReader,
  stretches: Stretches,
  upload: Upload,
  task: Operation,
) {
  const done: { PartNumber: number; ETag: string | undefined }[] = []
  const stop = new AbortController()
  const sender = async () => {
    for (let next = stretches.next(); next && !stop.signal.aborted; next = stretches.next()) {
      const { item: stretch, made } = next
      // Whose bytes were refused may have been read wrong the first time.
      let checksum: Promise<string> | undefined = made
      const { ETag } = await task.attempt(signal => {
        const first = checksum
        checksum = undefined
        const both = AbortSignal.any([signal, stop.signal])
        return sendStretch(reader, stretch, first, both, (body, hash, sending) => {
          const part = { ...upload, PartNumber: stretch.number, Body: body, ContentLength: stretch.bytes }
          return client.send(signed(new sdk.UploadPartCommand(part), hash), { abortSignal: sending })
        })
      })
      done.push({ PartNumber: stretch.number, ETag })
    }
  }
  const senders = Array.from({ length: sendersAtOnce }, () =>
    sender().catch(error => {
      stop.abort(error)
      throw error
    }),
  )
  const results = await Promise.allSettled(senders)
  if (stop.signal.aborted) throw stop.signal.reason
  for (const result of results) if (result.status === 'rejected') throw result.reason
  return done.sort((a, b) => a.PartNumber - b.PartNumber)
}

type Completion = Upload & {
  readonly MultipartUpload: { readonly Parts: { PartNumber: number; ETag: string | undefined }[] }
}

/** When an answer was lost, the upload may be gone because it is complete: then the object is there. */
async function complete(
  { client, sdk }: Session,
  completion: Completion,
  size: number,
  task: Operation,
): Promise<void> {
  let asked = false
  await task.attempt(async abortSignal => {
    const again = asked
    asked = true
    try {
      await client.send(new sdk.CompleteMultipartUploadCommand(completion), { abortSignal })
    } catch (error) {
      if (!again || (error as Error).name !== 'NoSuchUpload') throw error
      const { Bucket, Key } = completion
      const { ContentLength } = await client.send(new sdk.HeadObjectCommand({ Bucket, Key }), { abortSignal })
      if (ContentLength !== size) throw error
    }
  })
}

/**
 * Hands a stretch of the file to `send`, with its checksum, for which it is read where there is none. A file that cannot be
 * read ends the sending.
 */
async function sendStretch<T>(
  reader: StretchReader,
  stretch: Stretch,
  checksum: Promise<string> | undefined,
  signal: AbortSignal,
  send: (body: Readable, hash: string, sending: AbortSignal) => Promise<T>,
): Promise<T> {
  const sha256 = await (checksum ?? reader.checksum(stretch, signal))
  return reader.withBody(stretch, async body => {
    const unreadable = new AbortController()
    body.once('error', error => unreadable.abort(error))
    try {
      return await send(body, sha256, AbortSignal.any([signal, unreadable.signal]))
    } catch (error) {
      if (unreadable.signal.aborted) throw unreadable.signal.reason
      throw error
    }
  })
}

/** The checksum of a body that can be read once only, for the signature. */
function signed<C extends PutObjectCommand | UploadPartCommand>(command: C, sha256: string): C {
  const stack = command.middlewareStack as PutObjectCommand['middlewareStack']
  stack.add(
    next => args => {
      ;(args.request as { headers: { [name: string]: string } }).headers['x-amz-content-sha256'] = sha256
      return next(args)
    },
    { step: 'build', name: 'checksumOfBody' },
  )
  return command
}

/** What a process that was killed has left of the same upload. */
async function dropAbandoned(session: Session, target: Target, task: Operation): Promise<void> {
  const { client, sdk } = session
  try {
    const { Uploads = [] } = await task.attempt(abortSignal =>
      client.send(new sdk.ListMultipartUploadsCommand({ Bucket: target.Bucket, Prefix: target.Key }), { abortSignal }),
    )
    for (const { Key, UploadId } of Uploads) if (Key === target.Key) await abandon(session, { ...target, UploadId })
  } catch {
    // Not every key may list them; the upload itself will tell what else is wrong.
    task.signal.throwIfAborted()
  }
}

/** Also after the caller has given up: parts that stay cost money. */
async function abandon({ client, log, sdk }: Session, upload: Upload): Promise<void> {
  try {
    await client.send(new sdk.AbortMultipartUploadCommand(upload), { abortSignal: AbortSignal.timeout(cleanUpMs) })
  } catch (error) {
    if ((error as Error).name === 'NoSuchUpload') return
    log.warn(
      { key: upload.Key, err: (error as Error).message },
      'parts of a failed upload could not be removed from S3',
    )
  }
}
