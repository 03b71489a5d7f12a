/** Durable writes per second of 64 clients over TLS, each on its own connection. */
import { type Http, withClients } from './http.ts'
import { type Rate, rate } from './measure.ts'
import { configMap, configMapsPath, pod, podsPath } from './objects.ts'
import { startApi, startFloor, withDirectory } from './programs.ts'
import { report } from './row.ts'
import { sqliteGrouped, sqliteSingle } from './sqlite-floor.ts'
import { untilAccount } from './until.ts'

const clients = 64
const warmUp = 3000
const writes = 20_000

const creates = async (connections: readonly Http[], path: string, body: (name: string) => string): Promise<Rate> => {
  const create = (prefix: string) => (i: number, client: number) =>
    connections[client]!.create(path, body(`${prefix}-${i}`))
  await rate(clients, warmUp, create('warm'))
  return await rate(clients, writes, create('bench'))
}

await withDirectory(async directory => {
  const grouped = sqliteGrouped(directory)
  const single = sqliteSingle(directory)
  const bare = await startFloor(directory)
  const echoed = await withClients(bare.target, clients, all => creates(all, '/echo', configMap))
  await bare.stop()
  const server = await startApi(directory)
  await withClients(server.target, clients, async all => {
    await untilAccount(all[0]!)
    const rows = [
      { what: 'ConfigMap', budget: 10_000, made: await creates(all, configMapsPath, configMap) },
      { what: 'Pod', budget: 5000, made: await creates(all, podsPath, pod) },
    ]
    for (const { what, budget, made } of rows) {
      const floor = { value: echoed.perSecond, what: 'a bare Node HTTP/2 server that echoes 2 KB' }
      const of = `${what} creates, ${clients} clients`
      report({ figure: of, unit: '/s', skiff: made.perSecond, floor, budget: { value: budget } })
      report({ figure: '  p50', unit: 'ms', skiff: made.p50, floor: { ...floor, value: echoed.p50 } })
      report({ figure: '  p99', unit: 'ms', skiff: made.p99, floor: { ...floor, value: echoed.p99 } })
    }
    const raw = { value: grouped, what: 'raw SQLite on one thread, 64 inserts of 2 KB per transaction' }
    report({ figure: '  the ConfigMaps against the disk', unit: '/s', skiff: rows[0]!.made.perSecond, floor: raw })
    report({ figure: '  raw SQLite, one insert per transaction', unit: '/s', skiff: single, floor: raw })
  })
  await server.stop()
})
