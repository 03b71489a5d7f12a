/** Work on a stream of items, so many at once, so that memory stays what it is. */

export interface Bounds<T> {
  readonly count: number
  /** What all that is under way may weigh together; a single item may be heavier. */
  readonly weight: number
  readonly weigh: (item: T) => number
}

/** Resolves with the number of items once all are done. Rejects with the first failure, nothing being under way any more. */
export async function sideBySide<T>(
  items: AsyncIterable<T>,
  { count, weight, weigh }: Bounds<T>,
  work: (item: T) => Promise<unknown>,
): Promise<number> {
  let [running, heavy, total] = [0, 0, 0]
  let failed: { readonly error: unknown } | undefined
  let wake: (() => void) | undefined
  const below = async (most: number, heaviest: number) => {
    while (running > most || (running > 0 && heavy > heaviest))
      await new Promise<void>(resolve => {
        wake = resolve
      })
  }
  const run = async (item: T) => {
    try {
      await work(item)
    } catch (error) {
      failed ??= { error }
    }
    running--
    heavy -= weigh(item)
    wake?.()
  }
  try {
    for await (const item of items) {
      if (failed) break
      running++
      heavy += weigh(item)
      total++
      void run(item)
      await below(count - 1, weight)
    }
  } finally {
    await below(0, 0)
  }
  if (failed) throw failed.error
  return total
}
