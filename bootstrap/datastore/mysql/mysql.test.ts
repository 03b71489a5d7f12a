import { afterAll, beforeAll, describe } from '@jest/globals'
import { datastoreContract } from '../contract.ts'
import { hasMysql, type MysqlServer, startMysql } from '../testing/mysql-server.ts'
import { realClock, silent } from '../testing/processes.ts'
import { openMysql } from './mysql.ts'

let server: MysqlServer
let databases = 0

beforeAll(async () => {
  if (hasMysql) server = await startMysql({ durable: false })
}, 60_000)

afterAll(async () => {
  await server?.destroy()
})

;(hasMysql ? describe : describe.skip)('with a real server', () => {
  datastoreContract('mysql', async () => {
    const source = server.source(`contract_${++databases}`)
    const open = () => openMysql({ source, tls: {}, clock: realClock, log: silent })
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
