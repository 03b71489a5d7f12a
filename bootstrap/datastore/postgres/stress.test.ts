import { postgresPrograms, startPostgres } from '../testing/postgres-server.ts'
import { realClock, silent } from '../testing/processes.ts'
import { sqlContract } from '../testing/sql-contract.ts'
import { openPostgres } from './postgres.ts'

sqlContract({
  scheme: 'postgres',
  installed: postgresPrograms !== undefined,
  start: durable => startPostgres({ durable }),
  open: (source, tls, limits) =>
    openPostgres({ source, tls, clock: realClock, log: silent, ...(limits ? { limits } : {}) }),
  kine: [
    'CREATE TABLE kine (id BIGSERIAL PRIMARY KEY, name text)',
    "INSERT INTO kine (name) VALUES ('compact_rev_key')",
  ],
})
