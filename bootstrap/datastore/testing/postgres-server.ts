/** A real PostgreSQL from Debian's package, in a folder of its own. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { appendFile, copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from '../../client/testing/ports.ts'
import type { CertificateFiles } from './certificates.ts'
import { folderFor, ServerProcess, userFor } from './processes.ts'

const root = '/usr/lib/postgresql'

/** Where the newest installed version's programs are; undefined when there is none. */
export const postgresPrograms = ((): string | undefined => {
  try {
    const newest = readdirSync(root).toSorted((a, b) => Number(b) - Number(a))[0]
    return newest === undefined ? undefined : join(root, newest, 'bin')
  } catch {
    return undefined
  }
})()

if (!postgresPrograms) console.warn('PostgreSQL is not installed (scripts/setup.sh): its tests are skipped')

export interface PostgresOptions {
  /** Whether a crash of the machine would lose nothing; off only where no crash is tested. */
  readonly durable: boolean
  readonly tls?: CertificateFiles
}

export interface PostgresServer {
  readonly process: ServerProcess
  readonly port: number
  /** "user:password@host:port/database" */
  source(database: string, port?: number): string
  /** Runs one statement as its owner. */
  run(statement: string, database?: string): Promise<readonly unknown[]>
  destroy(): Promise<void>
}

export async function startPostgres({ durable, tls }: PostgresOptions): Promise<PostgresServer> {
  const user = userFor('postgres')
  const dir = await folderFor('skiff-postgres-', user)
  const data = join(dir, 'data')
  const port = await freePort()
  const program = (name: string) => join(postgresPrograms!, name)
  await writeFile(join(dir, 'password'), 'secret', { mode: 0o644 })
  const initdb = ['-D', data, '-U', 'postgres', '--pwfile', join(dir, 'password'), '-A', 'scram-sha-256', '--no-sync']
  execFileSync(program('initdb'), [...initdb, '-E', 'UTF8', '--locale=C'], { ...user, cwd: dir, stdio: 'pipe' })
  const settings = [
    `port = ${port}`,
    "listen_addresses = '127.0.0.1'",
    `unix_socket_directories = '${dir}'`,
    'max_connections = 100',
    'shared_buffers = 64MB',
    'logging_collector = off',
    ...(durable ? [] : ['fsync = off', 'full_page_writes = off']),
    ...(tls
      ? ['ssl = on', "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'", "ssl_ca_file = 'ca.crt'"]
      : []),
  ]
  await appendFile(join(data, 'postgresql.conf'), `${settings.join('\n')}\n`)
  if (tls) {
    for (const [from, to] of [
      [tls.ca, 'ca.crt'],
      [tls.cert, 'server.crt'],
      [tls.key, 'server.key'],
    ] as const) {
      await copyFile(from, join(data, to))
      execFileSync('chmod', ['600', join(data, to)])
      if (user.uid !== undefined) execFileSync('chown', [`${user.uid}:${user.gid}`, join(data, to)])
    }
    const hosts = 'local all all trust\nhostssl all cert_user all cert\nhostssl all all all scram-sha-256\n'
    await writeFile(join(data, 'pg_hba.conf'), hosts)
  }

  const run = async (statement: string, database = 'postgres'): Promise<readonly unknown[]> => {
    const client = new pg.Client({ host: dir, port, user: 'postgres', password: 'secret', database })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(statement)).rows
    } finally {
      await client.end()
    }
  }
  const server = new ServerProcess(
    dir,
    user,
    () => [program('postgres'), ['-D', data]],
    async () => {
      await run('SELECT 1')
    },
  )
  await server.start()
  return {
    process: server,
    port,
    source: (database, through = port) => `postgres:secret@127.0.0.1:${through}/${database}`,
    run,
    destroy: async () => {
      // At once, and with its children: a killed one would leave those for a moment.
      await server.stop('SIGQUIT')
      await server.destroy()
    },
  }
}
