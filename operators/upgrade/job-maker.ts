/** Making and starting the Jobs of the nodes that a plan works on. */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { type Job, jobs, type Node, runtimeClasses } from '../../bootstrap/client/resources.ts'
import { deleteIfPresent, nameOf } from '../runtime/apply.ts'
import { isTransient } from '../runtime/failures.ts'
import type { Cluster } from '../runtime/operator.ts'
import { conditionOf, withCondition } from './conditions.ts'
import { changeNode, owing } from './cordons.ts'
import { downgradeProblem } from './downgrade.ts'
import { jobName, jobOf, jobSpecHash } from './job.ts'
import { outcomeOf } from './job-outcome.ts'
import { annotation, cordons, hostnameOf } from './plan.ts'
import type { Round, Writes } from './round.ts'
import type { Settings } from './settings.ts'
import type { Stopped } from './stopped.ts'

const embeddedClass = 'embedded'
const embeddedKubectl = 'embedded/kubectl'
/** What upstream runs. */
const upstreamKubectl = 'rancher/kubectl:v1.30.3'
const retryMs = 60_000

export class JobMaker {
  readonly #controller: string
  readonly #writes: Writes
  readonly #stopped: Stopped
  #embedded: boolean | undefined

  constructor(controller: string, writes: Writes, stopped: Stopped) {
    this.#controller = controller
    this.#writes = writes
    this.#stopped = stopped
  }

  /** Sees to it that each of the nodes has its Job, and that those run whose node the plan's stored status names. */
  async work(round: Round, selected: readonly Node[], settings: Settings, cluster: Cluster): Promise<void> {
    for (const node of selected) {
      try {
        await this.#workOn(round, node, settings, cluster)
      } catch (error) {
        if (isTransient(error)) throw error
        this.#report(round, node, (error as Error).message, cluster)
      }
    }
  }

  async #workOn(round: Round, node: Node, settings: Settings, cluster: Cluster): Promise<void> {
    const { key, plan, status } = round
    const { client, informers } = cluster
    const hostname = hostnameOf(node)
    const begun = plan.status?.applying?.includes(hostname) === true
    const job = informers.get(jobs).get(`${plan.metadata.namespace}/${jobName(plan, status, node)}`)
    if (job?.metadata.deletionTimestamp) return
    if (job && isOutdated(job, plan) && outcomeOf(job).kind !== 'complete')
      return deleteIfPresent(client, jobs, job, { propagationPolicy: 'Foreground' })
    if (job && (!begun || outcomeOf(job).kind !== 'unfinished' || job.spec.parallelism !== 0)) return
    if (!job && this.#stopped.is(key, hostname)) return
    if (begun) await this.#owe(round, node, cluster)
    if (job) await this.#start(round, job, cluster)
    else await this.#create(round, node, settings, begun, cluster)
  }

  async #create(round: Round, node: Node, settings: Settings, begun: boolean, cluster: Cluster): Promise<void> {
    const { key, plan, status } = round
    const problem = downgradeProblem(plan, status, node)
    if (problem !== undefined) throw new Error(problem)
    const kubectlImage = await this.#kubectlImage(node, settings, cluster)
    const job = jobOf(plan, status, node, { settings, kubectlImage, controller: this.#controller }, begun ? 1 : 0)
    this.#writes.jobs.wrote(key, await cluster.client.create(jobs, job))
  }

  async #start({ key }: Round, job: Job, { client }: Cluster): Promise<void> {
    const patch = { metadata: { uid: job.metadata.uid }, spec: { parallelism: 1 } }
    this.#writes.jobs.wrote(key, await client.patch(jobs, nameOf(job), patch, { type: 'merge' }))
  }

  /** Written before the Job may run: it cordons the node by itself. */
  async #owe(round: Round, node: Node, cluster: Cluster): Promise<void> {
    const { key, plan } = round
    const change = cordons(plan) ? owing(node, plan.metadata.name ?? '') : undefined
    if (!change) return
    const changed = await changeNode(node, change, cluster)
    this.#writes.nodes.wrote(key, changed)
    round.nodes = round.nodes.map(other => (other === node ? changed : other))
  }

  async #kubectlImage({ metadata }: Node, settings: Settings, { client }: Cluster): Promise<string> {
    if (metadata.labels?.['kubernetes.io/os'] === 'windows') {
      if (settings.kubectlImageWindows !== undefined) return settings.kubectlImageWindows
      throw new Error('SYSTEM_UPGRADE_JOB_KUBECTL_IMAGE_WINDOWS is required when targeting Windows nodes')
    }
    if (settings.kubectlImage !== undefined) return settings.kubectlImage
    this.#embedded ??= (await client.get(runtimeClasses, { name: embeddedClass }).catch(ignoreNotFound)) !== undefined
    return this.#embedded ? embeddedKubectl : upstreamKubectl
  }

  #report(round: Round, node: Node, why: string, { clock, events }: Cluster): void {
    const message = `Failed to create job for node ${node.metadata.name}: ${why}`
    if (conditionOf(round.plan.status ?? {}, 'Complete')?.message !== message)
      events.event(round.plan, 'Warning', 'ValidationFailed', message)
    const failed = { status: 'False', reason: 'ValidationFailed', message } as const
    round.status = withCondition(round.status, 'Complete', failed, clock.now())
    round.againInMs = Math.min(round.againInMs, retryMs)
  }
}

/** The plan has changed in what its Jobs are made of. */
export const isOutdated = (job: Job, plan: Round['plan']): boolean =>
  job.metadata.annotations?.[annotation.jobSpec] !== jobSpecHash(plan)
