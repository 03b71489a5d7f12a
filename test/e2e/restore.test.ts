/** Snapshots restored by the command of the guides: with real containers, from engine to engine, on three servers. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Node, Pod } from '../../bootstrap/api/types.gen.ts'
import { etcdInstalled } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { Bed } from '../testbed/bed.ts'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'
import { Disk } from '../testbed/disk.ts'
import { busyboxImage } from '../testbed/images.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'

const suite = canRunClusters ? describe : describe.skip
const threeServers = canRunClusters && etcdInstalled ? describe : describe.skip
const limitMs = 900_000
const patience = 240
const done = 'restart without --cluster-reset flag now'

/** A pod whose process can be told from others on its machine. */
const pod = (name: string, seconds: number, node: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 0
  containers: [{ name: main, image: '${busyboxImage}', command: [sleep, '${seconds}'] }]
`

async function runs(api: Cluster, name: string, seconds: number, on: Cluster): Promise<void> {
  await api.apply(pod(name, seconds, on.nodeName))
  await api.waitFor(`--for=condition=Ready pod/${name}`, patience)
}

/** Process ids of a pod's container. */
const processes = async (on: Cluster, seconds: number) =>
  (await on.bed.run(['pgrep', '-fx', `sleep ${seconds}`])).stdout.trim()

const containerOf = async (api: Cluster, name: string) => {
  const { status } = await api.get<Pod>(`pod ${name}`)
  const [container] = status?.containerStatuses ?? []
  return { id: container?.containerID, restarts: container?.restartCount }
}

const base = (cluster: Cluster, ...flags: string[]) => ['--data-dir', cluster.file(''), ...flags]

/** The path of the file. */
async function save(cluster: Cluster, name: string): Promise<string> {
  const saved = await cluster.skiff(['etcd-snapshot', 'save', ...base(cluster), '--name', name], { timeoutMs: 120_000 })
  expect([saved.code, saved.stderr]).toEqual([0, expect.anything()])
  const folder = cluster.file('server/db/snapshots')
  const [file] = (await cluster.exec(['ls', folder])).split('\n').filter(found => found.startsWith(name))
  expect(file).toBeDefined()
  return `${folder}/${file}`
}

const restore = (cluster: Cluster, path: string, ...flags: string[]) =>
  cluster.skiff(
    ['server', ...base(cluster, '--cluster-reset', `--cluster-reset-restore-path=${path}`, '--debug', ...flags)],
    { timeoutMs: 300_000 },
  )

async function restored(cluster: Cluster, path: string, ...flags: string[]): Promise<void> {
  const { code, stderr } = await restore(cluster, path, ...flags)
  expect([code, stderr]).toEqual([0, expect.stringContaining(done)])
}

const stop = (cluster: Cluster) => cluster.stopServer().catch(() => cluster.ended)

/** Names, sizes and contents of the datastore's and the certificates' files. */
const contents = (cluster: Cluster) =>
  cluster.exec([
    'sh',
    '-c',
    `cd ${cluster.file('server')}; find . -type f ! -path './db/snapshots/*' | sort | xargs sha256sum`,
  ])

const configMaps = async (cluster: Cluster) =>
  (await cluster.kubectl('get configmaps -n default -o name')).split('\n').filter(name => /stage/.test(name))

suite('a server with SQLite', () => {
  let cluster: Cluster
  let disk: Disk
  let sqlite: string

  beforeAll(async () => {
    const bed = await Bed.create()
    // The datastore has a disk of its own, so nothing can be renamed from elsewhere.
    disk = await Disk.create(bed, join(bed.dir, 'data/server/db'), 400)
    cluster = await startCluster({ bed, flags: ['--disable', 'coredns,metrics-server,local-storage,servicelb'] })
  }, limitMs)
  afterAll(() => cluster?.destroy(), 60_000)

  test(
    'has its pods as the snapshot has them: what runs is left alone, the rest comes and goes',
    async () => {
      await cluster.kubectl('create configmap stage-1')
      await runs(cluster, 'kept', 100_001, cluster)
      await runs(cluster, 'lost', 100_002, cluster)
      const before = { kept: await containerOf(cluster, 'kept'), processes: await processes(cluster, 100_001) }
      await cluster.exec(['tee', '/tmp/before.yaml'], { input: cluster.kubeconfig() })
      sqlite = await save(cluster, 'first')
      await cluster.kubectl('delete configmap stage-1')
      await cluster.kubectl('create configmap stage-2')
      await cluster.kubectl('delete pod lost')
      await runs(cluster, 'later', 100_003, cluster)
      await cluster.eventually(async () => expect(await processes(cluster, 100_002)).toBe(''), patience)
      await stop(cluster)

      await restored(cluster, sqlite)
      await cluster.restart()
      // The CAs are those of the snapshot, so what they signed is good.
      expect(await cluster.kubectl('--kubeconfig /tmp/before.yaml get configmap stage-1 -o name')).not.toBe('')
      expect(await configMaps(cluster)).toEqual(['configmap/stage-1'])
      await cluster.waitFor('--for=condition=Ready pod/lost', patience)
      await cluster.eventually(async () => expect(await processes(cluster, 100_003)).toBe(''), patience)
      expect(await processes(cluster, 100_002)).not.toBe('')
      expect({ kept: await containerOf(cluster, 'kept'), processes: await processes(cluster, 100_001) }).toEqual(before)
      expect((await cluster.tryKubectl('get pod later')).stderr).toContain('not found')
    },
    limitMs,
  )

  test(
    'refuses what is damaged, foreign or of another token, all as it was',
    async () => {
      await stop(cluster)
      await cluster.exec([
        'sh',
        '-c',
        `cd /tmp; cp ${sqlite} damaged; printf damage | dd of=damaged bs=1 seek=50000 conv=notrunc; head -c 60000 ${sqlite} >cut; tar cf foreign /etc/passwd`,
      ])
      const before = await contents(cluster)
      for (const file of ['damaged', 'cut', 'foreign', 'nothing']) {
        const { code, stderr } = await restore(cluster, `/tmp/${file}`)
        expect([code, stderr]).toEqual([1, expect.stringContaining(`/tmp/${file}`)])
        expect(stderr).not.toMatch(/^ +at /m)
      }
      await disk.fill()
      const full = await restore(cluster, sqlite)
      await disk.empty()
      expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('no space left on the disk')])
      const wrong = await restore(cluster, sqlite, '--token', 'another')
      expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('encrypted with different token')])
      expect(await contents(cluster)).toBe(before)
    },
    limitMs,
  )

  const withEtcd = etcdInstalled ? test : test.skip
  withEtcd(
    'goes to etcd by its snapshot, and back by the one of etcd',
    async () => {
      await restored(cluster, sqlite, '--cluster-init')
      await cluster.restart()
      expect(await configMaps(cluster)).toEqual(['configmap/stage-1'])
      expect(await cluster.exec(['curl', '-s', 'http://127.0.0.1:2381/metrics'])).toContain('etcd_server_has_leader 1')
      await cluster.waitFor('--for=condition=Ready pod/kept', patience)
      await cluster.kubectl('create configmap stage-3')
      const etcd = await save(cluster, 'second')
      await cluster.kubectl('delete configmap stage-1')
      await stop(cluster)
      await restored(cluster, etcd, '--datastore-endpoint=sqlite')
      await cluster.restart()
      expect(await configMaps(cluster)).toEqual(['configmap/stage-1', 'configmap/stage-3'])
      await cluster.waitFor('--for=condition=Ready pod/kept', patience)
      const aside = (await cluster.exec(['ls', cluster.file('server/db')])).split('\n')
      expect(aside.filter(name => /^etcd-old-\d+$/.test(name))).toHaveLength(1)
      expect(aside.filter(name => /^sqlite-old-\d+$/.test(name))).toHaveLength(2)
      expect(aside).toContain('state.db')
      expect(aside).not.toContain('etcd')
      expect(aside).not.toContain('reset-flag')
    },
    limitMs,
  )
})

threeServers('three servers with etcd, and an agent that runs on', () => {
  let nodes: Nodes

  beforeAll(async () => {
    nodes = await startNodes({
      servers: 3,
      agents: 1,
      flags: ['--disable', 'coredns,metrics-server,local-storage,servicelb'],
    })
  }, limitMs)
  afterAll(() => nodes?.destroy(), 60_000)

  const members = async (cluster: Cluster): Promise<string[]> => {
    const text = await cluster.exec(['curl', '-sk', 'https://127.0.0.1:6443/db/info'])
    return (JSON.parse(text) as { members: { name: string }[] }).members.map(({ name }) => name).sort()
  }

  test(
    'go back to the snapshot: one is restored, the others join it, and the agent follows',
    async () => {
      const [first, second, third] = nodes.servers as [Cluster, Cluster, Cluster]
      const [agent] = nodes.agents as [Cluster]
      await first.kubectl('create configmap stage-1')
      await runs(first, 'kept', 100_001, agent)
      const before = { kept: await containerOf(first, 'kept'), processes: await processes(agent, 100_001) }
      const was = await members(first)
      const file = await save(first, 'three')
      await first.kubectl('delete configmap stage-1')
      await second.kubectl('create configmap stage-2')
      await runs(first, 'later', 100_002, agent)
      const { metadata } = await first.get<Node>(`node ${agent.nodeName}`)

      for (const server of nodes.servers) await stop(server)
      const { code, stderr } = await restore(first, file, '--token', nodes.token)
      expect([code, stderr]).toEqual([
        0,
        expect.stringContaining('Managed etcd cluster membership has been reset, restart without --cluster-reset flag'),
      ])
      await first.restart()
      expect(await members(first)).toHaveLength(1)
      expect(was).not.toContain((await members(first))[0])
      for (const server of [second, third]) {
        await server.exec(['rm', '-rf', server.file('server/db')])
        await server.restart()
      }
      expect(await members(first)).toHaveLength(3)
      for (const server of nodes.servers) expect(await configMaps(server)).toEqual(['configmap/stage-1'])

      await first.waitFor(`--for=condition=Ready node/${agent.nodeName}`, patience)
      await first.eventually(async () => expect(await processes(agent, 100_002)).toBe(''), patience)
      expect({ kept: await containerOf(first, 'kept'), processes: await processes(agent, 100_001) }).toEqual(before)
      expect((await first.get<Node>(`node ${agent.nodeName}`)).metadata?.uid).toBe(metadata?.uid)
      await runs(second, 'after', 100_003, agent)
      const versions = await third.get<{ items: Pod[] }>('pods')
      for (const { metadata: { resourceVersion } = {} } of versions.items)
        expect(Number(resourceVersion)).toBeGreaterThan(1_000_000_000_000)
    },
    limitMs,
  )
})
