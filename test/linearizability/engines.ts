/** The engines that registers are kept in, with what can go wrong with each. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { etcdInstalled, startEtcdServer } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { hasMysql, startMysql } from '../../bootstrap/datastore/testing/mysql-server.ts'
import { postgresPrograms, startPostgres } from '../../bootstrap/datastore/testing/postgres-server.ts'
import type { ServerProcess } from '../../bootstrap/datastore/testing/processes.ts'

/** A database that several servers share. */
export interface Engine {
  readonly port: number
  /** As --datastore-endpoint, through that port of loopback. */
  endpoint(port: number): string
  kill(): Promise<void>
  start(): Promise<void>
  freeze(frozen: boolean): void
  destroy(): Promise<void>
}

export const engines: { readonly [name: string]: (() => Promise<Engine>) | undefined } = {
  etcd: etcdInstalled ? etcd : undefined,
  postgres: postgresPrograms ? postgres : undefined,
  mysql: hasMysql ? mysql : undefined,
}

async function etcd(): Promise<Engine> {
  const ports = [await freePort(), await freePort()] as const
  const server = await startEtcdServer({ ports })
  return {
    port: ports[0],
    endpoint: port => `http://127.0.0.1:${port}`,
    kill: () => server.stop(true),
    start: () => server.start(),
    freeze: frozen => server.signal(frozen ? 'SIGSTOP' : 'SIGCONT'),
    destroy: () => server.destroy(),
  }
}

async function postgres(): Promise<Engine> {
  const server = await startPostgres({ durable: true })
  return {
    port: server.port,
    endpoint: port => `postgres://${server.source('skiff', port)}?sslmode=disable`,
    ...controls(server.process),
    destroy: () => server.destroy(),
  }
}

async function mysql(): Promise<Engine> {
  const server = await startMysql({ durable: true })
  return {
    port: server.port,
    endpoint: port => `mysql://${server.source('skiff', port)}`,
    ...controls(server.process),
    destroy: () => server.destroy(),
  }
}

function controls(process: ServerProcess): Pick<Engine, 'kill' | 'start' | 'freeze'> {
  return {
    kill: () => process.stop('SIGKILL'),
    start: () => process.start(),
    freeze: frozen => process.freeze(frozen, [process.pid, ...childrenOf(process.pid)]),
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** A folder for a SQLite file; `remove` when done. */
export function folder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'skiff-checks-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
