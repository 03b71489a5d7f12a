/**
 * Nodes that upgrade themselves: the guides' Plans take five installed nodes to a new version while a workload is served, and
 * a version that does not start on one node stops there.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Job, Node } from '../../bootstrap/api/types.gen.ts'
import { sourceVersion } from '../../bootstrap/version.ts'
import { type Cluster, canRunClusters } from '../testbed/cluster.ts'
import { installedPath } from '../testbed/installed.ts'
import type { RequestReport } from '../testbed/requests.ts'
import { type FinishedJob, type Plan, UpgradeCluster, workload } from './upgrade-fixture.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('upgrade: skipped, needs root and containerd')

const [present, next, later] = [0, 1, 2].map(plusPatches) as [string, string, string]

/** As the guides have them, but for the version. */
const plans = `
apiVersion: upgrade.cattle.io/v1
kind: Plan
metadata:
  name: server-plan
  namespace: system-upgrade
spec:
  concurrency: 1
  cordon: true
  nodeSelector:
    matchExpressions:
    - key: node-role.kubernetes.io/control-plane
      operator: In
      values:
      - "true"
  serviceAccountName: system-upgrade
  upgrade:
    image: rancher/k3s-upgrade
  version: ${next}
---
apiVersion: upgrade.cattle.io/v1
kind: Plan
metadata:
  name: agent-plan
  namespace: system-upgrade
spec:
  concurrency: 2
  nodeSelector:
    matchExpressions:
    - key: node-role.kubernetes.io/control-plane
      operator: DoesNotExist
  prepare:
    args:
    - prepare
    - server-plan
    image: rancher/k3s-upgrade
  serviceAccountName: system-upgrade
  upgrade:
    image: rancher/k3s-upgrade
  version: ${next}
`

/** Pods make way first. */
const laterPlan = `
apiVersion: upgrade.cattle.io/v1
kind: Plan
metadata: { name: later, namespace: system-upgrade }
spec:
  concurrency: 1
  drain: { force: true }
  nodeSelector: { matchExpressions: [{ key: node-role.kubernetes.io/control-plane, operator: DoesNotExist }] }
  serviceAccountName: system-upgrade
  upgrade: { image: rancher/k3s-upgrade }
  version: ${later}
`

const isComplete = ({ status }: Plan) =>
  status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True')

const seconds = (jobs: readonly FinishedJob[]) =>
  jobs.map(({ node, began, ended }) => `${node} ${(ended - began) / 1000} s`)

/** The sources' version with so much higher a patch number. */
function plusPatches(count: number): string {
  return sourceVersion.replace(/\.(\d+)\+/, (_, patch: string) => `.${Number(patch) + count}+`)
}

suite('upgrades by Plans', () => {
  let cluster: UpgradeCluster
  let stopRequests: (() => Promise<RequestReport>) | undefined

  beforeAll(async () => {
    cluster = await UpgradeCluster.start({ servers: 3, agents: 2 }, present, next)
    await cluster.kubectl('apply -f -', workload)
    await cluster.eventually(() => cluster.kubectl('rollout status deployment/web --timeout=1s'), 300)
    stopRequests = cluster.startRequests()
  }, 900_000)
  afterAll(async () => {
    await stopRequests?.()
    await cluster?.destroy()
  }, 300_000)

  const all = (version: string) => Object.fromEntries(cluster.nodes.all.map(({ nodeName }) => [nodeName, version]))
  const installed = async (machine: Cluster) => (await machine.exec([installedPath, '--version'])).split('\n')[0]
  const noneLost = async () => {
    const { sent, slowestMs, lost } = await stopRequests!()
    stopRequests = undefined
    console.log(`upgrade: ${sent} requests, the slowest took ${slowestMs} ms`)
    expect(sent).toBeGreaterThan(100)
    expect(lost).toEqual([])
  }

  test("the guides' Plans upgrade servers one by one, then agents, and nobody notices", async () => {
    const before = await cluster.containers()
    expect(before).toHaveLength(3)
    expect(await cluster.versions()).toEqual(all(present))
    const began = Date.now()
    await cluster.kubectl('apply -f -', plans)
    await cluster.eventually(async () => {
      for (const name of ['server-plan', 'agent-plan'])
        expect(isComplete(await cluster.get<Plan>(`plan ${name} -n system-upgrade`))).toBe(true)
    }, 900)
    const took = (Date.now() - began) / 1000
    const [servers, agents] = [await cluster.jobs('server-plan'), await cluster.jobs('agent-plan')]
    console.log(`upgrade: all nodes in ${Math.round(took)} s: ${[...seconds(servers), ...seconds(agents)].join(', ')}`)

    await cluster.eventually(async () => expect(await cluster.versions()).toEqual(all(next)), 60)
    expect(await cluster.cordoned()).toEqual([])
    for (const machine of cluster.nodes.all) expect(await installed(machine)).toMatch(`version ${next} `)
    await expectOrder(servers, agents)
    await expectLabels()
    expect(await cluster.containers()).toEqual(before)
    await noneLost()
  }, 1_200_000)

  async function expectOrder(servers: readonly FinishedJob[], agents: readonly FinishedJob[]): Promise<void> {
    const names = (machines: readonly Cluster[]) => machines.map(({ nodeName }) => nodeName)
    expect(servers.map(({ node }) => node).sort()).toEqual(names(cluster.nodes.servers))
    expect(agents.map(({ node }) => node).sort()).toEqual(names(cluster.nodes.agents))
    for (const [index, { began }] of servers.entries())
      expect(began).toBeGreaterThanOrEqual(servers[index - 1]?.ended ?? 0)
    for (const { ended } of agents) expect(ended).toBeGreaterThanOrEqual(servers.at(-1)!.ended)
  }

  async function expectLabels(): Promise<void> {
    for (const plan of ['server-plan', 'agent-plan']) {
      const { status } = await cluster.get<Plan>(`plan ${plan} -n system-upgrade`)
      expect(status?.applying ?? []).toEqual([])
      const nodes = await cluster.list<Node>(`nodes -l plan.upgrade.cattle.io/${plan}=${status?.latestHash}`)
      const wanted = plan === 'server-plan' ? cluster.nodes.servers : cluster.nodes.agents
      expect(nodes.map(node => node.metadata!.name).sort()).toEqual(wanted.map(({ nodeName }) => nodeName))
    }
  }

  test('a version that does not start on a node stops there, and goes on once that is mended', async () => {
    const { agents, servers } = cluster.nodes
    stopRequests = cluster.startRequests()
    await cluster.offer(later, agents)
    for (const agent of agents) writeFileSync(brokenConfig(agent), 'node-ip: nowhere\n')
    await cluster.kubectl('apply -f -', laterPlan)
    const failing = await cluster.eventually(async () => {
      const found = agents.find(agent => /the process ended with [1-9]/.test(agent.logs()))
      expect(found).toBeDefined()
      return found!
    }, 600)
    await cluster.eventually(async () => expect(await ready(failing)).not.toBe('True'), 300)
    await endTheWait()
    await cluster.eventually(async () => {
      const text = await cluster.kubectl('describe plan later -n system-upgrade')
      expect(text).toMatch(new RegExp(`Job system-upgrade/\\S+ failed on Node ${failing.nodeName}: DeadlineExceeded`))
      expect(text).toMatch(/NotReady|Kubelet stopped posting node status/)
    }, 120)

    // The Plan has gone no further, and all else is as it was.
    const [other] = agents.filter(agent => agent !== failing)
    expect(await cluster.versions()).toEqual({ ...all(next), [failing.nodeName]: expect.any(String) })
    await cluster.eventually(async () => {
      for (const machine of [...servers, other!]) expect(await ready(machine)).toBe('True')
    }, 60)
    expect(await installed(other!)).toMatch(`version ${next} `)
    expect((await cluster.jobs('later')).map(({ node }) => node)).toEqual([failing.nodeName])

    for (const agent of agents) rmSync(brokenConfig(agent))
    await cluster.eventually(async () => expect(await ready(failing)).toBe('True'), 300)
    const again = JSON.stringify({ spec: { jobActiveDeadlineSecs: 1200 } })
    await cluster.kubectl(['patch', 'plan', 'later', '-n', 'system-upgrade', '--type=merge', '-p', again])
    await cluster.eventually(async () => {
      expect(isComplete(await cluster.get<Plan>('plan later -n system-upgrade'))).toBe(true)
    }, 600)
    const reached = Object.fromEntries(agents.map(({ nodeName }) => [nodeName, later]))
    await cluster.eventually(async () => expect(await cluster.versions()).toEqual({ ...all(next), ...reached }), 60)
    await cluster.eventually(async () => expect(await cluster.cordoned()).toEqual([]), 60)
    await noneLost()
  }, 1_800_000)

  const brokenConfig = ({ bed }: Cluster) => {
    const folder = join(bed.dir, 'rancher/k3s/config.yaml.d')
    mkdirSync(folder, { recursive: true })
    return join(folder, 'broken.yaml')
  }
  const ready = async ({ nodeName }: Cluster) => {
    const { status } = await cluster.get<Node>(`node ${nodeName}`)
    return status?.conditions?.find(({ type }) => type === 'Ready')?.status
  }

  /** As if the Job's time were up. */
  async function endTheWait(): Promise<void> {
    const [job] = await cluster.list<Job>('jobs -n system-upgrade -l upgrade.cattle.io/plan=later')
    const patch = JSON.stringify({ spec: { activeDeadlineSeconds: 1 } })
    await cluster.kubectl(['patch', 'job', '-n', 'system-upgrade', job!.metadata!.name!, '-p', patch])
  }
})
