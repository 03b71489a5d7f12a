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
import { type RunningServer, skiff, startServer } from './server.ts'

jest.setTimeout(240_000)

const folder = ({ dataDir }: RunningServer) => join(dataDir, 'server/db/snapshots')
const files = async (server: RunningServer) =>
  existsSync(folder(server)) ? (await readdir(folder(server))).filter(name => !name.startsWith('.')).sort() : []

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
      const [first = ''] = await eventually(
        () => files(server),
        names => names.length > 0,
      )
      expect(first).toMatch(/^etcd-snapshot-n1-\d+\.zip\.enc$/)
      const { out } = await etcdSnapshot(server, 'list', '-o', 'json')
      const { items } = JSON.parse(out) as { items: { metadata: { annotations: object } }[] }
      expect(items[0]!.metadata.annotations).toHaveProperty(['etcd.k3s.cattle.io/snapshot-verified'])

      const saved = (await etcdSnapshot(server, 'save', '--name', 'kept')).err
      const path = join(folder(server), /Snapshot (\S+) saved/.exec(saved)![1]!)
      expect((await etcdSnapshot(server, 'verify', path)).err).toContain('is encrypted: give the passphrase')
      expect((await etcdSnapshot(server, 'verify', path, ...passphrase)).err).toContain('can be restored: dump')
      expect(await server.stop()).toBe(0)
      const reset = ['server', '--disable-agent', '--data-dir', server.dataDir, '--https-listen-port']
      const restore = [...reset, String(await freePort()), '--cluster-reset', `--cluster-reset-restore-path=${path}`]
      const { code, output } = await skiff(...restore, ...flags)
      expect([code, output]).toEqual([0, expect.stringContaining('restart without --cluster-reset flag now')])
      server = await startServer([...flags, '--etcd-disable-snapshots'], server.dataDir)
      // Those that came after it are not in it.
      const objects = async () => JSON.parse((await etcdSnapshot(server, 'list', '-o', 'json')).out).items.length
      expect(await objects()).toBe((await files(server)).length)
    } finally {
      await server.remove()
      await database.destroy()
      await rm(dir, { recursive: true, force: true })
    }
  })
