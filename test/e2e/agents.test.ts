/** Agents of a server, each on a machine of its own: joining, pods there, restarts on either side, names that are taken. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Node, Pod, Service } from '../../bootstrap/client/resources.ts'
import { Bed, canRunClusters } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'
import { podOn, webContainers } from '../testbed/pods.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('agents: skipped, needs root and containerd')

suite('agents', () => {
  let nodes: Nodes
  let server: Cluster
  let agent: Cluster
  beforeAll(async () => {
    nodes = await startNodes({
      servers: 1,
      agents: 1,
      agentFlags: ['--node-label', 'disk=ssd', '--node-taint', 'dedicated=web:PreferNoSchedule'],
    })
    server = nodes.first
    agent = nodes.agents[0]!
  }, 120_000)
  afterAll(() => nodes?.destroy(), 60_000)

  const node = () => server.get<Node>(`node ${agent.nodeName}`)

  test('a node has its labels, taints and address, and no role', async () => {
    const { metadata, spec, status } = await node()
    expect(metadata.labels).toMatchObject({ disk: 'ssd', 'node.kubernetes.io/instance-type': 'k3s' })
    expect(Object.keys(metadata.labels ?? {}).filter(label => label.startsWith('node-role'))).toEqual([])
    expect(spec.taints).toContainEqual({ key: 'dedicated', value: 'web', effect: 'PreferNoSchedule' })
    expect(spec.podCIDR).toBe('10.42.1.0/24')
    expect(status?.addresses).toContainEqual({ type: 'InternalIP', address: agent.bed.address })
    expect(await server.kubectl('get nodes -o wide')).toMatch(
      new RegExp(`^${agent.nodeName} +Ready +<none> .* ${agent.bed.address} `, 'm'),
    )
  })

  test('its files are where K3s has them', () => {
    const file = (name: string) => readFileSync(join(agent.bed.dir, 'data/agent', name), 'utf8')
    expect(file('kubelet.kubeconfig')).toContain('server: https://127.0.0.1:6444')
    expect(JSON.parse(file('etc/k3s-agent-load-balancer.json'))).toEqual({
      ServerURL: nodes.url,
      ServerAddresses: [`${server.bed.address}:6443`],
    })
  })

  test('pods run there, and every node reaches them, by their addresses and as services', async () => {
    await server.apply(podOn(agent.nodeName, 'web', webContainers))
    await server.kubectl('expose pod web --port=8000 --target-port=80')
    await server.waitFor('--for=condition=Ready pod/web')
    const { status } = await server.get<Pod>('pod web')
    expect(status?.podIP).toMatch(/^10\.42\.1\./)
    expect(status?.hostIP).toBe(agent.bed.address)
    const { spec } = await server.get<Service>('service web')
    for (const machine of [server, agent]) {
      expect(await machine.exec(['busybox', 'wget', '-qO-', `http://${status?.podIP}`])).toBe('web\n')
      expect(await machine.exec(['busybox', 'wget', '-qO-', `http://${spec.clusterIP}:8000`])).toBe('web\n')
    }
  }, 60_000)

  test('embedded pods run there, as their own service accounts', async () => {
    await server.kubectl(`cordon ${server.nodeName}`)
    await server.kubectl('-n kube-system rollout restart deployment coredns metrics-server')
    for (const name of ['coredns', 'metrics-server'])
      await server.kubectl(`-n kube-system rollout status deployment ${name} --timeout=60s`)
    const { items } = await server.get<{ items: Pod[] }>('pods -n kube-system -l k8s-app=kube-dns')
    expect(items.map(({ spec }) => spec.nodeName)).toContain(agent.nodeName)
    await server.kubectl(`uncordon ${server.nodeName}`)
  }, 120_000)

  test('logs, exec and the metrics of its load balancer come through the tunnel', async () => {
    expect(await server.kubectl('exec web -- busybox hostname')).toBe('web\n')
    expect(await server.kubectl('logs web')).toBe('')
    const metrics = await server.kubectl(`get --raw /api/v1/nodes/${agent.nodeName}/proxy/metrics`)
    expect(metrics).toContain(
      `k3s_loadbalancer_server_health{name="k3s-agent-load-balancer",server="${server.bed.address}:6443"} 7`,
    )
  }, 60_000)

  const started = async (name: string) =>
    (await server.get<Pod>(`pod ${name}`)).status?.containerStatuses?.[0]?.containerID

  test('a restart of the agent leaves its pods alone', async () => {
    const before = await started('web')
    await agent.stopServer()
    await agent.restart()
    expect(await started('web')).toBe(before)
    expect((await server.get<Pod>('pod web')).status?.containerStatuses?.[0]?.restartCount).toBe(0)
  }, 60_000)

  test('while the server is away pods run on, and after that the agent does what was missed', async () => {
    const before = await started('web')
    const { podIP } = (await server.get<Pod>('pod web')).status ?? {}
    await server.kill9()
    expect(await agent.exec(['busybox', 'wget', '-qO-', `http://${podIP}`])).toBe('web\n')
    await server.restart()
    expect(await started('web')).toBe(before)
    await server.apply(podOn(agent.nodeName, 'after', webContainers))
    await server.waitFor('--for=condition=Ready pod/after')
  }, 90_000)

  test('a Node that was deleted is put back by its agent, and by its restart', async () => {
    await server.kubectl(`delete node ${agent.nodeName}`)
    await agent.stopServer()
    await agent.restart()
    expect((await node()).metadata.labels).toMatchObject({ disk: 'ssd' })
  }, 60_000)

  test('a second machine of the same name is told so, and takes nothing', async () => {
    const twin = await Bed.create({ network: { network: nodes.network, host: 99 }, hostname: agent.nodeName })
    try {
      const command = [join(import.meta.dirname, '../../bin/skiff'), 'agent', '--data-dir', join(twin.dir, 'data')]
      const env = { K3S_URL: nodes.url, K3S_TOKEN: nodes.token }
      const { stderr } = twin.spawn(command, { env, stdio: ['ignore', 'ignore', 'pipe'] })
      let log = ''
      stderr!.on('data', data => (log += data))
      await server.eventually(async () =>
        expect(log).toContain(
          "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match",
        ),
      )
    } finally {
      await twin.destroy()
    }
    expect((await node()).status?.addresses).toContainEqual({ type: 'InternalIP', address: agent.bed.address })
  }, 60_000)
})
