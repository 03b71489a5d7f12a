/** Three servers on the etcd they run themselves: loss of each in turn, removal of a node, reset to one. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { etcdInstalled } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { type Cluster, canRunClusters } from '../testbed/cluster.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'

const suite = canRunClusters && etcdInstalled ? describe : describe.skip

suite('a cluster of three servers with embedded etcd', () => {
  let nodes: Nodes

  beforeAll(async () => {
    nodes = await startNodes({ servers: 3, flags: ['--disable', 'coredns,metrics-server,local-storage'] })
  }, 180_000)
  afterAll(() => nodes?.destroy(), 60_000)

  const member = async (cluster: Cluster, of = cluster) =>
    (
      await cluster.kubectl([
        'get',
        'node',
        of.nodeName,
        '-o',
        'jsonpath={.metadata.annotations.etcd\\.k3s\\.cattle\\.io/node-name}',
      ])
    ).trim()

  const members = async (cluster: Cluster): Promise<string[]> => {
    const text = await cluster.exec(['curl', '-sk', 'https://127.0.0.1:6443/db/info'])
    return (JSON.parse(text) as { members: { name: string }[] }).members.map(({ name }) => name).sort()
  }

  test('shows who runs which member', async () => {
    const labels = await nodes.first.kubectl(
      'get nodes -l node-role.kubernetes.io/etcd=true,node-role.kubernetes.io/control-plane=true -o name',
    )
    expect(labels.trim().split('\n')).toHaveLength(3)
    const named = await Promise.all(nodes.servers.map(server => member(nodes.first, server)))
    expect(await members(nodes.first)).toEqual(named.sort())
    for (const server of nodes.servers)
      expect(await server.exec(['curl', '-s', 'http://127.0.0.1:2381/metrics'])).toContain('etcd_server_has_leader 1')
  })

  test('loses no acknowledged write with any one of them, and goes on writing', async () => {
    const acknowledged: string[] = []
    for (const lost of nodes.servers) {
      const others = nodes.servers.filter(server => server !== lost)
      let stop = false
      const failures: string[] = []
      const writers = others.map(async (server, w) => {
        for (let i = 0; !stop; i++) {
          const name = `${lost.nodeName}-${w}-${i}`
          const done = await server.tryKubectl(['create', 'configmap', name])
          if (done.code === 0) acknowledged.push(name)
          else failures.push(done.stderr)
        }
      })
      const more = async (count: number) => {
        const goal = acknowledged.length + count
        while (acknowledged.length < goal) await new Promise(resolve => setTimeout(resolve, 50))
      }
      await more(6)
      await lost.kill9()
      await more(10)
      stop = true
      await Promise.all(writers)
      expect(failures).toEqual([])
      await lost.restart()
      const list = await lost.kubectl('get configmaps -o name')
      const names = new Set(
        list
          .trim()
          .split('\n')
          .map(line => line.replace('configmap/', '')),
      )
      expect(acknowledged.filter(name => !names.has(name))).toEqual([])
    }
  }, 240_000)

  test('a deleted node takes its member along; the server joins anew when it is started again', async () => {
    const [first, , third] = nodes.servers as [Cluster, Cluster, Cluster]
    const before = await member(first, third)
    await first.kubectl(['delete', 'node', third.nodeName])
    await first.eventually(async () => expect(await members(first)).toHaveLength(2))
    await third.bed.run(['true'])
    expect(await members(first)).not.toContain(before)
    await third.eventually(async () => expect(third.logs()).toContain('this node has been removed from the cluster'))
    await third.kill9()
    await third.restart()
    expect(await members(first)).toHaveLength(3)
    expect(await member(first, third)).not.toBe(before)
  }, 180_000)

  test('--cluster-reset makes one server the only member, with all data, once', async () => {
    const [first, second, third] = nodes.servers as [Cluster, Cluster, Cluster]
    await first.kubectl('create configmap kept')
    await Promise.all([second, third].map(server => server.kill9()))
    await first.stopServer().catch(() => undefined)
    const flags = ['server', '--data-dir', first.file(''), '--token', nodes.token, '--cluster-reset']
    const reset = await first.skiff(flags, { timeoutMs: 60_000 })
    expect([reset.code, reset.stderr]).toEqual([
      0,
      expect.stringContaining(
        'Managed etcd cluster membership has been reset, restart without --cluster-reset flag now.',
      ),
    ])
    const again = await first.skiff(flags)
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringContaining('Managed etcd cluster membership was previously reset'),
    ])
    await first.restart()
    expect(await members(first)).toEqual([await member(first)])
    expect(await first.kubectl('get configmap kept -o name')).toBe('configmap/kept\n')
    await second.exec(['rm', '-rf', second.file('server/db')])
    await second.restart()
    expect(await members(first)).toHaveLength(2)
    expect(await second.kubectl('get configmap kept -o name')).toBe('configmap/kept\n')
  }, 180_000)
})
