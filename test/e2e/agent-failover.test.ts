/** An agent of two servers: what happens to its node and pods when one of them, or both, cannot be reached. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Node } from '../../bootstrap/client/resources.ts'
import { canRunClusters } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { type Database, hasDatabase, startDatabase } from '../testbed/databases.ts'
import { Links } from '../testbed/links.ts'
import { Network } from '../testbed/network.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'
import { podOn, webContainers } from '../testbed/pods.ts'

const isPossible = canRunClusters && hasDatabase.etcd
const suite = isPossible ? describe : describe.skip
if (!canRunClusters) console.log('agent fail-over: skipped, needs root and containerd')

suite('an agent of two servers', () => {
  let network: Network
  let database: Database
  let nodes: Nodes
  let agent: Cluster
  let links: Links
  beforeAll(async () => {
    network = await Network.create()
    database = await startDatabase('etcd', network)
    nodes = await startNodes({ servers: 2, agents: 1, network, datastore: { endpoint: database.endpoint } })
    agent = nodes.agents[0]!
    links = new Links(network)
  }, 180_000)
  afterAll(async () => {
    await nodes?.destroy()
    await database?.destroy()
    await network?.destroy()
  }, 60_000)

  /** The server the agent uses, and the other one. To each it has a tunnel, to the one it uses connections besides. */
  async function used(): Promise<[Cluster, Cluster]> {
    const [one, two] = nodes.servers as [Cluster, Cluster]
    const open = await agent.exec(['ss', '-Htn', 'state', 'established', '( dport = :6443 )'])
    const connections = ({ bed }: Cluster) => open.split(`${bed.address}:6443`).length - 1
    return connections(one) > connections(two) ? [one, two] : [two, one]
  }

  /** Runs a pod on the agent's node, asked for at this server. */
  async function runs(name: string, server: Cluster): Promise<void> {
    await server.apply(podOn(agent.nodeName, name, webContainers))
    await server.waitFor(`--for=condition=Ready pod/${name}`)
  }

  const conditionOf = async (server: Cluster) =>
    (await server.get<Node>(`node ${agent.nodeName}`)).status?.conditions?.find(({ type }) => type === 'Ready')?.status

  test('knows both servers', () => {
    const file = readFileSync(`${agent.bed.dir}/data/agent/etc/k3s-agent-load-balancer.json`, 'utf8')
    expect(JSON.parse(file).ServerAddresses).toEqual(nodes.servers.map(({ bed }) => `${bed.address}:6443`))
  })

  test('each server reaches each node, though no kubelet can be dialled', async () => {
    const input = [
      'table inet closed {',
      'chain input {',
      'type filter hook input priority -10',
      'iifname "lo" accept',
      'tcp dport 10250 drop',
      '}\n}\n',
    ].join('\n')
    for (const machine of nodes.all) {
      await machine.exec(['nft', '-f', '-'], { input })
      await nodes.first.apply(podOn(machine.nodeName, `on-${machine.nodeName}`, webContainers))
    }
    for (const { nodeName } of nodes.all) {
      await nodes.first.waitFor(`--for=condition=Ready pod/on-${nodeName}`)
      for (const server of nodes.servers)
        expect(await server.kubectl(`exec on-${nodeName} -- echo here`)).toBe('here\n')
      await nodes.first.kubectl(`delete pod on-${nodeName}`)
    }
  }, 60_000)

  test('turns to the other one when packets to the first vanish', async () => {
    const [first, other] = await used()
    await links.cut(agent.bed, first.bed)
    await runs('cut', other)
    expect(await conditionOf(other)).toBe('True')
    await links.heal()
  }, 90_000)

  test('and when it takes connections and answers nothing', async () => {
    const [first, other] = await used()
    // Handshakes pass, what carries something does not.
    const rules = `table inet mute { chain input { type filter hook input priority 0;
      ip saddr ${first.bed.address} tcp sport 6443 meta length > 80 drop; }; }`
    await agent.exec(['nft', '-f', '-'], { input: rules })
    await runs('mute', other)
    expect(await conditionOf(other)).toBe('True')
    await agent.exec(['nft', 'delete', 'table', 'inet', 'mute'])
  }, 90_000)

  test('and when it is killed', async () => {
    const [first, other] = await used()
    await first.kill9()
    await runs('killed', other)
    await first.restart()
    await runs('back', first)
  }, 120_000)

  test('without any server pods run on, nobody is kept waiting, and what was missed is done afterwards', async () => {
    const { items } = await nodes.first.get<{ items: { status: { podIP: string } }[] }>('pods')
    await Promise.all(nodes.servers.map(server => links.cut(agent.bed, server.bed)))
    await nodes.first.apply(podOn(agent.nodeName, 'missed', webContainers))
    const rss = async () => Number(/VmRSS:\s+(\d+)/.exec(await agent.exec(['cat', `/proc/${agent.pid}/status`]))?.[1])
    const before = await rss()
    const knock = 'for i in $(seq 400); do busybox nc -w 8 127.0.0.1 6444 </dev/null & done; wait'
    await agent.exec(['sh', '-c', knock], { timeoutMs: 60_000 })
    expect((await rss()) - before).toBeLessThan(40_000)
    for (const { status } of items)
      expect(await agent.exec(['busybox', 'wget', '-qO-', `http://${status.podIP}`])).toBe('web\n')
    await links.heal()
    await nodes.first.waitFor('--for=condition=Ready pod/missed')
    await nodes.first.waitFor(`--for=condition=Ready node/${agent.nodeName}`)
  }, 120_000)
})
