/**
 * What a controller has written but its cache may not show yet (client-go's ControllerExpectations). Until the cache has
 * caught up, or five minutes have passed, the controller must not act on counts taken from it.
 */
import type { ObjectKey } from '../../bootstrap/api/object.ts'

const timeoutMs = 5 * 60_000

interface Expected {
  readonly since: number
  creations: number
  readonly deletions: Set<string>
}

export class Expectations {
  readonly #expected = new Map<ObjectKey, Expected>()

  /** Whether everything expected of the controller `key` has been seen. */
  satisfied(key: ObjectKey, now: number): boolean {
    const expected = this.#expected.get(key)
    if (!expected) return true
    return (expected.creations <= 0 && expected.deletions.size === 0) || now - expected.since > timeoutMs
  }

  /** Call before creating `count` objects. */
  expectCreations(key: ObjectKey, count: number, now: number): void {
    this.#at(key, now).creations += count
  }

  /** Call before deleting the objects with these uids. */
  expectDeletions(key: ObjectKey, uids: readonly string[], now: number): void {
    const { deletions } = this.#at(key, now)
    for (const uid of uids) deletions.add(uid)
  }

  /** A creation arrived in the cache, or failed and will never arrive. */
  creationSeen(key: ObjectKey): void {
    const expected = this.#expected.get(key)
    if (expected) expected.creations--
  }

  /** A deletion arrived in the cache (or the object started terminating), or failed. */
  deletionSeen(key: ObjectKey, uid: string): void {
    this.#expected.get(key)?.deletions.delete(uid)
  }

  forget(key: ObjectKey): void {
    this.#expected.delete(key)
  }

  /** The running expectation, or a new one where the old is fulfilled or timed out. */
  #at(key: ObjectKey, now: number): Expected {
    const known = this.#expected.get(key)
    if (known && !this.satisfied(key, now)) return known
    const fresh: Expected = { since: now, creations: 0, deletions: new Set() }
    this.#expected.set(key, fresh)
    return fresh
  }
}
