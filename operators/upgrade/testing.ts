/** Plans, nodes and what the Job controller does, for tests. */
import { type Job, jobs, type Node, nodes, type Pod, pods } from '../../bootstrap/client/resources.ts'
import { nameOf } from '../runtime/apply.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { timestamp } from '../runtime/time.ts'
import type { AskChannel } from './channel.ts'
import { upgradeOperator } from './operator.ts'
import { type Plan, type PlanSpec, type PlanStatus, plans } from './plan.ts'
import type { Environment } from './settings.ts'

export const planOf = (spec: Partial<PlanSpec> = {}, metadata: Partial<Plan['metadata']> = {}): Plan => ({
  apiVersion: 'upgrade.cattle.io/v1',
  kind: 'Plan',
  metadata: { name: 'server-plan', namespace: 'system-upgrade', ...metadata },
  spec: {
    concurrency: 1,
    nodeSelector: { matchLabels: { role: 'server' } },
    serviceAccountName: 'system-upgrade',
    version: 'v1.36.2+skiff1',
    upgrade: { image: 'rancher/k3s-upgrade' },
    ...spec,
  },
})

export const nodeOf = (name: string, labels: { [key: string]: string } = {}, spec: object = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/hostname': name, role: 'server', ...labels } },
  spec,
})

export class Upgrades extends Harness {
  async begin(options: { ask?: AskChannel; env?: Environment } = {}): Promise<void> {
    await this.start(
      upgradeOperator({
        namespace: 'system-upgrade',
        controller: 'system-upgrade-controller',
        nodeName: 'server-1',
        env: {},
        ...options,
      }),
    )
  }

  async addNodes(...names: string[]): Promise<void> {
    for (const name of names) await this.client.create(nodes, nodeOf(name))
  }

  async addPlan(spec: Partial<PlanSpec> = {}, metadata: Partial<Plan['metadata']> = {}): Promise<Plan> {
    const plan = await this.client.create(plans, planOf(spec, metadata))
    await this.idle()
    return plan
  }

  async changePlan(patch: object, name = 'server-plan'): Promise<void> {
    await this.client.patch(plans, { name, namespace: 'system-upgrade' }, patch, { type: 'merge' })
    await this.idle()
  }

  async deletePlan(name = 'server-plan'): Promise<void> {
    await this.client.delete(plans, { name, namespace: 'system-upgrade' })
    await this.idle()
  }

  get jobs(): readonly Job[] {
    return [...this.client.store.table('batch/jobs').values()] as unknown as Job[]
  }

  /** The Jobs that may run. */
  get running(): readonly string[] {
    return this.jobs.filter(job => job.spec.parallelism === 1 && !job.status?.conditions).map(jobNode)
  }

  job(node: string): Job | undefined {
    return this.jobs.find(job => jobNode(job) === node)
  }

  async node(name: string): Promise<Node> {
    return this.client.get(nodes, { name })
  }

  async changeNode(name: string, patch: object): Promise<void> {
    await this.client.patch(nodes, { name }, patch, { type: 'merge' })
    await this.idle()
  }

  async status(name = 'server-plan'): Promise<PlanStatus> {
    return (await this.client.get(plans, { name, namespace: 'system-upgrade' })).status ?? {}
  }

  /** "True Complete: message" */
  async condition(type: string, name = 'server-plan'): Promise<string> {
    const found = (await this.status(name)).conditions?.find(condition => condition.type === type)
    const { status = '', reason = '', message = '' } = found ?? {}
    return `${status} ${reason}${message === '' ? '' : `: ${message}`}`
  }

  /** What the Job controller and the garbage collector do to the node's Job. */
  async end(node: string, type: 'Complete' | 'Failed' | 'FailureTarget', why: object = {}): Promise<void> {
    const condition = { type, status: 'True', lastTransitionTime: timestamp(this.clock.now()), ...why }
    const status = { conditions: [condition] }
    await this.client.patch(jobs, nameOf(this.job(node)!), { status }, { type: 'merge', subresource: 'status' })
    await this.idle()
  }

  /** What becomes of a node whose agent reports no more. */
  async silence(name: string): Promise<void> {
    const ready = { type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting node status.' }
    const status = { status: { conditions: [ready] } }
    await this.client.patch(nodes, { name }, status, { type: 'merge', subresource: 'status' })
    await this.idle()
  }

  /** What the Job controller makes of the node's Job. */
  addPod(node: string): { readonly name: string; readonly namespace: string } {
    const { name: job, uid } = this.job(node)!.metadata
    const labels = {
      'upgrade.cattle.io/controller': 'system-upgrade-controller',
      'upgrade.cattle.io/plan': 'server-plan',
    }
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: job, uid, controller: true }
    const [name, namespace] = ['p', 'system-upgrade']
    const metadata = { name, namespace, labels, ownerReferences: [owner] }
    this.client.seed(pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [] } } as unknown as Pod)
    return { name, namespace }
  }

  /** The garbage collector has seen the last pod of a deleted Job go. */
  async podsGone(node: string): Promise<void> {
    const job = this.job(node)!
    await this.client.patch(jobs, nameOf(job), { metadata: { finalizers: null } }, { type: 'merge' })
    await this.idle()
  }
}

const jobNode = (job: Job): string => job.metadata.labels?.['upgrade.cattle.io/node'] ?? ''
