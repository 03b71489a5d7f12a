/** What holds over the datastore in memory holds over each engine, whose changes take their own way and time. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import type { ServiceSpec } from '../../api/types.gen.ts'
import type { Client } from '../../client/client.ts'
import { configMaps, services } from '../../client/resources.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { openDatastore } from '../../datastore/open.ts'
import { etcdInstalled, startEtcdServer } from '../../datastore/testing/etcd-server.ts'
import { hasMysql, startMysql } from '../../datastore/testing/mysql-server.ts'
import { postgresPrograms, startPostgres } from '../../datastore/testing/postgres-server.ts'
import { realClock, silent } from '../../datastore/testing/processes.ts'
import { assembledOver, type TestPeers } from '../testing-assembled.ts'

interface Engine {
  readonly endpoint: string
  destroy(): Promise<void>
}

const engines: readonly (readonly [name: string, installed: boolean, start: () => Promise<Engine>])[] = [
  ['etcd', etcdInstalled, () => startEtcdServer()],
  [
    'PostgreSQL',
    postgresPrograms !== undefined,
    async () => {
      const server = await startPostgres({ durable: false })
      return { endpoint: `postgres://${server.source('peers')}?sslmode=disable`, destroy: () => server.destroy() }
    },
  ],
  [
    'MariaDB',
    hasMysql,
    async () => {
      const server = await startMysql({ durable: false })
      return { endpoint: `mysql://${server.source('peers')}`, destroy: () => server.destroy() }
    },
  ],
]

const at = (name: string) => ({ name, namespace: 'default' })
const map = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at(name), data: {} })
const merge = { type: 'merge' } as const

describe.each(engines)('three servers over %s', (_, installed, start) => {
  const withEngine = installed ? test : test.skip
  let engine: Engine
  let datastores: Datastore[]
  let peers: TestPeers
  let clients: Client[]

  beforeAll(async () => {
    if (!installed) return
    engine = await start()
    const open = () =>
      openDatastore({ endpoint: engine.endpoint, file: '' } as never, { clock: realClock, log: silent })
    datastores = [await open(), await open(), await open()]
    peers = await assembledOver(datastores)
    clients = peers.servers.map(server => server.client())
  }, 60_000)
  afterAll(async () => {
    if (!installed) return
    await peers.stop()
    for (const datastore of datastores) await datastore.close()
    await engine.destroy()
  }, 30_000)

  withEngine(
    'a read, a list and a decision through one know what another has acknowledged',
    async () => {
      await clients[0]!.create(configMaps, map('turns') as never)
      for (let i = 1; i <= 60; i++) {
        const [writer, reader, third] = [clients[i % 3]!, clients[(i + 1) % 3]!, clients[(i + 2) % 3]!]
        const written = await writer.patch(configMaps, at('turns'), { data: { n: `${i}` } }, merge)
        const [read, list] = await Promise.all([
          reader.get(configMaps, at('turns')),
          third.list(configMaps, { namespace: 'default' }),
        ])
        expect(read.data).toEqual({ n: `${i}` })
        expect(list.items.find(({ metadata }) => metadata.name === 'turns')?.data).toEqual({ n: `${i}` })
        const replaced = await third.update(configMaps, { ...written, data: { n: `${i}`, by: 'third' } })
        await reader.patch(configMaps, at('turns'), { data: { by: null } }, merge)
        expect(Number(replaced.metadata.resourceVersion)).toBeGreaterThan(Number(written.metadata.resourceVersion))
      }
    },
    30_000,
  )

  withEngine(
    'of increments through all none is lost, and of creations of one name one succeeds',
    async () => {
      await clients[0]!.create(configMaps, map('counter') as never)
      const add = (i: number) => clients[i % 3]!.patch(configMaps, at('counter'), { data: { [`k${i}`]: '1' } }, merge)
      await Promise.all(Array.from({ length: 60 }, (_, i) => add(i)))
      expect(Object.keys((await clients[1]!.get(configMaps, at('counter'))).data ?? {})).toHaveLength(60)
      for (let round = 0; round < 10; round++) {
        const tries = await Promise.allSettled(
          clients.map(client => client.create(configMaps, map(`r${round}`) as never)),
        )
        expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      }
    },
    30_000,
  )

  withEngine(
    'no two Services get the same address or port',
    async () => {
      const service = (name: string) =>
        ({
          apiVersion: 'v1',
          kind: 'Service',
          metadata: at(name),
          spec: { type: 'NodePort', ports: [{ port: 80 }] },
        }) as never
      const made = await Promise.all(
        Array.from({ length: 90 }, (_, i) => clients[i % 3]!.create(services, service(`s${i}`))),
      )
      const specs = made.map(({ spec }) => spec as ServiceSpec)
      expect(new Set(specs.map(({ clusterIP }) => clusterIP)).size).toBe(90)
      expect(new Set(specs.map(({ ports }) => ports?.[0]?.nodePort)).size).toBe(90)
    },
    30_000,
  )
})
