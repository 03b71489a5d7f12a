import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { freePort } from '../../client/testing/ports.ts'
import { datastoreContract, openedBy } from '../contract.ts'
import { type PostgresServer, postgresPrograms, startPostgres } from '../testing/postgres-server.ts'
import { realClock, silent } from '../testing/processes.ts'
import { openPostgres } from './postgres.ts'

let server: PostgresServer
let schemas = 0

beforeAll(async () => {
  if (postgresPrograms) server = await startPostgres({ durable: false })
}, 60_000)

afterAll(async () => {
  await server?.destroy()
})

;(postgresPrograms ? describe : describe.skip)('with a real server', () => {
  datastoreContract('postgres', async () => {
    // A schema each: a database each takes PostgreSQL a second.
    const schema = `contract_${++schemas}`
    await server.run(`CREATE SCHEMA ${schema}`)
    const source = `${server.source('postgres')}?search_path=${schema}`
    return openedBy(() => openPostgres({ source, tls: {}, clock: realClock, log: silent }))
  })

  test('of several hosts, the first that takes writes is used', async () => {
    const nobody = await freePort()
    const source = server.source('postgres').replace('127.0.0.1', `127.0.0.1:${nobody},127.0.0.1`)
    await server.run('CREATE SCHEMA hosts')
    const store = await openPostgres({ source: `${source}?search_path=hosts`, tls: {}, clock: realClock, log: silent })
    expect(await store.commit({ op: 'create', key: '/r/a', value: Buffer.from('1') })).toBe(1)
    await store.close()
  })

  test('a user who may not create tables is told so', async () => {
    await server.run("CREATE ROLE reader LOGIN PASSWORD 'secret'")
    await server.run('CREATE DATABASE theirs')
    const source = server.source('theirs').replace('postgres:', 'reader:')
    const opening = openPostgres({ source, tls: {}, clock: realClock, log: silent })
    await expect(opening).rejects.toThrow(
      `cannot use PostgreSQL 127.0.0.1:${server.port}/theirs: permission denied for schema public`,
    )
  })

  test('no announcement is needed to see what others write, only time', async () => {
    await server.run('CREATE SCHEMA silence')
    const source = `${server.source('postgres')}?search_path=silence`
    const limits = { lookMs: { least: 50, most: 50 } }
    const store = await openPostgres({ source, tls: {}, clock: realClock, log: silent, limits })
    const stop = new AbortController()
    const watching = store.watch('/r/', 0, stop.signal)[Symbol.asyncIterator]().next()
    await server.run(`
      SET search_path = silence;
      INSERT INTO skiff_log VALUES (1, '/r/a', 1, 0, false, 7, 'x');
      UPDATE skiff_meta SET value = 1 WHERE name = 'revision'`)
    expect((await watching).value).toMatchObject({ revision: 1, changes: [{ type: 'put', entry: { key: '/r/a' } }] })
    stop.abort()
    await store.close()
  })
})
