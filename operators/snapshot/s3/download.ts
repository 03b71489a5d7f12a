/** Fetches an object into a file, going on where a connection broke. The file has its name only once it is whole. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { reasonOf } from './reasons.ts'
import { operation, type Session } from './session.ts'
import type { Target } from './upload.ts'

/** How far it is. */
interface Progress {
  bytes: number
  /** Which version of the object the bytes are of, once that is known. */
  etag?: string | undefined
  total?: number | undefined
}

/** `location` names the object in errors. Rejects as Bucket.download. */
export async function download(
  session: Session,
  target: Target,
  location: string,
  to: string,
  signal: AbortSignal,
): Promise<{ readonly bytes: number }> {
  const partial = join(dirname(to), `.${basename(to)}.part`)
  return operation(session, `download of ${location}`, signal, async task => {
    const file = await open(partial, 'w', 0o600)
    try {
      const progress: Progress = { bytes: 0 }
      while (progress.total === undefined || progress.bytes < progress.total)
        await task.attempt(abortSignal => fetchOn(session, target, file, progress, abortSignal))
      await file.sync()
      await file.chmod(0o600)
      await file.close()
      await rename(partial, to)
      return { bytes: progress.bytes }
    } catch (error) {
      await file.close().catch(() => {})
      await rm(partial, { force: true })
      throw error
    }
  })
}

/** From where it is to the end, or until the connection breaks: what has arrived counts. */
async function fetchOn(
  { client, sdk, settings }: Session,
  target: Target,
  file: FileHandle,
  progress: Progress,
  abortSignal: AbortSignal,
): Promise<void> {
  const from = progress.bytes
  const range = from === 0 ? {} : { Range: `bytes=${from}-`, IfMatch: progress.etag }
  const answer = await client.send(new sdk.GetObjectCommand({ ...target, ...range }), { abortSignal })
  const { Body, ContentLength = 0, ContentRange, ETag } = answer
  const start = ContentRange === undefined ? 0 : from
  Object.assign(progress, { bytes: start, etag: ETag, total: start + ContentLength } satisfies Progress)
  try {
    await writeBody(Body as Readable, file, progress, abortSignal)
  } catch (error) {
    if (progress.bytes === start || !reasonOf(error, settings).passing) throw error
  }
}

async function writeBody(body: Readable, file: FileHandle, progress: Progress, signal: AbortSignal): Promise<void> {
  const cancel = () => body.destroy(signal.reason as Error)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      await writeAll(file, chunk, progress.bytes)
      progress.bytes += chunk.length
    }
    if (progress.bytes !== progress.total) throw new Error('the object ended too early')
  } finally {
    signal.removeEventListener('abort', cancel)
    body.destroy()
  }
}

async function writeAll(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, at, chunk.length - at, position + at)
    at += bytesWritten
  }
}
