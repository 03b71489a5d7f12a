/** Three servers with embedded etcd behind a TCP load balancer, lost in every way, one at a time. */
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { etcdInstalled } from '../../bootstrap/datastore/testing/etcd-server.ts'
import type { ApiStore } from '../linearizability/api-store.ts'
import { anomaliesOf, seeded, summary } from '../linearizability/verdict.ts'
import { runWorkload } from '../linearizability/workload.ts'
import { Bed, canRunClusters } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { Disk } from '../testbed/disk.ts'
import { hasLoadBalancer } from '../testbed/load-balancer.ts'
import { balancerAddress, type Ha, startHa } from './ha-fixture.ts'

const can = canRunClusters && hasLoadBalancer && etcdInstalled
const suite = can ? describe : describe.skip
if (!can) console.log('high availability: skipped, needs root, containerd, haproxy and etcd')

const skiff = join(import.meta.dirname, '../../bin/skiff')
const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const now = () => performance.now()
const seed = Number(process.env.SEED ?? Date.now() % 100_000)
const flags = ['--disable', 'coredns,local-storage,metrics-server,servicelb']

suite('three servers', () => {
  let ha: Ha

  beforeAll(async () => {
    const prepare = async (bed: Bed, role: string) =>
      role === 'server' ? Disk.create(bed, `${bed.dir}/data/server/db`, 300) : undefined
    ha = await startHa({ servers: 3, agents: 1, flags, prepare })
  }, 180_000)
  afterAll(() => ha?.destroy(), 60_000)
  // A test that fails half-way does not hand its faults on to the next.
  afterEach(() => ha?.links.heal())

  /** Off and on again, with the disk it had. */
  async function powerCycle(node: Cluster): Promise<void> {
    await node.powerOff()
    await pause(2000)
    await node.bed.powerOn()
    await ha.disks.get(node.nodeName)!.mount()
    await node.restart()
  }

  test('each server is lost by each fault, under load: no acknowledged write is lost, all see one order', async () => {
    const { nodes, links, stores, balanced } = ha
    const random = seeded(seed)
    const faults = async () => {
      for (const [index, server] of nodes.servers.entries()) {
        await links.isolate(server.bed)
        await pause(4000)
        await links.heal()
        await ha.ready(index)
        await server.kill9()
        await pause(1000)
        await server.restart()
        await ha.ready(index)
      }
      await powerCycle(nodes.servers[0]!)
      await ha.ready(0)
    }
    const all = [...stores, balanced]
    const run = await runWorkload({ stores: all, clients: 10, registers: 4, random, now, patienceMs: 1500, faults })
    console.log(`seed ${seed}: ${summary(run)}`)
    expect(anomaliesOf(run)).toEqual([])
  }, 300_000)

  test('the leader of etcd loses power while clients write through the load balancer', async () => {
    const { nodes, balanced } = ha
    const leader = await leaderOf(nodes.servers)
    const writes = writeOn(balanced, 'power')
    await writes.acknowledged(20)
    await leader.powerOff()
    await writes.acknowledged(20)
    const { acknowledged } = await writes.stop()
    for (const [index, store] of ha.stores.entries()) {
      if (nodes.servers[index] === leader) continue
      const { entries } = await store.list()
      expect(acknowledged.filter(key => !entries.has(key))).toEqual([])
    }
    // Agents do not depend on any one server.
    const other = nodes.servers.find(server => server !== leader)!
    await other.waitFor(`--for=condition=Ready node/${nodes.agents[0]!.nodeName}`)
    await other.kubectl(`run after-${leader.nodeName} --image web:1 --overrides {"spec":{"nodeName":"agent-1"}}`)
    await other.waitFor(`--for=condition=Ready pod/after-${leader.nodeName}`)
    await leader.bed.powerOn()
    await ha.disks.get(leader.nodeName)!.mount()
    await leader.restart()
    await ha.ready(nodes.servers.indexOf(leader))
    const { entries } = await ha.stores[nodes.servers.indexOf(leader)]!.list()
    expect(acknowledged.filter(key => !entries.has(key))).toEqual([])
  }, 120_000)

  test('without a majority nothing is acknowledged and nothing stale is shown; with one all is well again', async () => {
    const { nodes, links, stores } = ha
    const [first, ...others] = nodes.servers as [Cluster, Cluster, Cluster]
    await stores[0]!.create('majority', 'before')
    await links.partition(
      [first.bed],
      others.map(({ bed }) => bed),
    ) // all reach the outside
    await eventually(async () => expect((await stores[1]!.create('elsewhere', 'x')).type).toBe('done'))
    const before = await stores[1]!.get('majority')
    await stores[1]!.update('majority', 'changed', before!.revision)
    // What the lonely server says is an error or the truth, never what was.
    const [read, written] = await Promise.all([
      stores[0]!.get('majority').then(
        entry => entry?.value,
        (error: Error) => `refused: ${error.message}`,
      ),
      stores[0]!.create('lonely', 'x'),
    ])
    expect(read).toMatch(/^refused|^changed$/)
    expect(written.type).toBe('unknown')
    await links.heal()
    await ha.ready(0)
    expect((await stores[0]!.get('majority'))?.value).toBe('changed')
    await eventually(async () => expect((await stores[0]!.create('after', 'x')).type).not.toBe('unknown'))
  }, 120_000)

  test('a disk that stands still for 30 s ends no process; the others go on', async () => {
    const { nodes, balanced } = ha
    const leader = await leaderOf(nodes.servers)
    const disk = ha.disks.get(leader.nodeName)!
    const pid = leader.pid
    const writes = writeOn(balanced, 'slow')
    await writes.acknowledged(10)
    await disk.stall()
    try {
      await pause(30_000)
      await writes.acknowledged(10)
    } finally {
      await disk.resume()
    }
    const { acknowledged } = await writes.stop()
    await ha.ready(nodes.servers.indexOf(leader))
    expect([leader.pid, (await leader.bed.run(['kill', '-0', pid])).code]).toEqual([pid, 0])
    const { entries } = await ha.stores[nodes.servers.indexOf(leader)]!.list()
    expect(acknowledged.filter(key => !entries.has(key))).toEqual([])
  }, 180_000)

  test('a full disk on one server stops that one alone, and it comes back when there is room', async () => {
    const { nodes, balanced, stores } = ha
    const disk = ha.disks.get(nodes.servers[2]!.nodeName)!
    const writes = writeOn(balanced, 'full')
    await writes.acknowledged(10)
    await disk.fill()
    await writes.acknowledged(200)
    const { acknowledged } = await writes.stop()
    const { entries } = await stores[0]!.list()
    expect(acknowledged.filter(key => !entries.has(key))).toEqual([])
    await disk.empty()
    await ha.ready(2)
    await eventually(async () => {
      const again = await stores[2]!.list()
      expect(acknowledged.filter(key => !again.entries.has(key))).toEqual([])
    })
    await eventually(async () => expect((await stores[2]!.create('roomy', 'x')).type).not.toBe('unknown'))
  }, 180_000)

  test("a name that is taken, a wrong token, another cluster's CA: refused, each in a line", async () => {
    const { nodes, network } = ha
    const url = `https://${balancerAddress}:6443`
    const attempt = async (hostname: string, host: number, args: readonly string[]) => {
      const bed = await Bed.create({ network: { network, host }, hostname })
      try {
        const command = ['timeout', '60', skiff, ...args, '--server', url, '--data-dir', `${bed.dir}/data`]
        const { code, stderr } = await bed.run(command, { timeoutMs: 90_000 })
        return `${code}: ${stderr.trim().split('\n').at(-1)}`
      } finally {
        await bed.destroy()
      }
    }
    const [duplicate, other, wrong, agent, pinned] = await Promise.all([
      attempt('server-2', 40, ['server', '--token', nodes.token, ...flags]),
      attempt('server-8', 44, ['server', '--token', nodes.token]),
      attempt('server-9', 41, ['server', '--token', 'guess']),
      attempt('agent-9', 42, ['agent', '--token', 'guess']),
      attempt('agent-8', 43, ['agent', '--token', `K10${'0'.repeat(64)}::server:${nodes.token}`]),
    ])
    expect(duplicate).toMatch(/^1: .*duplicate (hostname|node name)|^1: .*server-2/i)
    expect(other).toMatch(/^1: .*critical configuration value mismatch between servers: disable servicelb/)
    expect(wrong).toMatch(/^1: .*token/i)
    expect(agent).toMatch(/token|not authorized|401/i)
    expect(pinned).toContain('token CA hash does not match the Cluster CA certificate hash')
    const { items } = await nodes.first.get<{ items: { metadata: { name: string } }[] }>('nodes')
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['agent-1', 'server-1', 'server-2', 'server-3'])
  }, 90_000)
})

/** The server whose etcd leads. */
async function leaderOf(servers: readonly Cluster[]): Promise<Cluster> {
  return eventually(async () => {
    for (const server of servers) {
      const { stdout } = await server.bed.run(['curl', '-sm', '1', 'http://127.0.0.1:2381/metrics'])
      if (/^etcd_server_is_leader 1$/m.test(stdout)) return server
    }
    throw new Error('no etcd leads')
  })
}

/** Creates registers without pause, whatever fails meanwhile. */
function writeOn(store: ApiStore, name: string) {
  const acknowledged: string[] = []
  let [ended, running] = [false, true]
  const loop = async (client: number) => {
    for (let n = 0; running; n++) {
      const key = `${name}-${client}-${n}`
      const output = await store.create(key, key).catch(() => undefined)
      if (output?.type === 'done') acknowledged.push(key)
      else await pause(20)
    }
  }
  const loops = Promise.all([0, 1, 2, 3].map(loop)).then(() => (ended = true))
  return {
    /** Waits for that many more. */
    async acknowledged(count: number): Promise<void> {
      const goal = acknowledged.length + count
      await eventually(async () => expect(acknowledged.length).toBeGreaterThanOrEqual(goal))
    },
    async stop() {
      running = false
      await loops
      return { acknowledged, ended }
    },
  }
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (const until = now() + 60_000; ; await pause(100))
    try {
      return await attempt()
    } catch (error) {
      if (now() > until) throw error
    }
}
