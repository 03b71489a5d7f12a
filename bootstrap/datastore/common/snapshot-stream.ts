/** How drivers write a snapshot to where it goes. */
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Writes everything and ends `to`, no faster than it takes it. Resolves with how many bytes; rejects with what broke it. */
export async function send(source: AsyncIterable<Buffer>, to: Writable, signal: AbortSignal): Promise<number> {
  let bytes = 0
  async function* counted() {
    for await (const piece of source) {
      bytes += piece.length
      yield piece
    }
  }
  await pipeline(counted, to, { signal })
  return bytes
}

/** Runs `take`; when it fails, `to` is destroyed, and an abort is the reason for all that fails after it. */
export async function orDestroyed<T>(to: Writable, signal: AbortSignal, take: () => Promise<T>): Promise<T> {
  try {
    signal.throwIfAborted()
    return await take()
  } catch (error) {
    // Whoever waits for it hears of the end; an error of its own has been told already.
    if (!to.destroyed) to.destroy()
    signal.throwIfAborted()
    throw error
  }
}
