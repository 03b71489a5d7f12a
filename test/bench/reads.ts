/** Reads that are current: GET and LIST through a server that shares its datastore, next to what its cache has at once. */
import { etcdInstalled, startEtcdServer } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { hasMysql, startMysql } from '../../bootstrap/datastore/testing/mysql-server.ts'
import { postgresPrograms, startPostgres } from '../../bootstrap/datastore/testing/postgres-server.ts'
import { type Http, withClients } from './http.ts'
import { type Rate, rate } from './measure.ts'
import { configMap, configMapsPath } from './objects.ts'
import { startApi, withDirectory } from './programs.ts'
import { report } from './row.ts'
import { untilAccount } from './until.ts'

const clients = 64
const objects = 500
const gets = 10_000
const lists = 300

interface Engine {
  readonly name: string
  /** As --datastore-endpoint has it. */
  start(): Promise<{ readonly endpoint: string; destroy(): Promise<void> }>
}

const engines: Engine[] = [{ name: 'SQLite', start: async () => ({ endpoint: '', destroy: async () => {} }) }]
if (etcdInstalled) engines.push({ name: 'etcd', start: () => startEtcdServer() })
if (postgresPrograms)
  engines.push({
    name: 'PostgreSQL',
    async start() {
      const server = await startPostgres({ durable: false })
      return { endpoint: `postgres://${server.source('bench')}?sslmode=disable`, destroy: () => server.destroy() }
    },
  })
if (hasMysql)
  engines.push({
    name: 'MariaDB',
    async start() {
      const server = await startMysql({ durable: false })
      return { endpoint: `mysql://${server.source('bench')}`, destroy: () => server.destroy() }
    },
  })

async function ok(http: Http, path: string): Promise<void> {
  const { status } = await http.request('GET', path)
  if (status !== 200) throw new Error(`GET ${path} answered ${status}`)
}

interface Pair {
  readonly current: Rate
  readonly cached: Rate
}

/** The same requests without resourceVersion and with 0. */
async function both(all: readonly Http[], count: number, path: (i: number) => string): Promise<Pair> {
  const run = (query: string) => rate(all.length, count, (i, client) => ok(all[client]!, `${path(i)}${query}`))
  await run('?resourceVersion=0')
  return { cached: await run('?resourceVersion=0'), current: await run('') }
}

for (const engine of engines) {
  await withDirectory(async directory => {
    const store = await engine.start()
    const server = await startApi(directory, {
      args: store.endpoint === '' ? [] : ['--datastore-endpoint', store.endpoint],
    })
    await withClients(server.target, clients, async all => {
      await untilAccount(all[0]!)
      await rate(clients, objects, (i, client) => all[client]!.create(configMapsPath, configMap(`read-${i}`)))
      const one = (i: number) => `${configMapsPath}/read-${i % objects}`
      const alone = await both(all.slice(0, 1), 1000, one)
      const crowd = await both(all, gets, one)
      const listed = await both(all.slice(0, 4), lists, () => configMapsPath)
      const what = 'the same with resourceVersion=0, from the cache'
      const row = (figure: string, unit: 'ms' | '/s', { current, cached }: Pair, of: keyof Rate) =>
        report({ figure, unit, skiff: current[of], floor: { value: cached[of], what } })
      row(`GET over ${engine.name}, 1 client`, 'ms', alone, 'p50')
      row(`GET over ${engine.name}, ${clients} clients`, '/s', crowd, 'perSecond')
      row('  p99', 'ms', crowd, 'p99')
      row(`LIST of ${objects} ConfigMaps over ${engine.name}, 4 clients`, 'ms', listed, 'p50')
    })
    await server.stop()
    await store.destroy()
  })
}
