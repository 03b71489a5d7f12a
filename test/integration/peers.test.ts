/** Two servers as users run them, over one PostgreSQL. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import { loadKubeconfig } from '../../bootstrap/client/kubeconfig.ts'
import { remoteClient } from '../../bootstrap/client/remote.ts'
import {
  configMaps,
  endpoints,
  leases,
  namespaces,
  secrets,
  serviceAccounts,
} from '../../bootstrap/client/resources.ts'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import {
  type PostgresServer,
  postgresPrograms,
  startPostgres,
} from '../../bootstrap/datastore/testing/postgres-server.ts'
import { type RunningServer, startServer } from './server.ts'

const timing = ['lease-duration=4s', 'renew-deadline=3s', 'retry-period=500ms']
const name = (text: string) => ({ name: text, namespace: 'default' })

interface Peer {
  readonly server: RunningServer
  readonly client: Client & { close(): void }
}

const suite = postgresPrograms ? describe : describe.skip

suite('two servers over one PostgreSQL', () => {
  let postgres: PostgresServer
  let flags: string[]
  const peers: Peer[] = []

  beforeAll(async () => {
    postgres = await startPostgres({ durable: false })
    await postgres.run('CREATE DATABASE peers')
    const endpoint = `postgres://${postgres.source('peers')}?sslmode=disable`
    flags = ['--datastore-endpoint', endpoint, '--token', 'shared', '--disable', 'coredns,traefik,metrics-server']
    for (const arg of timing) flags.push(`--kube-controller-manager-arg=leader-elect-${arg}`)
    peers.push(await start('one'), await start('two'))
  }, 120_000)

  afterAll(async () => {
    for (const { client, server } of peers) {
      client.close()
      await server.remove()
    }
    await postgres.destroy()
  })

  async function start(node: string, dataDir?: string): Promise<Peer> {
    const names = node === 'two' ? ['--tls-san', 'vip.example'] : []
    const server = await startServer([...flags, ...names, '--node-name', node], dataDir)
    return { server, client: remoteClient((await loadKubeconfig(server.kubeconfig)).remote) }
  }

  /** Which of the two leads, by its node's name. */
  async function leader(client: Client, of = 'kube-controller-manager'): Promise<string> {
    const lease = await client.get(leases, { name: of, namespace: 'kube-system' })
    return lease.spec.holderIdentity?.split('_')[0] ?? ''
  }
  const peer = (node: string) => peers[node === 'one' ? 0 : 1]!

  async function addresses(client: Client): Promise<number> {
    const { subsets = [] } = (await client.get(endpoints, name('kubernetes'))) as KubeObject & {
      subsets?: readonly { readonly addresses?: readonly unknown[] }[]
    }
    return subsets.reduce((sum, { addresses = [] }) => sum + addresses.length, 0)
  }

  test('what one acknowledges the other shows', async () => {
    const [one, two] = peers.map(({ client }) => client)
    await one!.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: name('turns'), data: { n: '0' } })
    for (let i = 1; i <= 100; i++) {
      const [writer, reader] = i % 2 ? [one!, two!] : [two!, one!]
      await writer.patch(configMaps, name('turns'), { data: { n: String(i) } }, { type: 'merge' })
      expect((await reader.get(configMaps, name('turns'))).data).toEqual({ n: String(i) })
    }
    expect(await addresses(one!)).toBe(2)
  }, 60_000)

  const throughBalancer = spawnSync('haproxy', ['-v']).status === 0 ? test : test.skip

  throughBalancer(
    'a plain TCP load balancer serves, by a name that one of them was given',
    async () => {
      const [one, two] = peers.map(({ client }) => client)
      const names = async (client: Client) =>
        Object.values(
          (await client.get(secrets, { name: 'k3s-serving', namespace: 'kube-system' })).metadata.annotations!,
        )
      await until(
        async () => (await names(one!)).includes('vip.example') && (await names(two!)).includes('vip.example'),
      )
      const dir = await mkdtemp(join(tmpdir(), 'skiff-balancer-'))
      const port = await freePort()
      const servers = peers.map(({ server }, i) => `  server s${i} ${new URL(server.url).host} check inter 200`)
      const timeouts = ['connect 1s', 'client 1h', 'server 1h'].map(timeout => `  timeout ${timeout}`)
      const config = [
        'listen api',
        '  mode tcp',
        `  bind 127.0.0.1:${port}`,
        '  balance roundrobin',
        ...timeouts,
        ...servers,
      ]
      await writeFile(join(dir, 'haproxy.cfg'), `${config.join('\n')}\n`)
      const haproxy = spawn('haproxy', ['-db', '-f', join(dir, 'haproxy.cfg')], { stdio: 'ignore' })
      const { tls } = peers[0]!.server
      const certificates = new Set<string>()
      const connected = () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect({ port, host: '127.0.0.1', servername: 'vip.example', ca: tls.ca }, () => {
            certificates.add(socket.getPeerCertificate().fingerprint256)
            socket.end()
            resolve()
          })
          socket.once('error', reject)
        })
      await until(() => connected().then(() => true))
      for (let i = 0; i < 10; i++) await connected()
      expect(certificates.size).toBe(1)
      const { remote } = await loadKubeconfig(peers[0]!.server.kubeconfig)
      for (let i = 0; i < 10; i++) {
        const client = remoteClient({ ...remote, server: `https://127.0.0.1:${port}` })
        expect((await client.get(namespaces, { name: 'default' })).metadata.name).toBe('default')
        client.close()
      }
      haproxy.kill()
      await once(haproxy, 'exit')
      await rm(dir, { recursive: true })
    },
    60_000,
  )

  test('one leads; when it stops, or dies, the other does', async () => {
    const first = await leader(peers[0]!.client)
    const second = first === 'one' ? 'two' : 'one'
    const other = peer(second).client
    await works(other, 'before')
    await peer(first).server.stop()
    for (const lease of ['kube-controller-manager', 'kube-scheduler', 'k3s-cloud-controller-manager', 'k3s'])
      await until(async () => (await leader(other, lease)) === second)
    await works(other, 'stopped')
    expect(await addresses(other)).toBe(1)
    peers[first === 'one' ? 0 : 1] = await start(first, peer(first).server.dataDir)
    expect(await leader(other)).toBe(second)
    await peer(second).server.kill9()
    const back = peer(first).client
    await until(async () => (await leader(back)) === first)
    await works(back, 'killed')
    await until(async () => (await addresses(back)) === 1)
    peers[second === 'one' ? 0 : 1] = await start(second, peer(second).server.dataDir)
  }, 120_000)

  test('a database that is away for a while is an outage, not an end', async () => {
    const pids = peers.map(({ server }) => server.pid)
    await postgres.process.stop('SIGQUIT')
    for (const { client } of peers) {
      const refused = await client.get(namespaces, { name: 'default' }).catch(error => error as { code: number })
      expect(refused).toMatchObject({ code: 503 })
      const old = (await client.raw('GET', '/api/v1/namespaces?resourceVersion=0')) as { items: unknown[] }
      expect(old.items.length).toBeGreaterThan(3)
      expect(await client.raw('GET', '/livez')).toBe('ok')
      await expect(client.raw('GET', '/readyz')).rejects.toThrow('[-]etcd failed')
    }
    // Long enough for the leader to step down.
    await new Promise(resolve => setTimeout(resolve, 6000))
    await postgres.process.start()
    for (const { client } of peers) await until(async () => (await client.raw('GET', '/readyz')) === 'ok')
    await works(peers[0]!.client, 'after')
    expect(peers.map(({ server }) => server.pid)).toEqual(pids)
  }, 120_000)
})

/** Controllers act: a new namespace gets its ServiceAccount. */
async function works(client: Client, namespace: string): Promise<void> {
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace }, spec: {} })
  await until(async () => (await client.get(serviceAccounts, { name: 'default', namespace })) !== undefined)
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done().catch(() => false))) await new Promise(resolve => setTimeout(resolve, 50))
}
