/** What the end of a plan's Job means to its node and to the plan (upstream pkg/upgrade handleJobs). */
import { parseDuration } from '../../bootstrap/api/time.ts'
import { type Job, jobs, type Node } from '../../bootstrap/client/resources.ts'
import { deleteIfPresent } from '../runtime/apply.ts'
import type { Cluster } from '../runtime/operator.ts'
import { conditionOf } from './conditions.ts'
import { changeNode, creditorsOf, debtOf, type NodeChange, releasing } from './cordons.ts'
import { isOutdated } from './job-maker.ts'
import { failureText, keptFor, nodeTrouble, outcomeOf } from './job-outcome.ts'
import { cordons, hostnameOf, label, optedOut, planLabel } from './plan.ts'
import { jobsOfPlan, type Round, type Writes } from './round.ts'
import type { Stopped } from './stopped.ts'
import type { Troubles } from './troubles.ts'

export class Finishing {
  readonly #writes: Writes
  readonly #stopped: Stopped
  readonly #troubles: Troubles
  /** Jobs whose end was told, by uid. */
  readonly #told = new Set<string>()

  constructor(writes: Writes, stopped: Stopped, troubles: Troubles) {
    this.#writes = writes
    this.#stopped = stopped
    this.#troubles = troubles
  }

  /** Settles finished Jobs. Resolves with why one has failed, if one has. */
  async finish(round: Round, cluster: Cluster): Promise<string | undefined> {
    const { key, plan, status } = round
    let failure: string | undefined
    const hashLabel = planLabel(plan.metadata.name ?? '')
    for (const job of jobsOfPlan(key, cluster)) {
      const { labels = {}, deletionTimestamp } = job.metadata
      const node = round.nodes.find(({ metadata }) => metadata.name === labels[label.node])
      const isCurrent = labels[label.version] === status.latestVersion && labels[hashLabel] === status.latestHash
      const outcome = outcomeOf(job)
      if (!node || !isCurrent || deletionTimestamp || outcome.kind === 'unfinished') continue
      if (outcome.kind === 'complete') await this.#complete(round, job, node, outcome.at, cluster)
      else if (isOutdated(job, plan)) continue
      else failure ??= await this.#fail(round, job, node, outcome, cluster)
      await this.#keep(round, job, outcome.at, cluster)
    }
    return failure
  }

  async #complete(round: Round, job: Job, node: Node, at: number, cluster: Cluster): Promise<void> {
    const { plan } = round
    const { clock, events } = cluster
    const { postCompleteDelay: delay } = plan.spec
    const wait = at + (delay === undefined ? 0 : (parseDuration(delay) ?? 0)) - clock.now()
    if (wait > 0) {
      round.againInMs = Math.min(round.againInMs, wait)
      if (this.#tellOnce(job)) {
        const text = `Job completed on Node ${node.metadata.name}, waiting ${delay} PostCompleteDelay`
        events.event(plan, 'Normal', 'JobCompleteWaiting', text)
      }
      return this.#change(round, node, opening(round, node), cluster)
    }
    const labels = labelsAfter(round, job, node)
    if (Object.keys(labels).length === 0) return
    events.event(plan, 'Normal', 'JobComplete', `Job completed on Node ${node.metadata.name}`)
    await this.#change(round, node, { ...opening(round, node), labels }, cluster)
  }

  #tellOnce({ metadata: { uid = '' } }: Job): boolean {
    if (this.#told.has(uid)) return false
    this.#told.add(uid)
    return true
  }

  async #change(round: Round, node: Node, change: NodeChange | undefined, cluster: Cluster): Promise<void> {
    if (!change) return
    const changed = await changeNode(node, change, cluster)
    this.#writes.nodes.wrote(round.key, changed)
    round.nodes = round.nodes.map(other => (other === node ? changed : other))
  }

  async #fail(
    { key, plan }: Round,
    job: Job,
    node: Node,
    why: { readonly reason: string; readonly message: string },
    cluster: Cluster,
  ): Promise<string> {
    this.#stopped.failed(key, plan, hostnameOf(node))
    const text = failureText(job, why)
    const known = conditionOf(plan.status ?? {}, 'Complete')?.message
    const detail = await this.#troubles.of(job)
    // The last words of a pod may come after the verdict on its Job.
    if (known?.startsWith(text) && (detail === undefined || known.includes(detail))) return known
    const owed = node.spec?.unschedulable && debtOf(node, plan.metadata.name ?? '') === 'schedulable'
    const cordoned = owed ? 'the node stays cordoned' : undefined
    const message = [text, detail, nodeTrouble(node), cordoned].filter(part => part !== undefined).join('; ')
    cluster.events.event(plan, 'Warning', 'JobFailed', message)
    return message
  }

  /** The Job controller removes it in time; the next look is then. */
  async #keep(round: Round, job: Job, endedAt: number, { client, clock }: Cluster): Promise<void> {
    const left = keptFor(job, endedAt, clock.now())
    if (left === 0) await deleteIfPresent(client, jobs, job, { propagationPolicy: 'Background' })
    else round.againInMs = Math.min(round.againInMs, left)
  }
}

/** Pods may come back, unless another plan is still at work on the node. Undefined when nothing is to be changed. */
function opening({ plan }: Round, node: Node): NodeChange | undefined {
  const name = plan.metadata.name ?? ''
  const debt = debtOf(node, name)
  const others = creditorsOf(node).some(other => other !== name)
  const uncordon = node.spec?.unschedulable === true && cordons(plan) && !others
  if (debt === undefined) return uncordon ? { unschedulable: false } : undefined
  return { ...releasing(node, name), ...(uncordon ? { unschedulable: false } : {}) }
}

/** Labels a node lacks after its Job is done. Who opted out meanwhile stays out. */
function labelsAfter({ plan, status }: Round, job: Job, node: Node): { readonly [key: string]: string } {
  const key = planLabel(plan.metadata.name ?? '')
  const hash = job.metadata.labels?.[key]
  const current = node.metadata.labels?.[key]
  if (hash === undefined || current === hash || current === optedOut) return {}
  const values = { LATEST_VERSION: status.latestVersion ?? '', LATEST_HASH: status.latestHash ?? '' }
  const extra = Object.entries(plan.spec.postCompleteLabels ?? {}).map(([name, text]) => [name, expanded(text, values)])
  return { ...Object.fromEntries(extra), [key]: hash }
}

/** $(NAME) as in a container's arguments: "$$" is a dollar sign, an unknown name stays as it is. */
function expanded(text: string, values: { readonly [name: string]: string }): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (match, name?: string) =>
    match === '$$' ? '$' : (values[name ?? ''] ?? match),
  )
}
