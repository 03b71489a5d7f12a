/** The end of a stream of bytes: a file. All along the way a piece is its taker's: who has passed it on does not look at it again. */
import type { FileHandle } from 'node:fs/promises'

/** Given to the disk in portions, so that the end has little left to wait for and others little to wait behind. */
const flushBytes = 16 * 1024 * 1024

/** For the end of a pipeline: writes all that comes. Resolves with how many bytes, all of them on the disk. */
export function sinkOf(handle: FileHandle): (pieces: AsyncIterable<Buffer>) => Promise<number> {
  return async pieces => {
    let bytes = 0
    let unflushed = 0
    for await (const piece of pieces) {
      const { length } = piece
      await writeAll(handle, piece)
      release(piece)
      bytes += length
      unflushed += length
      if (unflushed < flushBytes) continue
      await handle.datasync()
      unflushed = 0
    }
    await handle.sync()
    return bytes
  }
}

/** Gives memory back whose last user was the caller. The garbage collector notices such memory only when it is 64 MB. */
export function release(piece: Buffer): void {
  const memory = piece.buffer as ArrayBuffer
  if (!memory.detached && piece.byteLength === memory.byteLength) memory.transfer(0)
}

async function writeAll(handle: FileHandle, piece: Buffer): Promise<void> {
  for (let done = 0; done < piece.length; ) done += (await handle.write(piece, done)).bytesWritten
}
