/** A new member made of a snapshot's keys, beside the one there is. */
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { CompactedError, type Datastore, type Entry } from '../datastore/datastore.ts'
import { etcdInstalled } from '../datastore/testing/etcd-server.ts'
import { etcdFiles } from './files.ts'
import { stageEtcd } from './restore.ts'
import { TestCluster, type TestServer } from './testing/members.ts'

jest.setTimeout(120_000)
const suite = etcdInstalled ? describe : describe.skip
const at = 180_000_000_000_000
const keys = 700

let cluster: TestCluster
let server: TestServer

beforeEach(async () => {
  cluster = await TestCluster.create()
  server = await cluster.prepare()
})
afterEach(() => cluster.destroy())

async function* entries(): AsyncGenerator<Entry> {
  for (let i = 0; i < keys; i++)
    yield { key: `/registry/x/${1000 + i}`, value: Buffer.from(`${i}`), revision: i + 5, createRevision: i + 5 }
}

const all = async (store: Datastore) => (await store.read('/registry/')).entries

async function replaced(content: AsyncIterable<Entry>): Promise<void> {
  const dir = join(server.dataDir, 'server/db/restoring/etcd')
  await stageEtcd(
    { options: server.options, dir, at, content: { from: 'entries', entries: content } },
    cluster.effects(server),
  )
  await rm(etcdFiles(server.dataDir).dir, { recursive: true, force: true })
  await rename(dir, etcdFiles(server.dataDir).dir)
}

suite('a restored member', () => {
  test('starts at once with everything, as another cluster, and revisions go on at the one given', async () => {
    server.etcd = await cluster.start(server)
    const [before] = await server.etcd.members()
    await server.etcd.stop()
    await replaced(entries())

    server.etcd = await cluster.start(server)
    expect(server.etcd.fresh).toBe(false)
    const [member, ...others] = await server.etcd.members()
    expect(others).toEqual([])
    expect(member!.ID).not.toBe(before!.ID)
    expect(member!.name).toMatch(/^server-1-[0-9a-f]{8}$/)
    expect(member!.name).not.toBe(before!.name)
    const store = await server.store()
    const found = await all(store)
    expect(found.map(({ key, value }) => `${key}=${value}`)).toEqual(
      Array.from({ length: keys }, (_, i) => `/registry/x/${1000 + i}=${i}`),
    )
    const revision = await store.revision()
    expect(revision).toBeGreaterThanOrEqual(at)
    expect(Math.min(...found.map(entry => entry.revision))).toBeGreaterThan(at - 10 * keys)
    // Who watched the old cluster is told to list anew, from wherever.
    const signal = new AbortController().signal
    for (const known of [1, 5000, at - 10 * keys])
      await expect(store.watch('/registry/', known, signal)[Symbol.asyncIterator]().next()).rejects.toThrow(
        CompactedError,
      )
    const next = await store.commit({ op: 'create', key: '/registry/y', value: Buffer.from('new') })
    expect(next).toBe(revision + 1)
    await store.close()

    const second = await cluster.add()
    expect(await second.etcd.members()).toHaveLength(2)
    const theirs = await second.store()
    expect((await all(theirs)).length).toBe(keys + 1)
    await theirs.close()
  })

  test('a snapshot that cannot be read leaves nothing running', async () => {
    async function* damaged() {
      yield* entries()
      throw new Error('damaged')
    }
    await expect(replaced(damaged())).rejects.toThrow('damaged')
    // The ports are free again.
    server.etcd = await cluster.start(server)
    expect(server.etcd.fresh).toBe(true)
  })
})
