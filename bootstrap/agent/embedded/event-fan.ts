/** One source of events, any number of listeners, each with its own queue. */
export class EventFan<T> {
  readonly #listeners = new Set<(event: T) => void>()

  emit(event: T): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** Yields every event emitted from this call on, until aborted. */
  subscribe(signal: AbortSignal): AsyncIterable<T> {
    const queue: T[] = []
    let wake = () => {}
    const listener = (event: T) => {
      queue.push(event)
      wake()
    }
    const end = () => {
      this.#listeners.delete(listener)
      wake()
    }
    if (!signal.aborted) this.#listeners.add(listener)
    signal.addEventListener('abort', end, { once: true })
    return (async function* () {
      while (!signal.aborted) {
        const event = queue.shift()
        if (event !== undefined) yield event
        else await new Promise<void>(resolve => (wake = resolve))
      }
    })()
  }
}
