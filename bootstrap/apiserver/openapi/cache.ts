/** Documents made on request, kept while they are wanted. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

const gzipped = promisify(gzip)

interface Entry {
  readonly hash: string
  readonly plain: Promise<Buffer>
  compressed?: Promise<Buffer>
}

export class DocumentCache {
  readonly #entries = new Map<string, Entry>()
  readonly #idleMilliseconds: number
  readonly #signal: AbortSignal | undefined
  #timer: NodeJS.Timeout | undefined

  /** Everything is dropped once nothing was asked for during the idle time; the signal ends the timer. */
  constructor(idleMilliseconds: number, signal?: AbortSignal) {
    this.#idleMilliseconds = idleMilliseconds
    this.#signal = signal
    signal?.addEventListener('abort', () => clearTimeout(this.#timer), { once: true })
  }

  /** The document of that name and hash, made by `make` unless it is there; compressed if asked. */
  get(name: string, hash: string, compress: boolean, make: () => Promise<Buffer>): Promise<Buffer> {
    this.#touch()
    let entry = this.#entries.get(name)
    if (entry?.hash !== hash) {
      entry = { hash, plain: make() }
      this.#entries.set(name, entry)
      entry.plain.catch(() => this.#entries.delete(name))
    }
    if (!compress) return entry.plain
    entry.compressed ??= entry.plain.then(body => gzipped(body))
    return entry.compressed
  }

  get size(): number {
    return this.#entries.size
  }

  #touch(): void {
    if (this.#signal?.aborted) return
    if (this.#timer) {
      this.#timer.refresh()
      return
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#entries.clear()
    }, this.#idleMilliseconds)
    this.#timer.unref()
  }
}
