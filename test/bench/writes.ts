/** Durable writes per second of 64 clients over TLS, each on its own connection. */
import { type Http, withClients } from './http.ts'
import { type Rate, rate } from './measure.ts'
import { configMap, configMapsPath, pod, podsPath } from './objects.ts'
import { cpuSeconds } from './processes.ts'
import { type Running, startApi, startFloor, withDirectory } from './programs.ts'
import { report } from './row.ts'
import { sqliteGrouped, sqliteSingle } from './sqlite-floor.ts'
import { untilAccount } from './until.ts'

const clients = 64
const warmUp = 3000
const writes = 20_000

interface Created extends Rate {
  /** Of the server, all its threads, per write: what counts on a machine that is busy with other things, too. */
  readonly cpuMicros: number
}

async function creates(
  server: Running,
  connections: readonly Http[],
  path: string,
  body: (name: string) => string,
): Promise<Created> {
  const create = (prefix: string) => (i: number, client: number) =>
    connections[client]!.create(path, body(`${prefix}-${i}`))
  await rate(clients, warmUp, create('warm'))
  const before = cpuSeconds(server.pid)
  const measured = await rate(clients, writes, create('bench'))
  return { ...measured, cpuMicros: ((cpuSeconds(server.pid) - before) * 1e6) / writes }
}

await withDirectory(async directory => {
  const grouped = sqliteGrouped(directory)
  const single = sqliteSingle(directory)
  const bare = await startFloor(directory)
  const echoed = await withClients(bare.target, clients, all => creates(bare, all, '/echo', configMap))
  await bare.stop()
  const server = await startApi(directory)
  await withClients(server.target, clients, async all => {
    await untilAccount(all[0]!)
    const rows = [
      { what: 'ConfigMap', budget: 10_000, made: await creates(server, all, configMapsPath, configMap) },
      { what: 'Pod', budget: 5000, made: await creates(server, all, podsPath, pod) },
    ]
    for (const { what, budget, made } of rows) {
      const floor = { value: echoed.perSecond, what: 'a bare Node HTTP/2 server that echoes 2 KB' }
      const of = `${what} creates, ${clients} clients`
      report({ figure: of, unit: '/s', skiff: made.perSecond, floor, budget: { value: budget } })
      report({ figure: '  p50', unit: 'ms', skiff: made.p50, floor: { ...floor, value: echoed.p50 } })
      report({ figure: '  p99', unit: 'ms', skiff: made.p99, floor: { ...floor, value: echoed.p99 } })
      const cpu = { ...floor, value: echoed.cpuMicros }
      report({ figure: '  processor time of the server', unit: 'µs', skiff: made.cpuMicros, floor: cpu })
    }
    const raw = { value: grouped, what: 'raw SQLite on one thread, 64 inserts of 2 KB per transaction' }
    report({ figure: '  the ConfigMaps against the disk', unit: '/s', skiff: rows[0]!.made.perSecond, floor: raw })
    report({ figure: '  raw SQLite, one insert per transaction', unit: '/s', skiff: single, floor: raw })
  })
  await server.stop()
})
