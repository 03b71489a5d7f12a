import { readFile, rm, stat } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { freePort } from '../client/testing/ports.ts'
import { etcdInstalled } from '../datastore/testing/etcd-server.ts'
import { etcdFiles } from './files.ts'
import { resetCluster } from './reset.ts'
import { keysOf, namesOf, TestCluster, write } from './testing/members.ts'

jest.setTimeout(90_000)

const describeWithEtcd = etcdInstalled ? describe : describe.skip

let cluster: TestCluster

beforeEach(async () => {
  cluster = await TestCluster.create()
})

afterEach(() => cluster.destroy())

describeWithEtcd('a first server', () => {
  test('keeps its member, name and data over restarts, however it ended', async () => {
    const first = await cluster.add()
    const { name } = first.etcd
    expect(name).toMatch(/^server-1-[0-9a-f]{8}$/)
    const store = await first.store()
    await write(store, '/r/a')
    await store.close()
    await first.etcd.stop()
    first.etcd = await cluster.start(first)
    expect(first.etcd).toMatchObject({ name, fresh: false })
    process.kill(first.etcd.pid!, 'SIGKILL')
    expect(await keysOf(first)).toEqual(['/r/a'])
    expect(first.lines.join('\n')).toContain('etcd ended; starting it again')
    expect((await stat(etcdFiles(first.dataDir).dir)).mode & 0o777).toBe(0o700)
  })

  test("has K3s' file of settings, with --etcd-arg over it", async () => {
    const metrics = await freePort()
    const ports = { client: await freePort(), peer: await freePort(), metrics }
    const args = ['quota-backend-bytes=858993459', 'heartbeat-interval=50', 'election-timeout=500']
    const first = await cluster.add({ ports, args })
    const text = await readFile(etcdFiles(first.dataDir).config, 'utf8')
    expect(text).toContain('quota-backend-bytes: 858993459\n')
    expect(text).toContain(`name: ${first.etcd.name}\n`)
    const answer = await fetch(`http://127.0.0.1:${metrics}/metrics`)
    expect(await answer.text()).toContain('etcd_server_has_leader 1')
  })

  test('tells the cluster its new address', async () => {
    const first = await cluster.add()
    await first.etcd.stop()
    const ports = { ...first.options.ports!, peer: await freePort() }
    first.etcd = await cluster.start(first, { ports, address: '127.0.0.1' })
    expect((await first.etcd.members())[0]!.peerURLs).toEqual([`https://127.0.0.1:${ports.peer}`])
  })

  test('comes out of the alarm for a full quota when there is something to forget', async () => {
    const args = ['quota-backend-bytes=4000000', 'heartbeat-interval=50', 'election-timeout=500']
    const first = await cluster.add({ args })
    const store = await first.store(2000)
    let revision = await write(store, '/r/a')
    const fill = async () => {
      for (;;) revision = await store.commit({ op: 'update', key: '/r/a', value: Buffer.alloc(400_000), revision })
    }
    await expect(fill()).rejects.toThrow(/datastore unavailable: etcd, writing \/r\/a: .*database space exceeded/)
    // The keeper looks every fifteen seconds.
    const until = Date.now() + 40_000
    for (;;) {
      const done = await write(store, '/r/b').catch((error: Error) => error)
      if (typeof done === 'number') break
      if (Date.now() > until) throw done
      await new Promise(resolve => setTimeout(resolve, 500))
    }
    await store.close()
  })
})

describeWithEtcd('--cluster-reset', () => {
  test('keeps the data of one server, which is then alone; the others join it anew', async () => {
    const [first, second] = [await cluster.add(), await cluster.add()]
    const store = await first.store()
    await write(store, '/r/a')
    await store.close()
    await first.etcd.stop()
    await expect(resetCluster({ ...second.options, dataDir: '/none' }, cluster.effects(second))).rejects.toThrow(
      '--cluster-reset: there is no embedded etcd in /none/server/db/etcd, nothing to reset',
    )
    await second.etcd.stop()
    await resetCluster(second.options, cluster.effects(second))
    await expect(resetCluster(second.options, cluster.effects(second))).rejects.toThrow(
      /^Managed etcd cluster membership was previously reset, please remove the cluster-reset flag/,
    )
    second.etcd = await cluster.start(second)
    expect(await namesOf(second)).toEqual([second.etcd.name])
    expect(await keysOf(second)).toEqual(['/r/a'])
    await rm(etcdFiles(first.dataDir).dir, { recursive: true })
    first.etcd = await cluster.start(first, { others: async () => [second.etcd.endpoint] })
    expect(await namesOf(second)).toHaveLength(2)
    expect(await keysOf(first)).toEqual(['/r/a'])
  })
})
