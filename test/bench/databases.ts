/** Durable writes through the SQL datastores, next to the same rows inserted one by one with the same client. */
import mysql from 'mysql2/promise'
import pg from 'pg'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { openDatastore } from '../../bootstrap/datastore/open.ts'
import { hasMysql, startMysql } from '../../bootstrap/datastore/testing/mysql-server.ts'
import { postgresPrograms, startPostgres } from '../../bootstrap/datastore/testing/postgres-server.ts'
import { silent } from '../../bootstrap/datastore/testing/processes.ts'
import type { DatabaseServer } from '../../bootstrap/datastore/testing/sql-contract.ts'
import { type Rate, rate } from './measure.ts'
import { report } from './row.ts'

const value = Buffer.alloc(2048, 'x')
const loads = [
  { clients: 1, count: 1000 },
  { clients: 64, count: 15_000 },
] as const

/** Inserts one row in a transaction of its own. */
type Insert = (revision: number, key: string) => Promise<unknown>

interface Engine {
  readonly scheme: string
  readonly name: string
  start(): Promise<DatabaseServer>
  /** Connections to a table of two indexes, as the log has them. */
  direct(server: DatabaseServer, connections: number): Promise<{ inserts: readonly Insert[]; close(): Promise<void> }>
}

const postgres: Engine = {
  scheme: 'postgres',
  name: 'PostgreSQL',
  start: () => startPostgres({ durable: true }),
  async direct(server, connections) {
    const url = `postgres://${server.source('postgres')}`
    await server.run('CREATE TABLE IF NOT EXISTS floor (revision bigint PRIMARY KEY, key bytea, value bytea)')
    await server.run('CREATE INDEX IF NOT EXISTS floor_key ON floor (key, revision)')
    await server.run('TRUNCATE floor')
    const clients = Array.from({ length: connections }, () => new pg.Client(url))
    await Promise.all(clients.map(client => client.connect()))
    const text = 'INSERT INTO floor VALUES ($1, $2, $3)'
    return {
      inserts: clients.map(
        client => (revision, key) => client.query({ name: 'i', text, values: [revision, Buffer.from(key), value] }),
      ),
      close: async () => {
        await Promise.all(clients.map(client => client.end()))
      },
    }
  },
}

const mariadb: Engine = {
  scheme: 'mysql',
  name: 'MariaDB',
  start: () => startMysql({ durable: true }),
  async direct(server, connections) {
    await server.run('CREATE DATABASE IF NOT EXISTS floor')
    const table = 'revision BIGINT PRIMARY KEY, name VARBINARY(1024), value LONGBLOB, KEY k (name, revision)'
    await server.run(`CREATE TABLE IF NOT EXISTS log (${table})`, 'floor')
    await server.run('TRUNCATE log', 'floor')
    const options = { host: '127.0.0.1', port: server.port, user: 'skiff', password: 'secret', database: 'floor' }
    const clients = await Promise.all(Array.from({ length: connections }, () => mysql.createConnection(options)))
    return {
      inserts: clients.map(
        client => (revision, key) =>
          client.execute('INSERT INTO log VALUES (?, ?, ?)', [revision, Buffer.from(key), value]),
      ),
      close: async () => {
        await Promise.all(clients.map(client => client.end()))
      },
    }
  },
}

async function floorOf(engine: Engine, server: DatabaseServer, clients: number, count: number): Promise<Rate> {
  const { inserts, close } = await engine.direct(server, clients)
  const made = await rate(clients, count, (i, client) => inserts[client]!(i + 1, `/registry/r/ns/${i}`))
  await close()
  return made
}

async function measure(engine: Engine): Promise<void> {
  const server = await engine.start()
  try {
    const endpoint = `${engine.scheme}://${server.source('bench')}`
    const store = await openDatastore({ endpoint, file: '' }, { clock: systemClock, log: silent })
    for (const { clients, count } of loads) {
      const floor = await floorOf(engine, server, clients, count)
      const create = (i: number) => store.commit({ op: 'create', key: `/registry/r/${clients}/${i}`, value })
      const made = await rate(clients, count, create)
      const what = `the same rows by ${clients === 1 ? 'one connection' : `${clients} connections`}, one per transaction`
      const figure = `${engine.name}: durable writes, ${clients} at once`
      report({ figure, unit: '/s', skiff: made.perSecond, floor: { value: floor.perSecond, what } })
      report({ figure: '  p99', unit: 'ms', skiff: made.p99, floor: { value: floor.p99, what } })
    }
    await store.close()
  } finally {
    await server.destroy()
  }
}

// A server's own connections do not keep a process alive.
const alive = setInterval(() => undefined, 1000)
if (postgresPrograms) await measure(postgres)
if (hasMysql) await measure(mariadb)
clearInterval(alive)
