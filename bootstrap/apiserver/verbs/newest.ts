/**
 * Decisions on the newest state. A change is first tried on what the cache has, which costs nothing where it is current
 * and is settled by compare-and-swap where it is not. What was decided without a commit (a refusal, nothing to do) counts
 * only if no other server has overtaken the cache (upstream: GuaranteedUpdate of apiserver pkg/storage/etcd3).
 */
import { errors, failure, StatusError } from '../../api/errors.ts'
import type { ConflictError } from '../../datastore/datastore.ts'
import type { ResourceStore, Stored } from '../store/store.ts'
import type { Call } from './call.ts'
import { gr, isConflictError } from './call.ts'

/** Each try that fails is a write of somebody else that succeeded. */
const maxTries = 100
const overtakenWithinMs = 3000

export interface Outcome<T> {
  readonly value: T
  /** The datastore has accepted a write that this rests on. */
  readonly committed: boolean
}

/** Resolves once the cache shows what any server has acknowledged so far. Throws 503 when the datastore cannot be asked. */
export async function catchUp(cache: Pick<ResourceStore, 'shared' | 'fresh'>): Promise<void> {
  if (!cache.shared) return
  try {
    await cache.fresh()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw failure(503, 'ServiceUnavailable', message, { retryAfterSeconds: 1 })
  }
}

/** Runs `attempt` on the stored object until its outcome stands. Throws 409 when it loses too many races. */
export async function onNewest<T>(
  cache: ResourceStore,
  call: Call,
  attempt: (stored: Stored | undefined) => Promise<Outcome<T>>,
): Promise<T> {
  let current = !cache.shared
  for (let tries = 1; ; tries++) {
    const began = cache.revision
    let decision: () => T
    try {
      const { value, committed } = await attempt(cache.get(call.namespace, call.name))
      if (committed || current) return value
      decision = () => value
    } catch (error) {
      if (isConflictError(error)) {
        if (tries === maxTries) throw errors.stale(gr(call.kind), call.name)
        await overtaken(cache, call, error)
        current = true
        continue
      }
      if (current || !(error instanceof StatusError)) throw error
      decision = () => {
        throw error
      }
    }
    await catchUp(cache)
    current = true
    if (cache.revision === began) return decision()
  }
}

/** Whether there is no such object, by the newest state. */
export async function isMissing(cache: ResourceStore, { namespace, name }: Call): Promise<boolean> {
  if (cache.get(namespace, name)) return false
  await catchUp(cache)
  return cache.get(namespace, name) === undefined
}

/** The same for a creation: a refusal by what admission read of other objects is looked at once more. */
export async function judgedOnNewest<T>(cache: ResourceStore, attempt: () => Promise<T>): Promise<T> {
  const began = cache.revision
  try {
    return await attempt()
  } catch (error) {
    if (!cache.shared || !(error instanceof StatusError) || error.reason === 'AlreadyExists') throw error
    await catchUp(cache)
    if (cache.revision === began) throw error
    return await attempt()
  }
}

/** Waits for what won. */
async function overtaken(cache: ResourceStore, call: Call, { current }: ConflictError): Promise<void> {
  if (!current) return await catchUp(cache)
  if (current.revision <= cache.revision) return
  const timeout = AbortSignal.timeout(overtakenWithinMs)
  try {
    await cache.waitFor(current.revision, AbortSignal.any([call.signal, timeout]))
  } catch (error) {
    if (!timeout.aborted) throw error
    throw failure(503, 'ServiceUnavailable', `revision ${current.revision} of the datastore has not arrived`, {
      retryAfterSeconds: 1,
    })
  }
}
