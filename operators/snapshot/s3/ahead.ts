/** Work that is made ready before it is asked for. */

export interface Ahead<I, T> {
  /** The next item with what is made of it, in order; undefined after the last. */
  next(): { readonly item: I; readonly made: Promise<T> } | undefined
  /** Begins no more; resolves once nothing is under way. */
  end(): Promise<void>
}

/** Begins `make` for `depth` items before they are asked for. What fails, fails for who asks. The signal aborts with `end`. */
export function ahead<I, T>(
  items: Iterable<I>,
  depth: number,
  make: (item: I, signal: AbortSignal) => Promise<T>,
): Ahead<I, T> {
  const rest = items[Symbol.iterator]()
  const stop = new AbortController()
  const underWay = new Set<Promise<unknown>>()
  const ready: { item: I; made: Promise<T> }[] = []
  const fill = () => {
    while (ready.length < depth && !stop.signal.aborted) {
      const next = rest.next()
      if (next.done) return
      const made = make(next.value, stop.signal)
      const settled: Promise<boolean> = made.then(
        () => underWay.delete(settled),
        () => underWay.delete(settled),
      )
      underWay.add(settled)
      ready.push({ item: next.value, made })
    }
  }
  fill()
  return {
    next() {
      const first = ready.shift()
      fill()
      return first
    },
    async end() {
      stop.abort()
      await Promise.all(underWay)
    },
  }
}
