/**
 * Snapshots of a datastore of a gigabyte, of each engine: how long, by how much the process grows, what writes notice of it.
 * SKIFF_BENCH_MB asks for another size, an argument for one engine only.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { etcdInstalled, startEtcdServer } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { hasMysql, startMysql } from '../../bootstrap/datastore/testing/mysql-server.ts'
import { postgresPrograms, startPostgres } from '../../bootstrap/datastore/testing/postgres-server.ts'
import { canOpenEtcd } from '../../bootstrap/snapshots/testing/programs.ts'
import { timed } from './measure.ts'
import { report } from './row.ts'
import type { Done, Work } from './snapshots-process.ts'

interface Engine {
  readonly name: string
  readonly available: boolean
  start(dir: string): Promise<Started>
}

interface Started {
  readonly endpoint: string
  /** The engine's own way to a file, flushed to the disk. */
  readonly floor: { readonly what: string; readonly command: string }
  destroy(): Promise<void>
}

const megabytes = Number(process.env.SKIFF_BENCH_MB ?? 1000)

const engines: readonly Engine[] = [
  {
    name: 'sqlite',
    available: true,
    start: async dir => ({
      endpoint: '',
      floor: { what: 'cp and sync', command: `cp ${dir}/state.db ${dir}/floor && sync ${dir}/floor` },
      destroy: async () => undefined,
    }),
  },
  {
    name: 'etcd',
    available: etcdInstalled && canOpenEtcd,
    async start(dir) {
      const server = await startEtcdServer({ durable: true })
      const command = `ETCDCTL_API=3 etcdctl --endpoints ${server.endpoint} snapshot save ${dir}/floor`
      return { endpoint: server.endpoint, floor: { what: 'etcdctl snapshot save', command }, destroy: server.destroy }
    },
  },
  {
    name: 'postgres',
    available: postgresPrograms !== undefined,
    async start(dir) {
      const server = await startPostgres({ durable: true })
      const source = `postgres://${server.source('skiff')}`
      const command = `pg_dump --format=custom --compress=0 --file=${dir}/floor '${source}' && sync ${dir}/floor`
      return { endpoint: source, floor: { what: 'pg_dump and sync', command }, destroy: server.destroy }
    },
  },
  {
    name: 'mysql',
    available: hasMysql,
    async start(dir) {
      const server = await startMysql({ durable: true })
      const args = `--host=127.0.0.1 --port=${server.port} --user=skiff --password=secret --single-transaction --hex-blob`
      const command = `mariadb-dump ${args} skiff > ${dir}/floor && sync ${dir}/floor`
      return {
        endpoint: `mysql://${server.source('skiff')}`,
        floor: { what: 'mariadb-dump and sync', command },
        destroy: server.destroy,
      }
    },
  },
]

async function child(work: Work): Promise<Done> {
  const program = join(import.meta.dirname, 'snapshots-process.ts')
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, JSON.stringify(work)])
  return JSON.parse(stdout) as Done
}

async function bench({ name, start }: Engine): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'skiff-bench-snapshots-'))
  const engine = await start(dir)
  const work: Work = {
    do: 'fill',
    endpoint: engine.endpoint,
    sqlite: join(dir, 'state.db'),
    snapshot: join(dir, 'snapshot'),
    compress: false,
    megabytes,
    dir,
  }
  const figure = (what: string) => `${name}, ${megabytes} MB: ${what}`
  const tell = (what: string, { ms, grownMb, heldMs, writes }: Done, floor?: { value: number; what: string }) => {
    report({ figure: figure(what), unit: 'ms', skiff: ms, ...(floor ? { floor } : {}) })
    report({ figure: figure(`${what}, process grows by`), unit: 'MB', skiff: grownMb })
    report({
      figure: figure(`${what}, longest hold of the main thread`),
      unit: 'ms',
      skiff: heldMs,
      budget: { value: 20 },
    })
    if (writes.count === 0) return
    report({ figure: figure(`${what}, writes meanwhile, 99th percentile`), unit: 'ms', skiff: writes.p99Ms })
    report({ figure: figure(`${what}, writes meanwhile, worst`), unit: 'ms', skiff: writes.worstMs })
  }
  try {
    await child(work)
    const value = await timed(() => execFileSync('sh', ['-c', engine.floor.command], { stdio: 'pipe' }))
    await rm(join(dir, 'floor'), { force: true })
    const floor = { value, what: engine.floor.what }
    tell('snapshot', await child({ ...work, do: 'take' }), floor)
    tell('verification', await child({ ...work, do: 'verify' }))
    await rm(work.snapshot)
    const packed = { ...work, compress: true, passphrase: 'secret', snapshot: `${work.snapshot}.zip.enc` }
    tell('snapshot, compressed and encrypted', await child({ ...packed, do: 'take' }), floor)
    tell('verification, compressed and encrypted', await child({ ...packed, do: 'verify' }))
  } finally {
    await engine.destroy()
    await rm(dir, { recursive: true, force: true })
  }
}

const asked = process.argv[2]
for (const engine of engines) {
  if (asked !== undefined && asked !== engine.name) continue
  if (engine.available) await bench(engine)
  else console.error(`${engine.name} is not installed: not measured`)
}
