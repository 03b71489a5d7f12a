/** Two servers on one database and an agent: wrong clocks, a database that is away, a node cut off, tokens that have expired. */
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { Bed, canRunClusters } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { type Database, hasDatabase, startDatabase } from '../testbed/databases.ts'
import { Links } from '../testbed/links.ts'
import { Network } from '../testbed/network.ts'
import { Nodes } from '../testbed/nodes.ts'
import { podOn, sleepContainers } from '../testbed/pods.ts'
import { canSkewClocks, setSkew, skewed } from '../testbed/skew.ts'

const kind = hasDatabase.postgres ? 'postgres' : 'etcd'
const can = canRunClusters && hasDatabase[kind]
const suite = can ? describe : describe.skip
if (!can) console.log('faults: skipped, needs root, containerd and PostgreSQL or etcd')

const skiff = join(import.meta.dirname, '../../bin/skiff')
const hours = 3600
const runsStill = async (node: Cluster) => (await node.bed.run(['kill', '-0', node.pid])).code === 0
const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

suite('two servers and an agent', () => {
  let network: Network
  let database: Database
  let nodes: Nodes
  let links: Links
  let away = false

  beforeAll(async () => {
    network = await Network.create()
    links = new Links(network)
    database = await startDatabase(kind, network)
    nodes = new Nodes(network, {
      servers: 2,
      agents: 1,
      network,
      datastore: database,
      flags: [
        ...['--disable', 'traefik,metrics-server,local-storage,servicelb,coredns'],
        ...['--kube-controller-manager-arg', 'node-monitor-grace-period=20s'],
      ],
      env: (bed, role) => (canSkewClocks && role === 'server' ? skewed(bed) : {}),
      prepare: async (bed, role, number) => {
        // No certificate is valid before its cluster was made, so this one is of three hours ago.
        if (role === 'server') setSkew(bed, number === 1 ? -3 * hours : 2 * hours)
      },
    })
    const first = await nodes.addServer()
    setSkew(first.bed, 0)
    await nodes.addServer()
    await nodes.addAgent()
  }, 120_000)
  // What a test broke off in the middle has bent must not fail the others: a leader whose clock is ahead, for one, deletes
  // bootstrap tokens that are still good.
  afterEach(async () => {
    for (const server of nodes.servers) setSkew(server.bed, 0)
    await links.heal()
    if (away) await database.start()
    away = false
    for (const server of nodes.servers) if (!(await runsStill(server))) await server.restart()
  }, 120_000)
  afterAll(async () => {
    await nodes?.destroy()
    await database?.destroy()
    await network?.destroy()
  }, 60_000)

  async function runs(server: Cluster, name: string, node: string): Promise<void> {
    await server.apply(podOn(node, name, sleepContainers))
    await server.waitFor(`--for=condition=Ready pod/${name}`)
  }

  const clocks = canSkewClocks ? test : test.skip
  clocks(
    'a server whose clock is two hours ahead, then two behind, is a server like others',
    async () => {
      const [right, wrong] = nodes.servers as [Cluster, Cluster]
      const agent = nodes.agents[0]!
      await runs(right, 'there', wrong.nodeName)
      await runs(wrong, 'here', right.nodeName)
      await runs(wrong, 'agent', agent.nodeName)
      for (const server of [right, wrong])
        for (const pod of ['there', 'here', 'agent'])
          expect(await server.kubectl(`exec ${pod} -- hostname`)).toBe(`${pod}\n`)
      setSkew(wrong.bed, -2 * hours)
      const renewed = async () =>
        (await right.get<{ metadata: { resourceVersion: string } }>(`lease ${wrong.nodeName} -n kube-node-lease`))
          .metadata.resourceVersion
      const before = await renewed()
      await right.eventually(async () => expect(await renewed()).not.toBe(before), 40)
      // It leads when the other is gone, and what operators do is done.
      await right.kill9()
      await wrong.kubectl('create deployment led --image busybox:1 -- sleep infinity')
      await wrong.eventually(async () => {
        expect(await wrong.kubectl('get pods -l app=led -o name')).toMatch(/^pod\/led-/)
      }, 60)
      await right.restart()
      setSkew(wrong.bed, 0)
    },
    180_000,
  )

  test('a database that is away for 25 s: errors that say so, then all goes on, in the same processes', async () => {
    const pids = nodes.all.map(node => node.pid)
    const [first, second] = nodes.servers as [Cluster, Cluster]
    await first.kubectl('create configmap before --from-literal=a=b')
    await runs(first, 'survivor', nodes.agents[0]!.nodeName)
    await database.kill()
    away = true
    const began = performance.now()
    const said = await Promise.all(
      nodes.servers.map(server => server.tryKubectl('create configmap during', { timeoutMs: 60_000 })),
    )
    for (const { code, stderr } of said) {
      expect(code).toBe(1)
      expect(stderr).toMatch(/datastore unavailable/)
    }
    // What runs, runs on.
    expect((await nodes.agents[0]!.bed.run(['pgrep', '-x', 'sleep'])).code).toBe(0)
    await pause(Math.max(0, 25_000 - (performance.now() - began)))
    await database.start()
    away = false
    await first.eventually(async () => void (await second.kubectl('create configmap after')), 60)
    expect(await first.kubectl('get configmap before after -o name')).toBe('configmap/before\nconfigmap/after\n')
    await runs(second, 'later', nodes.agents[0]!.nodeName)
    expect(nodes.all.map(node => node.pid)).toEqual(pids)
    for (const [index, node] of nodes.all.entries())
      expect((await node.bed.run(['kill', '-0', pids[index]!])).code).toBe(0)
  }, 180_000)

  test('an agent that was cut off is reached again through both servers', async () => {
    const agent = nodes.agents[0]!
    await runs(nodes.first, 'reached', agent.nodeName)
    await links.isolate(agent.bed)
    await nodes.first.waitFor(`--for=condition=Ready=Unknown node/${agent.nodeName} --timeout=60s`)
    await nodes.first.waitFor('--for=condition=Ready=False pod/reached')
    await links.heal()
    for (const server of nodes.servers)
      await server.eventually(async () => expect(await server.kubectl('exec reached -- echo yes')).toBe('yes\n'), 60)
    // Not at its next report, which may be minutes away.
    await nodes.first.waitFor(`--for=condition=Ready node/${agent.nodeName} pod/reached`)
  }, 120_000)

  test('a bootstrap token lets an agent join until it expires', async () => {
    const create = async (ttl: string) => {
      const { stdout, stderr } = await nodes.first.bed.run([
        ...[skiff, 'token', 'create', '--ttl', ttl, '--kubeconfig', '/etc/rancher/k3s/k3s.yaml'],
        ...['--data-dir', nodes.first.file('')],
      ])
      if (!stdout.startsWith('K10')) throw new Error(stderr)
      return stdout.trim()
    }
    /** An agent that runs until `enough` says so of its log. */
    const attempt = async (
      hostname: string,
      host: number,
      token: string,
      enough: (log: string) => Promise<boolean>,
    ) => {
      const bed = await Bed.create({ network: { network, host }, hostname })
      try {
        const command = [skiff, 'agent', '--server', nodes.url, '--token', token, '--data-dir', `${bed.dir}/data`]
        const agent = bed.spawn(command, { stdio: ['ignore', 'ignore', 'pipe'] })
        let log = ''
        agent.stderr!.on('data', data => (log += data))
        while (!(await enough(log)))
          if (agent.exitCode !== null) throw new Error(`the agent ended with ${agent.exitCode}: ${log}`)
          else await pause(200)
        agent.kill('SIGTERM')
        return log
      } finally {
        await bed.destroy()
      }
    }
    const isThere = async (node: string) => (await nodes.first.tryKubectl(`get node ${node}`)).code === 0
    const brief = await create('1s')
    await pause(1500)
    const refused = /Waiting to retrieve agent configuration.*(401|not authorized|Unauthorized)/
    await Promise.all([
      attempt('invited', 50, await create('1h'), () => isThere('invited')),
      attempt('late', 51, brief, async log => refused.test(log)),
    ])
    expect((await nodes.first.tryKubectl('get node late')).stderr).toContain('NotFound')
  }, 300_000)
})
