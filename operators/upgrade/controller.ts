/**
 * What becomes of a plan (upstream pkg/upgrade): its version is resolved, nodes are chosen, each gets a Job that waits until
 * the plan's status names the node, runs, and ends with the node labelled. Everything is read off the objects each time.
 */
import { type ObjectKey, splitKey } from '../../bootstrap/api/object.ts'
import { deployments, type Job, jobs, type Node, nodes, secrets } from '../../bootstrap/client/resources.ts'
import { sameJson } from '../../bootstrap/client/same.ts'
import { deleteIfPresent, updateStatus } from '../runtime/apply.ts'
import { type Cluster, done, type Result } from '../runtime/operator.ts'
import { askChannel } from './channel.ts'
import { conditionOf, isTrue, type NextCondition, withCondition } from './conditions.ts'
import { changeNode, debtOf, releasing } from './cordons.ts'
import { Finishing } from './finishing.ts'
import { Foreigners } from './foreigners.ts'
import { JobMaker } from './job-maker.ts'
import { outcomeOf, troubleText } from './job-outcome.ts'
import { hostnameOf, label, type Plan, planLabel, plans } from './plan.ts'
import { Resolver } from './resolving.ts'
import { debtorsOf, jobsOfPlan, type Round, type UpgradeOptions, type Writes } from './round.ts'
import { selectNodes, whyNothing } from './selection.ts'
import { settingsNow } from './settings-source.ts'
import { Stopped } from './stopped.ts'
import { Troubles } from './troubles.ts'
import { isWithin, parseWindow } from './window.ts'

const windowCheckMs = 60_000
/** A Job has its pod sooner than this, if nothing is in the way. */
const podCheckMs = 10_000
/** The event that shows a write of ours may say nothing else that is news to a plan. */
const soon: Result = { requeueAfterMs: 1000 }

export class PlanController {
  readonly #options: UpgradeOptions
  readonly #resolver: Resolver
  readonly #foreigners = new Foreigners()
  readonly #stopped = new Stopped()
  readonly #troubles: Troubles
  readonly #finishing: Finishing
  readonly #maker: JobMaker
  readonly #writes: Writes
  #announced = false

  constructor(options: UpgradeOptions, writes: Writes, wake: (plan: ObjectKey) => void) {
    this.#options = options
    this.#writes = writes
    this.#resolver = new Resolver(options.ask ?? askChannel)
    this.#troubles = new Troubles(options.namespace, options.controller, wake)
    this.#finishing = new Finishing(writes, this.#stopped, this.#troubles)
    this.#maker = new JobMaker(options.controller, writes, this.#stopped)
  }

  async reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
    const { informers } = cluster
    const plan = informers.get(plans).get(key)
    if (!this.#isShown(key, cluster)) return soon
    const { namespace, controller } = this.#options
    if (splitKey(key).namespace !== namespace) return this.#foreigners.tell(plan, namespace, cluster)
    // Somebody has installed the original controller: two must not work on the same plans.
    const original = informers.get(deployments).get(`${namespace}/${controller}`)
    if (original && original.spec.replicas !== 0) return this.#foreigners.tellOfOriginal(plan, original, cluster)
    if (!plan || plan.metadata.deletionTimestamp) return this.#letGo(key, plan, cluster)
    this.#announce(cluster)
    this.#troubles.watch(cluster)
    return this.#apply(key, plan, cluster)
  }

  #isShown(key: ObjectKey, { informers }: Cluster): boolean {
    const shown = [
      this.#writes.plans.seen(key, informers.get(plans)),
      this.#writes.jobs.seen(key, informers.get(jobs)),
      this.#writes.nodes.seen(key, informers.get(nodes)),
    ]
    return shown.every(Boolean)
  }

  async #apply(key: ObjectKey, plan: Plan, cluster: Cluster): Promise<Result> {
    const { informers } = cluster
    const settings = await settingsNow(this.#options, cluster)
    const findSecret = (name: string) => informers.get(secrets).get(`${plan.metadata.namespace}/${name}`)
    const { status, againInMs = Number.POSITIVE_INFINITY } = await this.#resolver.resolve(
      plan,
      findSecret,
      settings.pollingIntervalMs,
      cluster,
    )
    const round: Round = { key, plan, status, nodes: informers.get(nodes).list(), againInMs }
    if (isTrue(status, 'Validated') && isTrue(status, 'LatestResolved')) {
      this.#stopped.look(key, plan)
      await this.#dropStrayJobs(round, cluster)
      const failure = await this.#finishing.finish(round, cluster)
      const selected = this.#select(round, failure, cluster)
      await this.#maker.work(round, selected, settings, cluster)
      await this.#tellTrouble(round, cluster)
      await this.#releaseOthers(round, selected, cluster)
    } else
      this.#complete(round, { status: 'False', reason: 'NotReady', message: 'plan is not valid and resolved' }, cluster)
    await this.#writeStatus(round, cluster)
    return Number.isFinite(round.againInMs) ? { requeueAfterMs: round.againInMs } : done
  }

  /** Jobs for nothing: for another version or hash, for a node that is gone, without the labels that say for what. */
  async #dropStrayJobs({ key, plan, status, nodes }: Round, cluster: Cluster): Promise<void> {
    const hashLabel = planLabel(plan.metadata.name ?? '')
    for (const job of jobsOfPlan(key, cluster)) {
      const { labels = {} } = job.metadata
      const isCurrent = labels[label.version] === status.latestVersion && labels[hashLabel] === status.latestHash
      const hasNode = nodes.some(({ metadata }) => metadata.name === labels[label.node])
      if (!isCurrent || !hasNode) await this.#deleteJob(job, cluster)
    }
  }

  /** In the foreground: the Job stays until its pods are gone, and cannot cordon anything any more. */
  async #deleteJob(job: Job, { client }: Cluster): Promise<void> {
    if (job.metadata.deletionTimestamp) return
    await deleteIfPresent(client, jobs, job, { propagationPolicy: 'Foreground' })
  }

  /** The nodes to work on, and what that makes of the plan's condition Complete. */
  #select(round: Round, failure: string | undefined, cluster: Cluster): readonly Node[] {
    const { plan, status } = round
    const { events } = cluster
    let selected: readonly Node[]
    try {
      selected = selectNodes(plan, status, round.nodes)
    } catch (error) {
      const message = `spec.nodeSelector: ${(error as Error).message}`
      if (conditionOf(status, 'Complete')?.message !== message)
        events.event(plan, 'Warning', 'SelectNodesFailed', `Failed to select Nodes: ${message}`)
      this.#complete(round, { status: 'False', reason: 'SelectNodesFailed', message }, cluster)
      return []
    }
    const { latestVersion = '', latestHash = '', applying = [] } = status
    if (selected.length === 0) {
      this.#allDone(round, cluster)
      return []
    }
    if (applying.length === 0 && !this.#mayBegin(round, cluster)) return []
    const names = selected.map(hostnameOf)
    if (!sameJson(names, applying)) {
      const text = `Jobs synced for version ${latestVersion} on Nodes ${names.join(',')}. Hash: ${latestHash}`
      events.event(plan, 'Normal', 'SyncJob', text)
      round.status = { ...status, applying: names }
      this.#complete(round, { status: 'False', reason: 'SyncJob' }, cluster)
    }
    if (failure !== undefined)
      this.#complete(round, { status: 'False', reason: 'JobFailed', message: failure }, cluster)
    else if (conditionOf(status, 'Complete')?.reason === 'JobFailed' && !this.#stopped.is(round.key))
      this.#complete(round, { status: 'False', reason: 'SyncJob' }, cluster)
    return selected
  }

  /** Ours: what holds up a Job that is still at work, such as an image that cannot be pulled. */
  async #tellTrouble(round: Round, cluster: Cluster): Promise<void> {
    if (conditionOf(round.status, 'Complete')?.reason !== 'SyncJob') return
    const unfinished = jobsOfPlan(round.key, cluster).filter(job => outcomeOf(job).kind === 'unfinished')
    const texts = await Promise.all(
      unfinished.map(async job => {
        const node = round.nodes.find(({ metadata }) => metadata.name === job.metadata.labels?.[label.node])
        return troubleText(job, await this.#troubleOf(round, job, cluster), node)
      }),
    )
    const message = texts.filter(text => text !== undefined).join('; ')
    this.#complete(round, { status: 'False', reason: 'SyncJob', ...(message === '' ? {} : { message }) }, cluster)
  }

  /** A Job that may run and has no pod is told of by events alone. */
  async #troubleOf(round: Round, job: Job, cluster: Cluster): Promise<string | undefined> {
    const { active = 0, failed = 0, succeeded = 0 } = job.status ?? {}
    const ofPods = await this.#troubles.of(job)
    if (ofPods !== undefined || job.spec.parallelism === 0 || active + failed + succeeded > 0) return ofPods
    round.againInMs = Math.min(round.againInMs, podCheckMs)
    return this.#troubles.ofCreation(job, cluster)
  }

  /** A plan that is at work goes on outside its window, but does not begin there. */
  #mayBegin(round: Round, cluster: Cluster): boolean {
    const { plan, status } = round
    const { window } = plan.spec
    if (window === undefined || isWithin(parseWindow(window), cluster.clock.now())) return true
    const { latestVersion = '', latestHash = '' } = status
    if (conditionOf(status, 'Complete')?.reason !== 'Waiting') {
      const text = `Waiting for start of Spec.Window to sync Jobs for version ${latestVersion}. Hash: ${latestHash}`
      cluster.events.event(plan, 'Normal', 'Waiting', text)
    }
    round.againInMs = Math.min(round.againInMs, windowCheckMs)
    const message = 'current time is not within configured window'
    this.#complete(round, { status: 'False', reason: 'Waiting', message }, cluster)
    return false
  }

  /** Upstream is silent about plans that select nothing; they are as complete here, and say why. */
  #allDone(round: Round, cluster: Cluster): void {
    const { plan, status } = round
    const why = whyNothing(plan, status, round.nodes)
    const before = conditionOf(status, 'Complete')
    const { latestVersion = '', latestHash = '' } = status
    if (before?.status !== 'True') {
      const text = `Jobs complete for version ${latestVersion}. Hash: ${latestHash}`
      cluster.events.event(plan, 'Normal', 'Complete', text)
    }
    if (why !== undefined && before?.message !== why) cluster.events.event(plan, 'Warning', 'NothingSelected', why)
    const { applying: _, ...rest } = status
    round.status = rest
    this.#complete(
      round,
      { status: 'True', reason: 'Complete', ...(why === undefined ? {} : { message: why }) },
      cluster,
    )
  }

  #complete(round: Round, next: NextCondition, { clock }: Cluster): void {
    round.status = withCondition(round.status, 'Complete', next, clock.now())
  }

  /** Nodes the plan has left behind, e.g. because they were opted out, get back what it took. */
  async #releaseOthers({ key, plan, nodes }: Round, selected: readonly Node[], cluster: Cluster): Promise<void> {
    const working = new Set(selected.map(({ metadata }) => metadata.name))
    for (const job of jobsOfPlan(key, cluster))
      if (outcomeOf(job).kind === 'unfinished') working.add(job.metadata.labels?.[label.node])
    const name = plan.metadata.name ?? ''
    for (const node of nodes)
      if (debtOf(node, name) !== undefined && !working.has(node.metadata.name))
        await this.#release(key, node, name, cluster)
  }

  async #release(key: ObjectKey, node: Node, plan: string, cluster: Cluster): Promise<void> {
    this.#writes.nodes.wrote(key, await changeNode(node, releasing(node, plan), cluster))
  }

  async #writeStatus({ key, plan, status }: Round, cluster: Cluster): Promise<void> {
    if (sameJson(plan.status ?? {}, status)) return
    this.#writes.plans.wrote(key, await updateStatus(cluster.client, plans, plan, status))
  }

  /** The plan is gone: first its Jobs with their pods, then nodes are uncordoned. */
  async #letGo(key: ObjectKey, plan: Plan | undefined, cluster: Cluster): Promise<Result> {
    if (plan) this.#resolver.forget(plan.metadata.uid ?? '')
    this.#stopped.forget(key)
    const left = jobsOfPlan(key, cluster)
    for (const job of left) await this.#deleteJob(job, cluster)
    const held = new Set(left.map(({ metadata }) => metadata.labels?.[label.node]))
    const { name } = splitKey(key)
    for (const node of debtorsOf(name, cluster))
      if (!held.has(node.metadata.name)) await this.#release(key, node, name, cluster)
    return done
  }

  #announce(cluster: Cluster): void {
    if (this.#announced) return
    this.#announced = true
    const { namespace, controller, nodeName } = this.#options
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: nodeName } }
    cluster.events.event(node, 'Normal', 'Started', `system-upgrade-controller running as ${namespace}/${controller}`)
  }
}
