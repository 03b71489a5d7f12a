/** From a plan's spec to the version and the hash it stands for, told in its status and by events. */
import { type Namespace, namespaces } from '../../bootstrap/client/resources.ts'
import type { Cluster } from '../runtime/operator.ts'
import { millis } from '../runtime/time.ts'
import { type AskChannel, resolveChannel } from './channel.ts'
import { conditionOf, isTrue, touched, withAllConditions, withCondition } from './conditions.ts'
import { planHash } from './digest.ts'
import { mungeVersion, type Plan, type PlanStatus } from './plan.ts'
import { type FindSecret, planProblem } from './validate.ts'

export interface Resolved {
  readonly status: PlanStatus
  /** When to ask the channel again. */
  readonly againInMs?: number
}

const unresolvable = 'cannot resolve plan: missing channel and version'
const retryMs = 60_000

interface Asked {
  readonly url: string
  /** When to ask it again. */
  readonly nextAt: number
}

export class Resolver {
  readonly #ask: AskChannel
  #clusterId: Promise<string> | undefined
  /** What was asked last, by plan: its channel may change before the interval is over. */
  readonly #asked = new Map<string, Asked>()

  constructor(ask: AskChannel) {
    this.#ask = ask
  }

  forget(uid: string): void {
    this.#asked.delete(uid)
  }

  /** The status with the conditions Validated and LatestResolved, the version and the hash as they are now. */
  async resolve(plan: Plan, findSecret: FindSecret, intervalMs: number, cluster: Cluster): Promise<Resolved> {
    const now = cluster.clock.now()
    const before = withAllConditions(plan.status ?? {}, now)
    const problem = planProblem(plan, findSecret)
    if (problem !== undefined) {
      if (conditionOf(before, 'Validated')?.message !== problem)
        cluster.events.event(plan, 'Warning', 'ValidateFailed', `Failed to validate plan: ${problem}`)
      const failed = { status: 'False', reason: 'Error', message: problem } as const
      return { status: withCondition(before, 'Validated', failed, now) }
    }
    if (!isTrue(before, 'Validated')) cluster.events.event(plan, 'Normal', 'Validated', 'Plan is valid')
    const valid = withCondition(before, 'Validated', { status: 'True', reason: 'PlanIsValid' }, now)
    const latest = await this.#latest(plan, valid, intervalMs, cluster)
    const { latestVersion } = latest.status
    if (latestVersion === undefined || !isTrue(latest.status, 'LatestResolved')) return latest
    return { ...latest, status: { ...latest.status, latestHash: planHash(plan, latestVersion, findSecret) } }
  }

  async #latest(plan: Plan, status: PlanStatus, intervalMs: number, cluster: Cluster): Promise<Resolved> {
    const { version = '', channel = '' } = plan.spec
    const now = cluster.clock.now()
    if (version !== '') {
      this.forget(plan.metadata.uid ?? '')
      return { status: withVersion(plan, status, mungeVersion(version), 'Version', cluster) }
    }
    if (channel === '') {
      if (conditionOf(status, 'LatestResolved')?.status !== 'False')
        cluster.events.event(plan, 'Warning', 'ResolveFailed', unresolvable)
      const failed = { status: 'False', reason: 'Error', message: unresolvable } as const
      return { status: withCondition(status, 'LatestResolved', failed, now) }
    }
    const wait = this.#nextAt(plan, status, intervalMs) - now
    if (wait > 0) return { status, againInMs: wait }
    return this.#poll(plan, status, intervalMs, cluster)
  }

  /** When the channel is to be asked next; at once if this is another channel than before. */
  #nextAt({ metadata: { uid = '' }, spec }: Plan, status: PlanStatus, intervalMs: number): number {
    const condition = conditionOf(status, 'LatestResolved')
    const asked = this.#asked.get(uid)
    if (asked) return asked.url === spec.channel ? asked.nextAt : 0
    const fromChannel = condition?.status === 'True' && condition.reason === 'Channel'
    return fromChannel ? millis(condition.lastUpdateTime) + intervalMs : 0
  }

  async #poll(plan: Plan, status: PlanStatus, intervalMs: number, cluster: Cluster): Promise<Resolved> {
    const { clock, events, signal } = cluster
    const { channel: url = '' } = plan.spec
    const remember = (inMs: number) => this.#asked.set(plan.metadata.uid ?? '', { url, nextAt: clock.now() + inMs })
    try {
      const query = { url, latestVersion: status.latestVersion, clusterId: await this.#idOf(cluster) }
      const latest = mungeVersion(await resolveChannel(query, this.#ask, signal))
      remember(intervalMs)
      const next = withVersion(plan, status, latest, 'Channel', cluster)
      return { status: touched(next, 'LatestResolved', clock.now()), againInMs: intervalMs }
    } catch (error) {
      if (signal.aborted) throw error
      remember(retryMs)
      const message = `Failed to resolve latest version from Spec.Channel: ${(error as Error).message}`
      events.event(plan, 'Warning', 'ResolveFailed', message)
      // A version that was resolved once stays good while the channel cannot be reached.
      if (isTrue(status, 'LatestResolved')) return { status, againInMs: retryMs }
      const failed = { status: 'False', reason: 'Error', message } as const
      return { status: withCondition(status, 'LatestResolved', failed, clock.now()), againInMs: retryMs }
    }
  }

  #idOf({ client }: Cluster): Promise<string> {
    this.#clusterId ??= client
      .get<Namespace>(namespaces, { name: 'kube-system' })
      .then(({ metadata }) => metadata.uid ?? '')
      .catch(() => {
        this.#clusterId = undefined
        return ''
      })
    return this.#clusterId
  }
}

/** A new version begins a new round. */
function withVersion(
  plan: Plan,
  status: PlanStatus,
  latest: string,
  source: 'Version' | 'Channel',
  { clock, events }: Cluster,
): PlanStatus {
  const now = clock.now()
  const isNew = !isTrue(status, 'LatestResolved') || status.latestVersion !== latest
  if (isNew) events.event(plan, 'Normal', 'Resolved', `Resolved latest version from Spec.${source}: ${latest}`)
  const begun = isNew ? withCondition(status, 'Complete', { status: 'False', reason: 'Resolved' }, now) : status
  const resolved = withCondition(begun, 'LatestResolved', { status: 'True', reason: source }, now)
  return { ...resolved, latestVersion: latest }
}
