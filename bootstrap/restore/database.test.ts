/** Restores into databases and out of them again. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { systemClock } from '../client/clock.ts'
import { ConfigError } from '../config/parse.ts'
import { CompactedError } from '../datastore/datastore.ts'
import { besideMysql } from '../datastore/mysql/beside.ts'
import { besidePostgres } from '../datastore/postgres/beside.ts'
import type { Beside } from '../datastore/sql/beside.ts'
import { hasMysql, startMysql } from '../datastore/testing/mysql-server.ts'
import { postgresPrograms, startPostgres } from '../datastore/testing/postgres-server.ts'
import type { DatabaseServer } from '../datastore/testing/sql-contract.ts'
import { restoreCluster } from './restore.ts'
import { asServer, configOf, create, objects, quietLog, snapshotOf } from './testing/restore-fixture.ts'

jest.setTimeout(180_000)

const options = (source: string) => ({ source, tls: {}, clock: systemClock, log: quietLog })
const engines = [
  {
    scheme: 'postgres',
    installed: postgresPrograms !== undefined,
    start: () => startPostgres({ durable: false }),
    beside: (source: string): Beside => besidePostgres(options(source)),
    kept: "SELECT count(*) AS n FROM information_schema.schemata WHERE schema_name LIKE 'skiff\\_old\\_%'",
    left: "SELECT count(*) AS n FROM information_schema.schemata WHERE schema_name = 'skiff_restore'",
  },
  {
    scheme: 'mysql',
    installed: hasMysql,
    start: () => startMysql({ durable: false }),
    beside: (source: string): Beside => besideMysql(options(source)),
    kept: "SELECT count(*) AS n FROM information_schema.schemata WHERE schema_name LIKE 'one\\_old\\_%'",
    left: "SELECT count(*) AS n FROM information_schema.schemata WHERE schema_name LIKE '%\\_restore'",
  },
]

const signal = new AbortController().signal
let awake: NodeJS.Timeout
let dir: string
beforeEach(async () => {
  awake = setInterval(() => undefined, 1000)
  dir = await mkdtemp(join(tmpdir(), 'skiff-restore-sql-'))
})
afterEach(async () => {
  clearInterval(awake)
  await rm(dir, { recursive: true, force: true })
})

for (const engine of engines) {
  const suite = engine.installed ? describe : describe.skip
  suite(engine.scheme, () => {
    let server: DatabaseServer
    const endpoint = (database: string) => `${engine.scheme}://${server.source(database)}`
    const restore = (data: string, file: string, ...args: string[]) =>
      restoreCluster(configOf(data, '--cluster-reset', `--cluster-reset-restore-path=${file}`, ...args), {
        log: quietLog,
        userland: () => Promise.reject(new Error('no userland')),
        signal,
      })
    const count = async (statement: string, database: string) =>
      Number(((await server.run(statement, database))[0] as { n: number | string }).n)

    beforeAll(async () => {
      server = await engine.start()
    }, 120_000)
    afterAll(() => server?.destroy())

    test('takes a snapshot of SQLite, replaces it by a later one, and goes back to SQLite by its own', async () => {
      const data = join(dir, 'data')
      const [sqlite, dump] = [join(dir, 'sqlite'), join(dir, 'dump')]
      const then = await asServer(data, 'secret', async ({ datastore }) => {
        await create(datastore, 'a', '{"a":1}')
        await snapshotOf(datastore, sqlite)
        return objects(datastore)
      })
      const into = ['--token', 'secret', '--datastore-endpoint', endpoint('one')]
      const restart = () => rm(join(data, 'server/db/reset-flag'))
      await restore(data, sqlite, ...into)
      await restart()
      const seen = await asServer(
        data,
        undefined,
        async ({ datastore }) => {
          expect(await objects(datastore)).toEqual(then)
          const revision = await create(datastore, 'b')
          await snapshotOf(datastore, dump)
          await create(datastore, 'c')
          return revision
        },
        endpoint('one'),
      )
      // The same cluster again: what the database held is put aside.
      await restore(data, sqlite, ...into)
      await restart()
      await asServer(
        data,
        undefined,
        async ({ datastore }) => {
          expect(await objects(datastore)).toEqual(then)
          expect(await datastore.revision()).toBeGreaterThan(seen)
          const watching = datastore.watch('/registry/', seen, signal)[Symbol.asyncIterator]()
          await expect(watching.next()).rejects.toThrow(CompactedError)
          await create(datastore, 'd')
        },
        endpoint('one'),
      )
      expect(await count(engine.kept, 'one')).toBe(2)
      expect(await count(engine.left, 'one')).toBe(0)
      await restore(data, dump, '--token', 'secret', '--datastore-endpoint=sqlite')
      await asServer(data, undefined, async ({ datastore }) =>
        expect(await objects(datastore)).toEqual([...then, '/registry/b={}']),
      )
    })

    test('with another cluster in it is left alone', async () => {
      const sqlite = join(dir, 'sqlite')
      await asServer(join(dir, 'a'), 'secret', async ({ datastore }) => snapshotOf(datastore, sqlite))
      const theirs = await asServer(
        join(dir, 'b'),
        'secret',
        async ({ datastore }) => {
          await create(datastore, 'theirs')
          return objects(datastore)
        },
        endpoint('two'),
      )
      const refused = await restore(
        join(dir, 'a'),
        sqlite,
        '--token=secret',
        `--datastore-endpoint=${endpoint('two')}`,
      ).catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(ConfigError)
      expect((refused as Error).message).toMatch(/holds another cluster than the snapshot's: name another database/)
      await asServer(
        join(dir, 'b'),
        'secret',
        async ({ datastore }) => expect(await objects(datastore)).toEqual(theirs),
        endpoint('two'),
      )
    })

    test('is exchanged once, however often it is asked', async () => {
      const source = server.source('three')
      const used = await asServer(
        join(dir, 'c'),
        'secret',
        async ({ datastore }) => objects(datastore),
        endpoint('three'),
      )
      expect(used).toEqual([])
      const beside = engine.beside(source)
      await (await beside.open(100)).close()
      const store = await beside.open(200)
      expect(await create(store, 'x')).toBe(201)
      await store.close()
      expect(await beside.exchange('7')).toMatch(/old_7$/)
      expect(await beside.exchange('7')).toBeUndefined()
      await asServer(
        join(dir, 'd'),
        'secret',
        async ({ datastore }) => expect(await objects(datastore)).toEqual(['/registry/x={}']),
        endpoint('three'),
      )
    })
  })
}
