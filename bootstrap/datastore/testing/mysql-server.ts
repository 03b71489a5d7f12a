/** A real MariaDB from Debian's package, in a folder of its own. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import mysql from 'mysql2/promise'
import { freePort } from '../../client/testing/ports.ts'
import type { CertificateFiles } from './certificates.ts'
import { folderFor, ServerProcess, userFor } from './processes.ts'

const program = '/usr/sbin/mariadbd'

export const hasMysql = existsSync(program)

if (!hasMysql) console.warn('MariaDB is not installed (scripts/setup.sh): its tests are skipped')

export interface MysqlOptions {
  /** Whether a crash of the machine would lose nothing; off only where no crash is tested. */
  readonly durable: boolean
  readonly tls?: CertificateFiles
}

export interface MysqlServer {
  readonly process: ServerProcess
  readonly port: number
  /** "user:password@tcp(host:port)/database" */
  source(database: string, port?: number): string
  /** Runs one statement as root. */
  run(statement: string, database?: string): Promise<readonly unknown[]>
  destroy(): Promise<void>
}

export async function startMysql({ durable, tls }: MysqlOptions): Promise<MysqlServer> {
  const user = userFor('nobody')
  const dir = await folderFor('skiff-mysql-', user)
  const data = join(dir, 'data')
  const port = await freePort()
  const install = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db']
  execFileSync('mariadb-install-db', [...install, '--force'], { ...user, cwd: dir, stdio: 'pipe' })
  const socket = join(dir, 'socket')
  const args = [
    '--no-defaults',
    `--datadir=${data}`,
    // One that starts removes the temporary tables of all others that have them in the same folder.
    `--tmpdir=${dir}`,
    `--socket=${socket}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--pid-file=${join(dir, 'pid')}`,
    '--innodb-buffer-pool-size=64M',
    '--skip-name-resolve',
    `--innodb-flush-log-at-trx-commit=${durable ? 1 : 0}`,
  ]
  if (tls) {
    for (const name of ['ca', 'cert', 'key'] as const) {
      await copyFile(tls[name], join(dir, name))
      if (user.uid !== undefined) execFileSync('chown', [`${user.uid}:${user.gid}`, join(dir, name)])
    }
    args.push(`--ssl-ca=${join(dir, 'ca')}`, `--ssl-cert=${join(dir, 'cert')}`, `--ssl-key=${join(dir, 'key')}`)
  }

  const run = async (statement: string, database?: string): Promise<readonly unknown[]> => {
    const client = await mysql.createConnection({ socketPath: socket, user: 'root', ...(database ? { database } : {}) })
    try {
      const [rows] = await client.query(statement)
      return rows as unknown[]
    } finally {
      client.destroy()
    }
  }
  const server = new ServerProcess(
    dir,
    user,
    () => [program, args],
    async () => {
      await run('SELECT 1')
    },
  )
  await server.start()
  await run("CREATE USER IF NOT EXISTS skiff@'127.0.0.1' IDENTIFIED BY 'secret'")
  await run("GRANT ALL ON *.* TO skiff@'127.0.0.1'")
  return {
    process: server,
    port,
    source: (database, through = port) => `skiff:secret@tcp(127.0.0.1:${through})/${database}`,
    run,
    destroy: () => server.destroy(),
  }
}
