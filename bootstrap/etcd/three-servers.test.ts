import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { freePort } from '../client/testing/ports.ts'
import { etcdInstalled } from '../datastore/testing/etcd-server.ts'
import { etcdFiles, exists } from './files.ts'
import { keysOf, namesOf, TestCluster, type TestServer, write } from './testing/members.ts'

jest.setTimeout(90_000)

const describeWithEtcd = etcdInstalled ? describe : describe.skip

let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.create()
})

afterAll(() => cluster.destroy())

// One cluster for all: each test leaves three members that vote.
describeWithEtcd('three servers', () => {
  test('join one after the other as learners, under load, and lose nothing', async () => {
    const first = await cluster.add()
    const store = await first.store()
    let stop = false
    let written = 0
    const load = (async () => {
      while (!stop) await write(store, `/r/${written++}`)
    })()
    const [second, third] = [await cluster.prepare(), await cluster.prepare()]
    // Both at once: one waits for the other.
    await Promise.all(
      [second, third].map(async server => {
        server.etcd = await cluster.start(server)
      }),
    )
    stop = true
    await load
    await store.close()
    expect(await namesOf(first)).toEqual([first, second, third].map(server => server.etcd.name))
    for (const server of [first, second, third]) expect(await keysOf(server)).toHaveLength(written)
  })

  test('survive the loss of any one under write load', async () => {
    const { servers } = cluster
    for (const lost of servers) {
      const stores = await Promise.all(servers.filter(server => server !== lost).map(server => server.store()))
      const acknowledged = new Set<string>()
      const errors: Error[] = []
      let stop = false
      const writers = stores.flatMap((store, s) =>
        [0, 1, 2].map(async w => {
          for (let i = 0; !stop; i++) {
            const key = `/r/${lost.etcd.name}/${s}-${w}-${i}`
            try {
              await write(store, key)
              acknowledged.add(key)
            } catch (error) {
              errors.push(error as Error)
            }
          }
        }),
      )
      const progress = async (more: number) => {
        const goal = acknowledged.size + more
        while (acknowledged.size < goal) await new Promise(resolve => setTimeout(resolve, 10))
      }
      await progress(50)
      // Without a word: a machine that hangs, a network that is cut.
      const { pid } = lost.etcd
      process.kill(pid!, 'SIGSTOP')
      await progress(50)
      stop = true
      await Promise.all(writers)
      expect(errors).toEqual([])
      for (const store of stores) await store.close()
      process.kill(pid!, 'SIGCONT')
      const keys = new Set(await keysOf(lost))
      expect([...acknowledged].filter(key => !keys.has(key))).toEqual([])
    }
  })

  test('find one that comes back at another address, and have one pace', async () => {
    const [first, second, third] = cluster.servers as [TestServer, TestServer, TestServer]
    await second.etcd.stop()
    const ports = { ...second.options.ports!, peer: await freePort() }
    second.etcd = await cluster.start(second, { ports, others: undefined })
    const found = (await first.etcd.members()).find(({ name }) => name === second.etcd.name)
    expect(found?.peerURLs).toEqual([`https://127.0.0.1:${ports.peer}`])
    while (await exists(etcdFiles(first.dataDir).alone)) await new Promise(resolve => setTimeout(resolve, 100))
    for (const server of [first, second, third]) {
      const store = await server.store()
      await write(store, `/r/${server.etcd.name}`)
      await store.close()
    }
    const written = [first, second, third].map(server => `/r/${server.etcd.name}`)
    expect(await keysOf(second)).toEqual(expect.arrayContaining(written))
  })

  test('lose a member that is removed; it stays away until it joins anew', async () => {
    const [first, second, third] = cluster.servers as [TestServer, TestServer, TestServer]
    const { name, address } = second.etcd
    await third.etcd.remove(name, '127.0.0.9')
    expect(await namesOf(first)).toHaveLength(3)
    await third.etcd.remove(name, address)
    expect(await namesOf(first)).toEqual([first.etcd.name, third.etcd.name])
    while (!second.lines.some(line => line.includes('this node has been removed from the cluster')))
      await new Promise(resolve => setTimeout(resolve, 20))
    await second.etcd.stop()
    await expect(cluster.start(second, { others: undefined })).rejects.toThrow(
      /^this server was removed from its etcd cluster: start it with --server/,
    )
    second.etcd = await cluster.start(second)
    expect(second.etcd.name).not.toBe(name)
    expect(await namesOf(first)).toHaveLength(3)
  })

  test('take back one whose data is lost, and refuse another of the same name', async () => {
    const [first, second, third] = cluster.servers as [TestServer, TestServer, TestServer]
    await third.etcd.stop()
    await rm(etcdFiles(third.dataDir).dir, { recursive: true })
    third.etcd = await cluster.start(third)
    expect(await namesOf(first)).toEqual([first, second, third].map(server => server.etcd.name))
    const twin = await cluster.prepare({ nodeName: 'server-1', address: '127.0.0.2' })
    await expect(cluster.start(twin)).rejects.toThrow(
      'duplicate node name found, please use a unique name for this node',
    )
    expect(await namesOf(first)).toHaveLength(3)
  })
})
