import { hasMysql, startMysql } from '../testing/mysql-server.ts'
import { realClock, silent } from '../testing/processes.ts'
import { sqlContract } from '../testing/sql-contract.ts'
import { openMysql } from './mysql.ts'

sqlContract({
  scheme: 'mysql',
  installed: hasMysql,
  start: durable => startMysql({ durable }),
  open: (source, tls, limits) =>
    openMysql({ source, tls, clock: realClock, log: silent, ...(limits ? { limits } : {}) }),
  kine: [
    'CREATE TABLE kine (id BIGINT PRIMARY KEY, name VARCHAR(630))',
    "INSERT INTO kine VALUES (1, 'compact_rev_key')",
  ],
})
