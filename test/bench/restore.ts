/**
 * Restores of a snapshot of a gigabyte, to each engine: how long, and by how much the process grows. SKIFF_BENCH_MB asks for
 * another size.
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
import type { Done, Work } from './restore-process.ts'
import { report } from './row.ts'

const megabytes = Number(process.env.SKIFF_BENCH_MB ?? 1000)
const root = process.getuid?.() === 0

/** etcd listens on its own ports, which others may have: `alone` has a loopback of its own. */
async function child(work: Work, alone = false): Promise<Done> {
  const program = join(import.meta.dirname, 'restore-process.ts')
  const command = [process.execPath, '--expose-gc', program, JSON.stringify(work)]
  const [file, ...args] =
    alone && root ? ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...command] : command
  const { stdout } = await promisify(execFile)(file!, args)
  return JSON.parse(stdout) as Done
}

interface Floor {
  readonly what: string
  readonly command: string
}

async function bench(
  what: string,
  work: { readonly snapshot: string; readonly flags: readonly string[] },
  dir: string,
  floor?: Floor,
): Promise<void> {
  const dataDir = join(dir, 'restored')
  const value = floor && (await timed(() => execFileSync('sh', ['-c', floor.command], { stdio: 'pipe' })))
  await rm(join(dir, 'floor'), { recursive: true, force: true })
  const { ms, grownMb } = await child({ do: 'restore', dataDir, ...work }, !work.flags.join().includes('://'))
  await rm(dataDir, { recursive: true, force: true })
  const figure = `restore of ${megabytes} MB, ${what}`
  report({ figure, unit: 'ms', skiff: ms, ...(floor ? { floor: { value: value!, what: floor.what } } : {}) })
  report({ figure: `${figure}: process grows by`, unit: 'MB', skiff: grownMb })
}

const dir = await mkdtemp(join(tmpdir(), 'skiff-bench-restore-'))
try {
  const made = join(dir, 'made')
  const sqlite = join(dir, 'sqlite')
  await child({ do: 'make', dataDir: made, snapshot: sqlite, megabytes, endpoint: '' })
  await rm(made, { recursive: true })
  const copy = { what: 'cp and sync', command: `cp ${sqlite} ${dir}/floor && sync ${dir}/floor` }
  await bench('SQLite to SQLite', { snapshot: sqlite, flags: [] }, dir, copy)
  if (etcdInstalled) await bench('SQLite to etcd', { snapshot: sqlite, flags: ['--cluster-init'] }, dir, copy)
  if (etcdInstalled && canOpenEtcd) {
    const etcd = join(dir, 'etcd')
    const server = await startEtcdServer({ durable: true })
    try {
      await child({ do: 'make', dataDir: made, snapshot: etcd, megabytes, endpoint: server.endpoint })
    } finally {
      await server.destroy()
    }
    const restore = `ETCDCTL_API=3 etcdctl snapshot restore ${etcd} --data-dir ${dir}/floor && sync -f ${dir}`
    const floor = { what: 'etcdctl snapshot restore and sync', command: restore }
    await bench('etcd to etcd', { snapshot: etcd, flags: [] }, dir, floor)
    await bench('etcd to SQLite', { snapshot: etcd, flags: ['--datastore-endpoint=sqlite'] }, dir, floor)
    await rm(etcd)
  }
  for (const [name, scheme, installed, start] of [
    ['PostgreSQL', 'postgres', postgresPrograms !== undefined, startPostgres],
    ['MariaDB', 'mysql', hasMysql, startMysql],
  ] as const) {
    if (!installed) continue
    const server = await start({ durable: true })
    const endpoint = `${scheme}://${server.source('skiff')}`
    try {
      await bench(`SQLite to ${name}`, { snapshot: sqlite, flags: ['--datastore-endpoint', endpoint] }, dir, copy)
    } finally {
      await server.destroy()
    }
  }
} finally {
  await rm(dir, { recursive: true, force: true })
}
