import { afterAll, beforeAll, describe } from '@jest/globals'
import { datastoreContract } from '../contract.ts'
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
    const open = () => openPostgres({ source, tls: {}, clock: realClock, log: silent })
    let store = await open()
    return {
      store,
      reopen: async () => {
        await store.close()
        store = await open()
        return store
      },
      destroy: () => store.close(),
    }
  })
})
