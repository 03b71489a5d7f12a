/** Evicting or deleting pods and waiting until they are gone, as kubectl drain does (k8s.io/kubectl/pkg/drain). */
import { isNotFound, isStatusError } from '../../../bootstrap/api/errors.ts'
import { formatDuration } from '../../../bootstrap/api/time.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import type { Clock } from '../../../bootstrap/client/clock.ts'
import { type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { nameOf } from '../../runtime/apply.ts'
import { isNamespaceTerminating } from '../../runtime/failures.ts'
import type { DrainOptions } from './arguments.ts'
import { isOverdue } from './filters.ts'

export interface Surroundings {
  readonly client: Client
  readonly clock: Clock
  readonly signal: AbortSignal
  out(line: string): void
  err(line: string): void
  /** An eviction was refused for now, for the reason that `refusal` gives. */
  refused?(pod: Pod, refusal: Error): void
}

const retryMs = 5000
const lookMs = 1000

/** Resolves with what went wrong, in kubectl's words; empty when all pods are gone. */
export async function removePods(
  found: readonly Pod[],
  options: DrainOptions,
  around: Surroundings,
): Promise<readonly string[]> {
  if (found.length === 0) return []
  const removal = new Removal(options, around)
  if (options.disableEviction) return removal.deleteAll(found)
  const problems = await Promise.all(found.map(pod => removal.evict(pod)))
  return problems.filter(problem => problem !== undefined)
}

class Removal {
  readonly #options: DrainOptions
  readonly #around: Surroundings
  readonly #deadline: number

  constructor(options: DrainOptions, around: Surroundings) {
    this.#options = options
    this.#around = around
    this.#deadline = options.timeoutMs > 0 ? around.clock.now() + options.timeoutMs : Number.POSITIVE_INFINITY
  }

  /** Asks until the pod's disruption budget allows it. */
  async evict(pod: Pod): Promise<string | undefined> {
    const { clock, signal, out, err } = this.#around
    const { name, namespace } = pod.metadata
    for (let current = pod; ; current = await this.#fresh(current)) {
      out(`evicting pod ${namespace}/${name}`)
      if (this.#isLate()) return `error when evicting ${this.#title(pod)}: ${this.#late()}`
      const refusal = await this.#askToEvict(current)
      if (refusal === undefined) break
      if (isNotFound(refusal)) return undefined
      const terminating = isNamespaceTerminating(refusal)
      if (terminating && current.metadata.deletionTimestamp !== undefined) break
      if (isStatusError(refusal, 'TooManyRequests')) {
        this.#around.refused?.(pod, refusal)
        err(`error when evicting ${this.#title(pod)} (will retry after 5s): ${refusal.message}`)
      } else if (terminating)
        err(
          `error when evicting pod "${name}" from terminating namespace "${namespace}" (will retry after 5s): ${refusal.message}`,
        )
      else return `error when evicting ${this.#title(pod)}: ${refusal.message}`
      await clock.sleep(retryMs, signal)
    }
    const problem = await this.#waitFor([pod], 'evicted', this.#late())
    return problem && `error when waiting for pod "${name}" in namespace "${namespace}" to terminate: ${problem}`
  }

  async deleteAll(found: readonly Pod[]): Promise<readonly string[]> {
    const { client } = this.#around
    for (const pod of found) {
      try {
        await client.delete(pods, nameOf(pod), this.#deleteOptions())
      } catch (error) {
        if (!isNotFound(error)) return [(error as Error).message]
      }
    }
    const problem = await this.#waitFor(found, 'deleted', 'context deadline exceeded')
    return problem === undefined ? [] : [problem]
  }

  async #askToEvict(pod: Pod): Promise<Error | undefined> {
    const { name = '', namespace } = pod.metadata
    const eviction = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace },
      deleteOptions: this.#deleteOptions(),
    }
    try {
      await this.#around.client.create(pods, eviction as unknown as Pod, { subresource: 'eviction', name })
      return undefined
    } catch (error) {
      return error as Error
    }
  }

  async #fresh(pod: Pod): Promise<Pod> {
    return this.#around.client.get(pods, nameOf(pod)).catch(() => pod)
  }

  /** Looks every second, as kubectl does: the account of a drain may read pods, but not watch them. */
  async #waitFor(found: readonly Pod[], verb: 'evicted' | 'deleted', late: string): Promise<string | undefined> {
    const { clock, signal, out } = this.#around
    for (let left = found; ; await clock.sleep(lookMs, signal)) {
      const still: Pod[] = []
      for (const pod of left) {
        const state = await this.#stateOf(pod)
        if (state instanceof Error) return state.message
        if (state === 'there') still.push(pod)
        else if (state === 'gone') out(`pod/${pod.metadata.name} ${verb}`)
      }
      left = still
      if (left.length === 0) return undefined
      if (this.#isLate()) return late
    }
  }

  async #stateOf(pod: Pod): Promise<'there' | 'gone' | 'overdue' | Error> {
    const { client, clock, out } = this.#around
    const patience = this.#options.skipWaitForDeleteTimeoutSeconds
    try {
      const now = await client.get(pods, nameOf(pod))
      if (now.metadata.uid !== pod.metadata.uid) return 'gone'
      if (!isOverdue(now, patience, clock.now())) return 'there'
      out(`pod "${pod.metadata.name}" has DeletionTimestamp older than ${patience} seconds, skipping`)
      return 'overdue'
    } catch (error) {
      return isNotFound(error) ? 'gone' : (error as Error)
    }
  }

  #deleteOptions(): { readonly gracePeriodSeconds?: number } {
    const { gracePeriodSeconds } = this.#options
    return gracePeriodSeconds >= 0 ? { gracePeriodSeconds } : {}
  }

  #title({ metadata }: Pod): string {
    return `pods/"${metadata.name}" -n "${metadata.namespace}"`
  }

  #isLate(): boolean {
    return this.#around.clock.now() >= this.#deadline
  }

  #late(): string {
    return `global timeout reached: ${formatDuration(this.#options.timeoutMs)}`
  }
}
