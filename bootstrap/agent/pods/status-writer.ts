/** Publishes pod status: the latest wins, one request per pod at a time, nothing when nothing changed. */
import { isConflict, isNotFound } from '../../api/errors.ts'
import type { PodCondition, PodStatus } from '../../api/types.gen.ts'
import type { Client } from '../../client/client.ts'
import { backoffMs, type Clock } from '../../client/clock.ts'
import { type Pod, pods } from '../../client/resources.ts'

interface Entry {
  pod: Pod
  /** What the API has, as far as we know. */
  published: PodStatus | undefined
  /** resourceVersion as of `published`. */
  version: string | undefined
  wanted: PodStatus
  sending: Promise<void> | undefined
}

export interface StatusDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: () => number
  readonly signal: AbortSignal
  readonly log: { warn(fields: object, message: string): void }
}

export class StatusWriter {
  readonly #deps: StatusDeps
  readonly #entries = new Map<string, Entry>()

  constructor(deps: StatusDeps) {
    this.#deps = deps
  }

  /** The status last asked to be published. */
  last(uid: string): PodStatus | undefined {
    return this.#entries.get(uid)?.wanted
  }

  put(uid: string, pod: Pod, status: PodStatus): void {
    const { resourceVersion: version } = pod.metadata
    const entry = this.#entries.get(uid) ?? { pod, published: pod.status, version, wanted: status, sending: undefined }
    this.#entries.set(uid, entry)
    notice(entry, pod)
    // A mirror that was deleted and made again knows nothing of what its predecessor was told.
    if (entry.pod.metadata.uid !== pod.metadata.uid) Object.assign(entry, { published: pod.status, version })
    entry.pod = pod
    entry.wanted = status
    entry.sending ??= this.#send(entry).finally(() => {
      entry.sending = undefined
    })
  }

  /** Resolves once the latest status is published, or cannot be. */
  async flush(uid: string): Promise<void> {
    await this.#entries.get(uid)?.sending
  }

  forget(uid: string): void {
    this.#entries.delete(uid)
  }

  async #send(entry: Entry): Promise<void> {
    const { client, clock, random, signal, log } = this.#deps
    for (let failures = 0; !signal.aborted; ) {
      await Promise.resolve()
      const { pod, wanted: status } = entry
      const patch = statusPatch(entry.published, status)
      if (!patch) return
      const { name = '', namespace, uid } = pod.metadata
      const replaced = () => entry.pod.metadata.uid !== uid
      try {
        const { metadata } = await client.patch(
          pods,
          { namespace, name },
          { metadata: { uid }, status: patch },
          { type: 'strategic', subresource: 'status' },
        )
        if (!replaced()) Object.assign(entry, { published: status, version: metadata.resourceVersion })
        failures = 0
      } catch (error) {
        if (replaced()) continue
        if (isNotFound(error) || isConflict(error)) return
        log.warn({ pod: name, namespace, error: (error as Error).message }, 'pod status not published')
        await clock.sleep(backoffMs(failures++, 200, 10_000, random), signal).catch(() => undefined)
      }
    }
  }
}

const readinessOf = (status: PodStatus | undefined) => status?.conditions?.find(({ type }) => type === 'Ready')

/** While a node is silent its pods are marked as not ready by a controller; once it is back, that is for the node to undo. */
function notice(entry: Entry, { metadata, status }: Pod): void {
  const [theirs, ours] = [readinessOf(status), readinessOf(entry.published)]
  if (!theirs || !ours || theirs.status === ours.status || !isLater(metadata.resourceVersion, entry.version)) return
  const conditions = entry.published?.conditions?.map(condition => (condition === ours ? theirs : condition))
  entry.published = { ...entry.published, ...(conditions ? { conditions } : {}) }
}

/** Whether a resource version of the same object is a later one. */
export function isLater(version: string | undefined, than: string | undefined): boolean {
  return version !== undefined && than !== undefined && BigInt(version) > BigInt(than)
}

const equal = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b)

/** JSON with sorted keys and without nulls and undefined, which the API drops. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) => {
    if (inner === null) return undefined
    if (typeof inner !== 'object' || Array.isArray(inner)) return inner
    const entries = Object.entries(inner as object).filter(([, item]) => item !== null && item !== undefined)
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

const ipLists = ['podIPs', 'hostIPs'] as const

/** The strategic merge patch from one status to another; undefined when they are equal. */
export function statusPatch(before: PodStatus | undefined, after: PodStatus): { [field: string]: unknown } | undefined {
  const patch: { [field: string]: unknown } = {}
  const old = (before ?? {}) as { [field: string]: unknown }
  const wanted = after as { [field: string]: unknown }
  for (const key of new Set([...Object.keys(old), ...Object.keys(wanted)])) {
    if (equal(old[key], wanted[key])) continue
    if (wanted[key] === undefined) {
      if (key !== 'resourceClaimStatuses' && key !== 'nominatedNodeName') patch[key] = null
    } else if (key === 'conditions') {
      const changed = changedConditions(before?.conditions ?? [], after.conditions ?? [])
      if (changed.length > 0) patch[key] = changed
    } else if (ipLists.some(list => list === key) && Array.isArray(old[key])) {
      patch[key] = [...(wanted[key] as object[]), { $patch: 'replace' }]
    } else patch[key] = wanted[key]
  }
  return Object.keys(patch).length === 0 ? undefined : patch
}

/** Conditions merge by type, so only those that differ are sent; texts that are no longer there are cleared. */
function changedConditions(before: readonly PodCondition[], after: readonly PodCondition[]): object[] {
  return after.flatMap(condition => {
    const old = before.find(({ type }) => type === condition.type)
    if (equal(old, condition)) return []
    const cleared = (['reason', 'message'] as const).filter(key => old?.[key] && condition[key] === undefined)
    return [{ ...condition, ...Object.fromEntries(cleared.map(key => [key, null])) }]
  })
}
