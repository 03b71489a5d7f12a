import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { systemClock } from '../client/clock.ts'
import { CompactedError, ConflictError } from '../datastore/datastore.ts'
import { openSqlite } from '../datastore/sqlite/sqlite.ts'
import { etcdInstalled } from '../datastore/testing/etcd-server.ts'
import { etcdFiles, exists } from './files.ts'
import { migrate, prepareMigration } from './migrate.ts'
import { TestCluster, type TestServer } from './testing/members.ts'

jest.setTimeout(120_000)

const describeWithEtcd = etcdInstalled ? describe : describe.skip
const program = fileURLToPath(new URL('./testing/migration.ts', import.meta.url))

let cluster: TestCluster
let server: TestServer

beforeEach(async () => {
  cluster = await TestCluster.create()
  server = await cluster.prepare()
})

afterEach(() => cluster.destroy())

const keys = 500

/** Some hundred keys, of which some were changed or deleted; the expected contents in the order of their last changes. */
async function fillSqlite(): Promise<{ revision: number; expected: string[] }> {
  await mkdir(`${server.options.dataDir}/server/db`, { recursive: true })
  const store = await openSqlite({ file: etcdFiles(server.dataDir).sqlite, clock: systemClock })
  const revisions = await Promise.all(
    Array.from({ length: keys }, (_, i) =>
      store.commit({ op: 'create', key: `/registry/x/${i}`, value: Buffer.from(`${i}`) }),
    ),
  )
  await store.commit({ op: 'create', key: '/bootstrap/abc', value: Buffer.from('secret') })
  for (let i = 0; i < 50; i++)
    await store.commit({
      op: 'update',
      key: `/registry/x/${i}`,
      value: Buffer.from(`${i} again`),
      revision: revisions[i]!,
    })
  for (let i = 50; i < 60; i++) await store.commit({ op: 'delete', key: `/registry/x/${i}`, revision: revisions[i]! })
  const { entries, revision } = await store.read('')
  await store.close()
  return { revision, expected: entries.map(({ key, value }) => `${key}=${value}`) }
}

async function contents(): Promise<string[]> {
  const store = await server.store()
  const { entries } = await store.read('/')
  await store.close()
  return entries.filter(({ key }) => !key.startsWith('/skiff/')).map(({ key, value }) => `${key}=${value}`)
}

describeWithEtcd('migration from SQLite', () => {
  test('keeps all keys, and revisions go on where they were', async () => {
    const { revision, expected } = await fillSqlite()
    expect(await prepareMigration(server.dataDir, false)).toBe(false)
    expect(await prepareMigration(server.dataDir, true)).toBe(true)
    server.etcd = await cluster.start(server)
    await migrate(server.dataDir, server.etcd.endpoint, server.tls, cluster.effects(server))
    expect(await contents()).toEqual(expected)
    expect(await exists(etcdFiles(server.dataDir).sqlite)).toBe(false)
    expect(await exists(`${etcdFiles(server.dataDir).sqlite}.migrated`)).toBe(true)
    expect(await prepareMigration(server.dataDir, true)).toBe(false)

    const store = await server.store()
    const now = await store.revision()
    expect(now).toBeGreaterThan(revision)
    const { entries } = await store.read('/registry/')
    expect(Math.min(...entries.map(entry => entry.revision))).toBeGreaterThan(revision)
    // What was changed last before is what was changed last now, but for what was written side by side.
    const last = entries.toSorted((x, y) => x.revision - y.revision).slice(-50 - 64)
    expect(last.filter(entry => String(entry.value).endsWith(' again'))).toHaveLength(50)
    const signal = new AbortController().signal
    await expect(store.watch('/registry/', revision, signal)[Symbol.asyncIterator]().next()).rejects.toThrow(
      CompactedError,
    )
    await expect(store.read('/registry/', { at: revision })).rejects.toThrow(CompactedError)

    const watching = store.watch('/registry/', now, signal)[Symbol.asyncIterator]()
    const next = watching.next()
    const entry = entries[0]!
    const changed = await store.commit({
      op: 'update',
      key: entry.key,
      value: Buffer.from('n'),
      revision: entry.revision,
    })
    expect(changed).toBe(now + 1)
    expect((await next).value).toMatchObject({
      revision: changed,
      changes: [{ previous: { revision: entry.revision } }],
    })
    const stale = await store
      .commit({ op: 'update', key: entry.key, value: Buffer.from('m'), revision: entry.revision })
      .catch((error: unknown) => error)
    expect(stale).toBeInstanceOf(ConflictError)
    expect((stale as ConflictError).current?.revision).toBe(changed)
    expect((await store.read('/registry/', { at: now, limit: 1 })).revision).toBe(now)
    await store.close()
  })

  test('killed at any moment, is completed by the next start', async () => {
    const { revision, expected } = await fillSqlite()
    /** Kills the process after so many steps; resolves with its exit code, or undefined when it was killed. */
    const run = async (steps: number): Promise<number | null> => {
      const child = spawn(process.execPath, [program, JSON.stringify(server.options)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      let done = 0
      child.stdout.on('data', (dots: Buffer) => {
        done += dots.length
        if (done >= steps) child.kill('SIGKILL')
        else child.stdin.write('go')
      })
      const [code] = await once(child, 'exit')
      return code as number | null
    }
    // Steps: one for every 64 keys, one after the compaction, one after the file was put aside.
    for (const steps of [1, 4, 9, 10]) {
      expect(await run(steps)).toBeNull()
      expect(await exists(etcdFiles(server.dataDir).migrating)).toBe(true)
    }
    expect(await run(Number.POSITIVE_INFINITY)).toBe(0)
    expect(await exists(etcdFiles(server.dataDir).migrating)).toBe(false)
    server.etcd = await cluster.start(server)
    expect(await contents()).toEqual(expected)
    const store = await server.store()
    expect(await store.revision()).toBeGreaterThan(revision)
    await store.close()
  })
})
