import type { Writable } from 'node:stream'

/** Resolves when more can be written to a stream whose buffer is full, or when it closes. */
export async function drained(stream: Pick<Writable, 'once' | 'off'>): Promise<void> {
  await new Promise<void>(resolve => {
    const done = () => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.once('drain', done)
    stream.once('close', done)
  })
}
