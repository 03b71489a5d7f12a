/** Servers that share a datastore: what is the same for all is saved once. */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { type EtcdServer, etcdInstalled, startEtcdServer } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { hasMysql, startMysql } from '../../bootstrap/datastore/testing/mysql-server.ts'
import { postgresPrograms, startPostgres } from '../../bootstrap/datastore/testing/postgres-server.ts'
import { etcdSnapshot, eventually } from './etcd-snapshot.ts'
import { HttpClient } from './http-client.ts'
import { type RunningServer, skiff, startServer } from './server.ts'

jest.setTimeout(240_000)

const folder = ({ dataDir }: RunningServer) => join(dataDir, 'server/db/snapshots')
const files = async (server: RunningServer) =>
  existsSync(folder(server)) ? (await readdir(folder(server))).filter(name => !name.startsWith('.')).sort() : []

interface Listed {
  readonly metadata: { readonly annotations?: { readonly [name: string]: string } }
  readonly spec: { readonly snapshotName: string }
}
/** Nothing, too, while the server has only just begun. */
async function listed(server: RunningServer): Promise<Listed[]> {
  const { code, out, err } = await etcdSnapshot(server, 'list', '-o', 'json')
  if (code !== 0) expect(err).toContain('503 starting')
  return code === 0 ? (JSON.parse(out) as { items: Listed[] }).items : []
}

const configMaps = '/api/v1/namespaces/default/configmaps'
/** Resolves with the status of the answer. */
async function ask(server: RunningServer, ...args: Parameters<HttpClient['ask']>): Promise<number> {
  const client = new HttpClient(server)
  const { status } = await client.ask(...args)
  client.close()
  return status
}
const make = async (server: RunningServer, name: string) =>
  expect(await ask(server, 'POST', configMaps, { body: { metadata: { name } } })).toBe(201)
const read = (server: RunningServer, name: string) => ask(server, 'GET', `${configMaps}/${name}`)

const suite = etcdInstalled ? describe : describe.skip
if (!etcdInstalled) console.log('snapshots of servers that share a datastore: skipped, needs etcd')

suite('two servers on one datastore', () => {
  let etcd: EtcdServer
  const servers: RunningServer[] = []
  beforeAll(async () => {
    etcd = await startEtcdServer()
    for (const name of ['n1', 'n2']) {
      const flags = ['--token', 'secret', '--node-name', name, '--datastore-endpoint', etcd.endpoint]
      servers.push(await startServer([...flags, '--etcd-snapshot-schedule-cron', '@every 1s']))
    }
  })
  afterAll(async () => {
    await Promise.all(servers.map(server => server.remove()))
    await etcd?.destroy()
  })

  test('only the one that leads takes snapshots on schedule; both on request', async () => {
    const [first, second] = servers as [RunningServer, RunningServer]
    await eventually(
      () => files(first),
      names => names.length >= 2,
    )
    expect(await files(second)).toEqual([])
    const { code } = await etcdSnapshot(second, 'save')
    expect(code).toBe(0)
    const [name = ''] = await files(second)
    expect(name).toMatch(/^on-demand-n2-\d+$/)
    expect((await etcdSnapshot(second, 'verify', name)).code).toBe(0)
  })

  test('the next leader goes on', async () => {
    const [first, second] = servers as [RunningServer, RunningServer]
    await first.kill9()
    const taken = await eventually(
      () => files(second),
      names => names.some(name => name.startsWith('etcd-snapshot-n2-')),
    )
    expect(taken.length).toBeGreaterThan(1)
  })
})

const databases = [
  ['PostgreSQL', postgresPrograms !== undefined, 'postgres', () => startPostgres({ durable: false })],
  ['MariaDB', hasMysql, 'mysql', () => startMysql({ durable: false })],
] as const

for (const [title, isInstalled, scheme, startDatabase] of databases)
  (isInstalled ? test : test.skip)(`${title}: on schedule, encrypted, and restored`, async () => {
    const database = await startDatabase()
    const dir = await mkdtemp(join(tmpdir(), 'skiff-snapshot-sql-'))
    const passphrase = ['--etcd-snapshot-passphrase-file', join(dir, 'passphrase')]
    await writeFile(passphrase[1]!, 'correct horse\n')
    const endpoint = ['--datastore-endpoint', `${scheme}://${database.source('cluster')}`]
    const flags = [...endpoint, '--node-name', 'n1', ...passphrase, '--etcd-snapshot-compress']
    let server = await startServer([...flags, '--etcd-snapshot-schedule-cron', '@every 1s'])
    try {
      const [first] = await eventually(
        () => listed(server),
        items => items[0]?.metadata.annotations?.['etcd.k3s.cattle.io/snapshot-verified'] !== undefined,
      )
      expect(first!.spec.snapshotName).toMatch(/^etcd-snapshot-n1-\d+\.zip\.enc$/)

      await make(server, 'kept')
      const { err: saved } = await eventually(
        () => etcdSnapshot(server, 'save', '--name', 'kept'),
        ({ code }) => code === 0, // One of the schedule may be under way.
      )
      await make(server, 'gone')
      const path = join(folder(server), /Snapshot (\S+) saved/.exec(saved)![1]!)
      expect((await etcdSnapshot(server, 'verify', path)).err).toContain('is encrypted: give the passphrase')
      expect((await etcdSnapshot(server, 'verify', path, ...passphrase)).err).toContain('can be restored: dump')
      expect(await server.stop()).toBe(0)
      const reset = ['server', '--disable-agent', '--data-dir', server.dataDir, '--https-listen-port']
      const restore = [...reset, String(await freePort()), '--cluster-reset', `--cluster-reset-restore-path=${path}`]
      const { code, output } = await skiff(...restore, ...flags)
      expect([code, output]).toEqual([0, expect.stringContaining('restart without --cluster-reset flag now')])
      server = await startServer([...flags, '--etcd-disable-snapshots'], server.dataDir)
      expect([await read(server, 'kept'), await read(server, 'gone')]).toEqual([200, 404])
    } finally {
      await server.remove()
      await database.destroy()
      await rm(dir, { recursive: true, force: true })
    }
  })
