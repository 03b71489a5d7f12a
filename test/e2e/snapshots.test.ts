/** Snapshots of two servers with embedded etcd, as their users see them: config.yaml, the command, kubectl, S3. */
import { writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { etcdInstalled } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { type Cluster, canRunClusters } from '../testbed/cluster.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'

const suite = canRunClusters && etcdInstalled ? describe : describe.skip
const minutes = 60_000

suite('snapshots of a cluster with embedded etcd', () => {
  let nodes: Nodes
  beforeAll(async () => {
    nodes = await startNodes({
      servers: 2,
      flags: ['--disable', 'coredns,metrics-server,local-storage', '--etcd-snapshot-schedule-cron', '@every 15s'],
    })
  }, 5 * minutes)
  afterAll(() => nodes?.destroy(), minutes)

  interface Told {
    readonly metadata: { readonly name: string; readonly annotations?: { readonly [name: string]: string } }
    readonly spec: { readonly snapshotName: string; readonly nodeName: string; readonly location: string }
    readonly status: { readonly readyToUse: boolean }
  }
  const told = async () => (await nodes.first.get<{ items: Told[] }>('etcdsnapshotfiles')).items
  const of = (cluster: Cluster, items: readonly Told[]) =>
    items.filter(({ spec }) => spec.nodeName === cluster.nodeName)
  const where = (cluster: Cluster) => ['--data-dir', cluster.file('')]
  const folder = (cluster: Cluster) => cluster.file('server/db/snapshots')

  test(
    'each server takes its own on schedule, and a restore of each has been tried',
    async () => {
      await nodes.first.eventually(async () => {
        const items = await told()
        for (const server of nodes.servers) {
          const verified = of(server, items).filter(
            ({ metadata }) => metadata.annotations?.['etcd.k3s.cattle.io/snapshot-verified'],
          )
          expect(verified.length).toBeGreaterThan(0)
          expect(verified[0]!.spec.snapshotName).toMatch(new RegExp(`^etcd-snapshot-${server.nodeName}-\\d+$`))
        }
      }, 180)
      for (const server of nodes.servers) {
        const node = await nodes.first.get<Told>(`node ${server.nodeName}`)
        expect(node.metadata.annotations).toHaveProperty(['etcd.k3s.cattle.io/local-snapshots-timestamp'])
      }
    },
    4 * minutes,
  )

  test(
    'the command reads config.yaml and speaks to the server of its machine',
    async () => {
      const second = nodes.servers[1]!
      writeFileSync(second.file('config.yaml'), 'etcd-snapshot-compress: true\nnode-label: [a=b]\n')
      const save = ['etcd-snapshot', 'save', '--name', 'by-hand', '--config', second.file('config.yaml')]
      const { stderr, stdout } = await second.skiff([...save, ...where(second)])
      const [, name = ''] = /Snapshot (\S+) saved\./.exec(stderr) ?? []
      expect([name, stdout]).toEqual([expect.stringMatching(new RegExp(`^by-hand-${second.nodeName}-\\d+\\.zip$`)), ''])
      expect(await readdir(folder(second))).toContain(name)
      const listed = await second.skiff(['etcd-snapshot', 'ls', ...where(second)])
      expect(listed.stdout).toMatch(new RegExp(`^${name} +file://`, 'm'))
      const verified = await second.skiff(['etcd-snapshot', 'verify', name, ...where(second)])
      expect(verified.stderr).toMatch(/can be restored: etcd, revision \d+, \d+ keys/)
    },
    3 * minutes,
  )

  test(
    "kubectl at one server deletes another's snapshot, and its file goes",
    async () => {
      const second = nodes.servers[1]!
      const object = (await told()).find(({ spec }) => spec.snapshotName.startsWith('by-hand-'))!
      const said = await nodes.first.kubectl(['describe', 'etcdsnapshotfile', object.metadata.name])
      expect(said).toMatch(/Normal +ETCDSnapshotCreated .* k3s-supervisor +Snapshot by-hand-/)
      await nodes.first.kubectl(['delete', 'etcdsnapshotfile', object.metadata.name])
      expect((await readdir(folder(second))).filter(name => name.startsWith('by-hand-'))).toEqual([])
    },
    2 * minutes,
  )
})
