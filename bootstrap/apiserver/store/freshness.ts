/**
 * How current a cache is that others' writes reach only by the watch: the datastore is asked for its revision, then the
 * cache is waited for (upstream: consistent reads from cache, apiserver pkg/storage/cacher). Any number of readers share a
 * question, but none takes the answer to one that was asked before it came: a write may have been acknowledged since.
 */
import { SharedQuestion } from '../../datastore/common/shared-question.ts'
import { type Revision, UnavailableError } from '../../datastore/datastore.ts'
import type { Clock } from '../../datastore/effects.ts'

export interface FreshnessParts {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Of the datastore, now. */
  ask(): Promise<Revision>
  /** Of the caches. */
  revision(): Revision
  /** Resolves once the caches are at `revision`. */
  reached(revision: Revision): Promise<void>
  /** The caches have stood still although there is something to see. */
  stuck(): void
}

/** An election in etcd takes five to ten seconds; whoever asks meanwhile waits for its end. */
const answerWithinMs = 10_000
/** Upstream's bound for a cache to catch up. */
const arriveWithinMs = 3000

export class Freshness {
  readonly #parts: FreshnessParts
  readonly #question = new SharedQuestion(() => this.#round())
  /** When it was last known to be current. */
  #knownAt = Number.NEGATIVE_INFINITY

  constructor(parts: FreshnessParts) {
    this.#parts = parts
  }

  /** Resolves once the caches show all that was acknowledged before this call. Throws UnavailableError. */
  async fresh(): Promise<void> {
    const { arrived } = await this.#question.ask()
    await arrived
  }

  /** Undefined when the caches have been current within `maxAgeMs`. */
  recent(maxAgeMs: number): Promise<void> | undefined {
    const age = this.#parts.clock.now() - this.#knownAt
    return age >= 0 && age < maxAgeMs ? undefined : this.fresh()
  }

  /** Asks, and says when the caches have got there: whoever asks next does not wait for that. */
  async #round(): Promise<{ readonly arrived: Promise<void> }> {
    const began = this.#parts.clock.now()
    const revision = await this.#within(answerWithinMs, this.#parts.ask(), 'no answer')
    const reached = revision > this.#parts.revision() ? this.#reach(revision) : Promise.resolve()
    const known = () => {
      this.#knownAt = began
    }
    return { arrived: reached.then(known) }
  }

  async #reach(revision: Revision): Promise<void> {
    const before = this.#parts.revision()
    try {
      await this.#within(
        arriveWithinMs,
        this.#parts.reached(revision),
        `its changes up to ${revision} have not arrived`,
      )
    } catch (error) {
      if (this.#parts.revision() === before) this.#parts.stuck()
      throw error
    }
  }

  async #within<T>(limitMs: number, work: Promise<T>, what: string): Promise<T> {
    const { clock, signal } = this.#parts
    const done = new AbortController()
    const late = clock.sleep(limitMs, AbortSignal.any([done.signal, signal])).then(
      () => Promise.reject(new UnavailableError(`${what} within ${limitMs / 1000} s`)),
      () => new Promise<never>(() => {}),
    )
    try {
      return await Promise.race([work, late])
    } catch (error) {
      if (error instanceof UnavailableError) throw error
      throw new UnavailableError(error instanceof Error ? error.message : String(error), { cause: error })
    } finally {
      done.abort()
    }
  }
}
