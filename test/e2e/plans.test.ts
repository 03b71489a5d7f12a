/** Upgrade Plans on a real node: drain with a disruption budget, failure, deletion midway, a restart in between. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Node, Pod } from '../../bootstrap/client/resources.ts'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'
import { busyboxImage } from '../testbed/images.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('plans e2e: skipped, needs root and containerd')

const limitMs = 300_000
const plan = (name: string, spec: object, script: string) =>
  JSON.stringify({
    apiVersion: 'upgrade.cattle.io/v1',
    kind: 'Plan',
    metadata: { name, namespace: 'system-upgrade' },
    spec: {
      concurrency: 1,
      nodeSelector: {
        matchExpressions: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'In', values: ['true'] }],
      },
      serviceAccountName: 'system-upgrade',
      // The image's tag is the version, as users have it with rancher/k3s-upgrade.
      version: '1',
      upgrade: { image: 'docker.io/library/busybox', command: ['sh', '-c', script] },
      ...spec,
    },
  })

const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: default }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: main, image: ${busyboxImage}, command: [sleep, "100000"], volumeMounts: [{ name: scratch, mountPath: /scratch }] }]
      volumes: [{ name: scratch, emptyDir: {} }]
`
const budget = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: web, namespace: default }
spec:
  minAvailable: 1
  selector: { matchLabels: { app: web } }
`

suite('upgrade plans', () => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await startCluster()
    await cluster.apply(workload)
    await cluster.kubectl('rollout status deployment/web')
  }, limitMs)
  afterAll(() => cluster?.destroy(), limitMs)

  const node = async () => JSON.parse(await cluster.kubectl(`get node ${cluster.nodeName} -o json`)) as Node
  const isCordoned = async () => (await node()).spec?.unschedulable === true
  const podsOf = async (name: string): Promise<readonly Pod[]> =>
    JSON.parse(await cluster.kubectl(`get pods -n system-upgrade -l upgrade.cattle.io/plan=${name} -o json`)).items
  const drainLog = async (name: string): Promise<string> => {
    const logs = await Promise.all(
      (await podsOf(name)).map(({ metadata }) =>
        cluster.tryKubectl(`logs -n system-upgrade ${metadata.name} -c drain`).then(({ stdout }) => stdout),
      ),
    )
    return logs.join('')
  }
  const until = async (what: string, holds: () => Promise<boolean>) => {
    const deadline = Date.now() + limitMs / 2
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error(`${what} never came: ${await state()}`)
      await new Promise(resolve => setTimeout(resolve, 500))
    }
  }
  const state = async () =>
    [
      await cluster.kubectl('describe plans -n system-upgrade'),
      await cluster.kubectl('get jobs,pods -A -o wide'),
      cluster.logs().slice(-3000),
    ].join('\n')
  const untilTold = (name: string, ...words: readonly string[]) =>
    until(`${words.join(', ')} of ${name}`, async () => {
      const described = await cluster.kubectl(`describe plan -n system-upgrade ${name}`)
      return words.every(word => described.includes(word))
    })
  const untilBlocked = (name: string) =>
    until(`the drain of ${name} that is held up`, async () =>
      (await drainLog(name)).includes(
        `(will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.`,
      ),
    )

  test(
    'drain the node as its budgets allow, also over a restart, upgrade it and open it again',
    async () => {
      await cluster.apply(budget)
      await cluster.apply(
        plan(
          'server-plan',
          { drain: { timeout: '10m' } },
          'echo $SYSTEM_UPGRADE_PLAN_LATEST_VERSION >>/host/var/log/upgraded',
        ),
      )
      await untilBlocked('server-plan')
      expect(await isCordoned()).toBe(true)
      expect(await cluster.kubectl('get deployment web -o jsonpath={.status.readyReplicas}')).toBe('1')
      const [pod] = await podsOf('server-plan')
      expect(pod?.spec.initContainers?.map(({ image }) => image)).toEqual(['embedded/kubectl'])
      const [blocked] = JSON.parse(await cluster.kubectl('get pods -l app=web -o json')).items as readonly Pod[]
      await untilTold(
        'server-plan',
        'DrainWaiting',
        `pod default/${blocked!.metadata.name} has to stay for now: Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs 1 healthy pods and has 1 currently.`,
      )

      await cluster.stopServer()
      await cluster.restart()
      await until('the drain after a restart', async () => (await drainLog('server-plan')).includes('already cordoned'))
      await cluster.kubectl('delete pdb web')
      await cluster.kubectl('wait -n system-upgrade --for=condition=Complete plan/server-plan --timeout=150s')

      expect(await cluster.exec(['cat', '/var/log/upgraded'])).toBe('1\n')
      expect(await isCordoned()).toBe(false)
      const { labels = {}, annotations = {} } = (await node()).metadata
      const { latestHash } = JSON.parse(await cluster.kubectl('get plan -n system-upgrade server-plan -o json')).status
      expect(labels['plan.upgrade.cattle.io/server-plan']).toBe(latestHash)
      expect(Object.keys(annotations).filter(key => key.includes('upgrade.cattle.io'))).toEqual([])
      const log = await drainLog('server-plan')
      expect(log).toMatch(/^evicting pod default\/web-/m)
      expect(log).toMatch(/^pod\/web-\S+ evicted$/m)
      expect(log).toContain(`node/${cluster.nodeName} drained\n`)
      await cluster.kubectl('rollout status deployment/web')
      // What ran inside the process is gone with it, what it said is not: an upgrade ends the process that has drained.
      await cluster.stopServer()
      await cluster.restart()
      expect(await drainLog('server-plan')).toBe(log)
      const events = await cluster.kubectl('describe plan -n system-upgrade server-plan')
      for (const reason of ['Validated', 'Resolved', 'SyncJob', 'JobComplete', 'Complete'])
        expect(events).toContain(reason)
    },
    limitMs,
  )

  test(
    'that fail stop, show the reason, and leave the node cordoned until they are deleted',
    async () => {
      await cluster.kubectl(
        'create configmap -n system-upgrade default-controller-env --from-literal=SYSTEM_UPGRADE_JOB_BACKOFF_LIMIT=0',
      )
      await cluster.apply(plan('failing', { cordon: true }, 'echo the new version does not start >&2; exit 7'))
      await untilTold('failing', 'JobFailed', 'container upgrade')
      const described = await cluster.kubectl('describe plan -n system-upgrade failing')
      expect(described).toMatch(/Job system-upgrade\/apply-failing-on-\S+ failed on Node \S+: BackoffLimitExceeded:/)
      expect(described).toContain(
        'container upgrade ended with 7: the new version does not start; the node stays cordoned',
      )
      expect(await isCordoned()).toBe(true)
      await cluster.kubectl('delete plan -n system-upgrade failing')
      await until('the node open again', async () => !(await isCordoned()))
      expect(await podsOf('failing')).toEqual([])
    },
    limitMs,
  )

  test(
    'that are deleted midway leave nothing behind',
    async () => {
      await cluster.apply(budget)
      await cluster.apply(plan('midway', { drain: { force: true } }, 'true'))
      await untilBlocked('midway')
      expect(await isCordoned()).toBe(true)
      await cluster.kubectl('delete plan -n system-upgrade midway')
      await until('the node open again', async () => !(await isCordoned()))
      expect(await podsOf('midway')).toEqual([])
      expect(await cluster.kubectl('get jobs -n system-upgrade -l upgrade.cattle.io/plan=midway -o name')).toBe('')
      expect(await cluster.kubectl('get deployment web -o jsonpath={.status.readyReplicas}')).toBe('1')
      expect(Object.keys((await node()).metadata.labels ?? {})).not.toContain('plan.upgrade.cattle.io/midway')
    },
    limitMs,
  )

  test(
    'that run out of time say what they waited for',
    async () => {
      await cluster.apply(plan('late', { drain: {} }, 'true'))
      await untilBlocked('late')
      const job = await cluster.kubectl('get jobs -n system-upgrade -l upgrade.cattle.io/plan=late -o name')
      await cluster.kubectl(['patch', '-n', 'system-upgrade', job.trim(), '-p', '{"spec":{"activeDeadlineSeconds":1}}'])
      await untilTold('late', 'JobFailed', 'container drain')
      const described = await cluster.kubectl('describe plan -n system-upgrade late')
      expect(described).toMatch(
        /DeadlineExceeded: .*; container drain ended with 143: .*Cannot evict pod as it would violate/,
      )
      await cluster.kubectl('delete plan -n system-upgrade late')
      await until('the node open again', async () => !(await isCordoned()))
    },
    limitMs,
  )

  test(
    'drain by a module that does not get more rights than the pod has',
    async () => {
      await cluster.kubectl('create serviceaccount -n system-upgrade powerless')
      await cluster.apply(plan('powerless', { serviceAccountName: 'powerless', cordon: true }, 'true'))
      await untilTold('powerless', 'JobFailed', 'container cordon')
      expect(await cluster.kubectl('describe plan -n system-upgrade powerless')).toMatch(
        /container cordon ended with 1: .*system:serviceaccount:system-upgrade:powerless" cannot/,
      )
      expect(await isCordoned()).toBe(false)
    },
    limitMs,
  )
})

suite('an upgrade plan for an agent', () => {
  let nodes: Nodes
  beforeAll(async () => {
    nodes = await startNodes({ servers: 1, agents: 1 })
  }, limitMs)
  afterAll(() => nodes?.destroy(), limitMs)

  test(
    'drains it by its own module, with a token of the pod, and its pods go elsewhere',
    async () => {
      const { first: server, agents } = nodes
      const [agent] = agents
      const name = agent!.nodeName
      // On the agent first, then wherever there is room.
      await server.kubectl(`cordon ${server.nodeName}`)
      await server.apply(workload)
      await server.kubectl('rollout status deployment/web')
      await server.kubectl(`uncordon ${server.nodeName}`)
      const nodeSelector = { matchLabels: { 'kubernetes.io/hostname': name } }
      await server.apply(plan('agent-plan', { nodeSelector, drain: {} }, 'echo done >>/host/var/log/upgraded'))
      await server.waitFor('--for=condition=Complete -n system-upgrade plan/agent-plan', limitMs / 2000)
      expect(await agent!.exec(['cat', '/var/log/upgraded'])).toBe('done\n')
      await server.kubectl('rollout status deployment/web')
      const { items } = await server.get<{ items: readonly Pod[] }>('pods -l app=web')
      expect(items.map(({ spec }) => spec.nodeName)).toEqual([server.nodeName])
      const { metadata, spec } = await server.get<Node>(`node ${name}`)
      expect(spec?.unschedulable).toBeUndefined()
      expect(metadata.labels).toHaveProperty(['plan.upgrade.cattle.io/agent-plan'])
      const job = await server.kubectl('get jobs -n system-upgrade -o name')
      expect(await server.kubectl(`logs -n system-upgrade ${job.trim()} -c drain`)).toContain(`node/${name} drained`)
    },
    limitMs,
  )
})
