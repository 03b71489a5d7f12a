import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { datastoreContract, openedBy } from '../contract.ts'
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
    return openedBy(() => openMysql({ source, tls: {}, clock: realClock, log: silent }))
  })

  test('a transaction that fails half-way leaves nothing behind: no row, no lock', async () => {
    const source = server.source('half_way')
    const open = () => openMysql({ source, tls: {}, clock: realClock, log: silent })
    const [one, other] = [await open(), await open()]
    expect(await one.commit({ op: 'create', key: '/r/0', value: Buffer.from('0') })).toBe(1)
    const fail = "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no room'"
    for (const when of ['INSERT ON skiff_log', 'UPDATE ON skiff_meta']) {
      await server.run(`CREATE TRIGGER fail BEFORE ${when} ${fail}`, 'half_way')
      const refused = one.commit({ op: 'create', key: '/r/a', value: Buffer.from('a') })
      await expect(refused).rejects.toThrow('no room: nothing was written')
      await server.run('DROP TRIGGER fail', 'half_way')
      const revision = await other.revision()
      expect(await other.commit({ op: 'create', key: `/r/${when}`, value: Buffer.from('1') })).toBe(revision + 1)
      expect((await other.read('/r/a')).entries).toEqual([])
    }
    expect(await one.commit({ op: 'create', key: '/r/a', value: Buffer.from('a') })).toBe(4)
    await Promise.all([one.close(), other.close()])
  })

  test('a key that is too long spoils no other write', async () => {
    const store = await openMysql({ source: server.source('long'), tls: {}, clock: realClock, log: silent })
    const results = await Promise.allSettled(
      [`/r/${'x'.repeat(2000)}`, '/r/a'].map(key => store.commit({ op: 'create', key, value: Buffer.from('a') })),
    )
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    await store.close()
  })
})
