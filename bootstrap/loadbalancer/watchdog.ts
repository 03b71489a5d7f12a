/**
 * Notices servers that have vanished without a word: bytes were sent there and nothing came back. TCP itself would take
 * minutes. Silence alone proves nothing (not every byte has an answer), so the server is then dialled to see.
 */

const silenceMs = 500

interface Watched {
  readonly traffic: { sent(): void; heard(): void }
  timer: NodeJS.Timeout | undefined
}

export class Watchdog {
  readonly #probe: (address: string) => Promise<void>
  readonly #watched = new Map<string, Watched>()

  /** `probe` dials a server and does what is to be done when it does not answer. */
  constructor(probe: (address: string) => Promise<void>) {
    this.#probe = probe
  }

  /** What to tell about the traffic with a server. */
  of(address: string): { sent(): void; heard(): void } {
    const known = this.#watched.get(address)
    if (known) return known.traffic
    const watched: Watched = {
      timer: undefined,
      traffic: {
        sent: () => {
          if (watched.timer) return
          watched.timer = setTimeout(() => {
            watched.timer = undefined
            void this.#probe(address)
          }, silenceMs)
          watched.timer.unref()
        },
        heard: () => {
          clearTimeout(watched.timer)
          watched.timer = undefined
        },
      },
    }
    this.#watched.set(address, watched)
    return watched.traffic
  }

  close(): void {
    for (const { timer } of this.#watched.values()) clearTimeout(timer)
    this.#watched.clear()
  }
}
