/** Databases that servers share, on the outside machine of a network: started, killed, held up as tests want. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { etcdInstalled } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { hasMysql } from '../../bootstrap/datastore/testing/mysql-server.ts'
import { postgresPrograms } from '../../bootstrap/datastore/testing/postgres-server.ts'
import { type User, userFor } from '../../bootstrap/datastore/testing/processes.ts'
import type { Network } from './network.ts'

export type DatabaseKind = 'etcd' | 'postgres' | 'mysql'

export interface Database {
  /** As --datastore-endpoint takes it. */
  readonly endpoint: string
  /** The same data again after `kill`. */
  start(): Promise<void>
  kill(): Promise<void>
  /** It takes connections and answers nothing, until `resume`. */
  pause(): void
  resume(): void
  destroy(): Promise<void>
}

interface Program {
  readonly command: readonly string[]
  readonly user: User
  readonly port: number
  readonly endpoint: string
}

const host = '198.51.100.1'
const limitMs = 60_000

/** Whether the program is on this machine. */
export const hasDatabase: { readonly [kind in DatabaseKind]: boolean } = {
  etcd: etcdInstalled,
  postgres: postgresPrograms !== undefined,
  mysql: hasMysql,
}

/** Each makes what the program needs in `dir`. */
const programs: { readonly [kind in DatabaseKind]: (dir: string) => Program } = {
  etcd: dir => ({
    command: [
      ...['etcd', '--name', 'test', '--data-dir', join(dir, 'data'), '--log-level', 'warn'],
      ...['--listen-client-urls', `http://${host}:2379`, '--advertise-client-urls', `http://${host}:2379`],
      ...['--listen-peer-urls', 'http://127.0.0.1:2380', '--initial-advertise-peer-urls', 'http://127.0.0.1:2380'],
      ...['--initial-cluster', 'test=http://127.0.0.1:2380'],
    ],
    user: {},
    port: 2379,
    endpoint: `http://${host}:2379`,
  }),
  postgres: dir => {
    const [user, data] = [userFor('postgres'), join(dir, 'data')]
    writeFileSync(join(dir, 'password'), 'secret', { mode: 0o644 })
    own(dir, user)
    const made = ['-D', data, '-U', 'postgres', '--pwfile', join(dir, 'password'), '-A', 'scram-sha-256', '--no-sync']
    const settings = { ...user, cwd: dir, stdio: 'pipe' } as const
    execFileSync(join(postgresPrograms!, 'initdb'), [...made, '-E', 'UTF8', '--locale=C'], settings)
    appendFileSync(join(data, 'pg_hba.conf'), 'host all all all scram-sha-256\n')
    const options = [`listen_addresses=${host}`, 'port=5432', `unix_socket_directories=${dir}`, 'max_connections=60']
    return {
      command: [join(postgresPrograms!, 'postgres'), '-D', data, ...options.flatMap(option => ['-c', option])],
      user,
      port: 5432,
      endpoint: `postgres://postgres:secret@${host}:5432/skiff?sslmode=disable`,
    }
  },
  mysql: dir => {
    const [user, data] = [userFor('nobody'), join(dir, 'data')]
    own(dir, user)
    const made = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db']
    execFileSync('mariadb-install-db', [...made, '--force'], { ...user, cwd: dir, stdio: 'pipe' })
    const grants = "CREATE USER IF NOT EXISTS skiff@'%' IDENTIFIED BY 'secret';\nGRANT ALL ON *.* TO skiff@'%';\n"
    writeFileSync(join(dir, 'grants.sql'), grants)
    const options = [`--datadir=${data}`, `--socket=${join(dir, 'socket')}`, `--pid-file=${join(dir, 'pid')}`]
    const network = [
      `--bind-address=${host}`,
      '--port=3306',
      '--skip-name-resolve',
      `--init-file=${join(dir, 'grants.sql')}`,
    ]
    return {
      command: ['/usr/sbin/mariadbd', '--no-defaults', ...options, ...network],
      user,
      port: 3306,
      endpoint: `mysql://skiff:secret@tcp(${host}:3306)/skiff`,
    }
  },
}

function own(dir: string, { uid, gid }: User): void {
  if (uid !== undefined && gid !== undefined) chownSync(dir, uid, gid)
}

export async function startDatabase(kind: DatabaseKind, network: Network): Promise<Database> {
  const dir = mkdtempSync(join(tmpdir(), `skiff-bed-${process.pid}-${kind}-`))
  mkdirSync(dir, { recursive: true })
  const { command, user, port, endpoint } = programs[kind](dir)
  const as =
    user.uid === undefined ? [] : ['setpriv', '--reuid', `${user.uid}`, '--regid', `${user.gid}`, '--clear-groups']
  let child: ChildProcess | undefined
  const start = async () => {
    // A change of user forgets the signal for the parent's death, so that comes last.
    child = network.spawn([...as, 'setpriv', '--pdeathsig', 'KILL', ...command], { stdio: 'ignore', cwd: dir })
    await listening(network, port, child)
  }
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const signal = (name: NodeJS.Signals) => {
    for (const pid of [child!.pid!, ...childrenOf(child!.pid!)]) process.kill(pid, name)
  }
  await start()
  return {
    endpoint,
    start,
    kill,
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async destroy() {
      await kill()
      rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

async function listening(network: Network, port: number, child: ChildProcess): Promise<void> {
  const until = performance.now() + limitMs
  while ((await network.run(['bash', '-c', `exec 3<>/dev/tcp/${host}/${port}`])).code !== 0) {
    if (child.exitCode !== null) throw new Error(`the database ended with ${child.exitCode}`)
    if (performance.now() > until) throw new Error(`the database does not listen on ${port}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
