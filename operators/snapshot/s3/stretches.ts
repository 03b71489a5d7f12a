/** A file in stretches, one for each part, read with the same few buffers however large it is. */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { getDefaultHighWaterMark, Readable } from 'node:stream'

const mebibyte = 1024 * 1024
/** What is lost at most when a connection breaks. S3 wants 5 MiB at least, and 10,000 parts at most. */
export const usualPartBytes = 8 * mebibyte
const mostParts = 10_000
/** More than sockets take without waiting. */
const bodyReadBytes = 2 * getDefaultHighWaterMark(false)
/**
 * A chunk is out of this process before the next but one is read, for sockets ask to wait after each; twice as many for safety.
 * Bytes that were overwritten all the same would not have the checksum, and S3 would refuse them.
 */
const bodyBuffers = 4
/** Larger, for it costs one buffer alone: fewer ways to the disk and back. Slow machines hash it in some milliseconds. */
const checksumReadBytes = 512 * 1024

export interface Stretch {
  readonly number: number
  readonly start: number
  readonly bytes: number
}

export interface StretchReader {
  /** SHA-256 in hexadecimal. Rejects with the signal's reason, or when the file cannot be read or is too short. */
  checksum(stretch: Stretch, signal: AbortSignal): Promise<string>
  /**
   * Calls `send` with a stream of the stretch, whose chunks are overwritten soon after they were consumed, and for good once
   * `send` has settled. Resolves and rejects as `send` does, when nothing is read any more.
   */
  withBody<T>(stretch: Stretch, send: (body: Readable) => Promise<T>): Promise<T>
}

export function* stretchesOf(size: number): Generator<Stretch, void> {
  const bytes = Math.max(usualPartBytes, Math.ceil(size / mostParts / mebibyte) * mebibyte)
  for (let number = 1, start = 0; start < size; number++, start += bytes)
    yield { number, start, bytes: Math.min(bytes, size - start) }
}

export function stretchReader(file: FileHandle): StretchReader {
  const forChecksums = pool(() => [Buffer.allocUnsafeSlow(checksumReadBytes)])
  const forBodies = pool(() => Array.from({ length: bodyBuffers }, () => Buffer.allocUnsafeSlow(bodyReadBytes)))
  return {
    checksum: (stretch, signal) =>
      forChecksums(async buffers => {
        const hash = createHash('sha256')
        for await (const chunk of chunksOf(file, stretch, buffers)) {
          signal.throwIfAborted()
          hash.update(chunk)
        }
        return hash.digest('hex')
      }),
    // Until the answer is there, for the end of a stream is not yet that of its sending.
    withBody: (stretch, send) =>
      forBodies(async buffers => {
        const chunks = chunksOf(file, stretch, buffers)
        const body = Readable.from(chunks, { objectMode: false, highWaterMark: bodyReadBytes })
        try {
          return await send(body)
        } finally {
          body.destroy()
          // A read under way ends before the file may be closed.
          if (!body.closed) await new Promise(resolve => body.once('close', resolve))
        }
      }),
  }
}

/** Lends what `make` makes; what comes back is lent again: new buffers would be garbage faster than it is collected. */
function pool<B>(make: () => B): <T>(use: (lent: B) => Promise<T>) => Promise<T> {
  const spare: B[] = []
  return async use => {
    const lent = spare.pop() ?? make()
    try {
      return await use(lent)
    } finally {
      spare.push(lent)
    }
  }
}

/** Each buffer in turn; every chunk but the last fills its own. */
async function* chunksOf(
  file: FileHandle,
  { start, bytes }: Stretch,
  buffers: readonly Buffer[],
): AsyncGenerator<Buffer, void> {
  for (let at = start, turn = 0; at < start + bytes; turn++) {
    const room = buffers[turn % buffers.length]!
    const wanted = Math.min(room.length, start + bytes - at)
    for (let filled = 0; filled < wanted; ) {
      const { bytesRead } = await file.read(room, filled, wanted - filled, at + filled)
      if (bytesRead === 0) throw new Error('the file became shorter while it was sent')
      filled += bytesRead
    }
    yield room.subarray(0, wanted)
    at += wanted
  }
}
