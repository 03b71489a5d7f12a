/** Long computations in slices, so that nothing else has to wait for them. */
import { setImmediate as turn } from 'node:timers/promises'

/** A computation that may be interrupted wherever it yields. */
export type Steps<T> = Generator<void, T, void>

/** A slice ends at the first step after this time. */
export const sliceMs = 4

/** So many results in a row are given up for newer ones, then one is used although there is a newer: nothing starves. */
export const patience = 4

export interface SliceOptions {
  /** Milliseconds. */
  readonly now: () => number
  /** Asked after every pause: true when the result is not wanted any more. */
  readonly stale: () => boolean
}

/** Computes with pauses in which the event loop turns. Undefined when the result went stale. */
export async function inSlices<T>(steps: Steps<T>, { now, stale }: SliceOptions): Promise<T | undefined> {
  for (let end = now() + sliceMs; ; ) {
    const step = steps.next()
    if (step.done) return step.value
    if (now() < end) continue
    await turn()
    if (stale()) return undefined
    end = now() + sliceMs
  }
}

/** Computes with pauses, whatever happens meanwhile. */
export async function paced<T>(steps: Steps<T>, now: () => number): Promise<T> {
  return (await inSlices(steps, { now, stale: () => false })) as T
}
