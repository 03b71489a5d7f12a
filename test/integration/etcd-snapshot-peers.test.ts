/** Servers that share a datastore: what is the same for all is saved once. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type EtcdServer, etcdInstalled, startEtcdServer } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { etcdSnapshot, eventually } from './etcd-snapshot.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(240_000)

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

  const files = async ({ dataDir }: RunningServer) => {
    const dir = join(dataDir, 'server/db/snapshots')
    return existsSync(dir) ? (await readdir(dir)).filter(name => !name.startsWith('.')).sort() : []
  }

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
