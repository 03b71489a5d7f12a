/** Members of one etcd cluster on loopback addresses of one machine, each as a server has its own. */
import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../client/clock.ts'
import { freePort } from '../../client/testing/ports.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { openEtcd } from '../../datastore/etcd/etcd.ts'
import type { TlsMaterial } from '../../datastore/tls-files.ts'
import { ensurePki } from '../../pki/pki.ts'
import { type EmbeddedEtcd, type EmbeddedOptions, startEmbedded } from '../embedded.ts'
import type { EtcdLog } from '../process.ts'

export interface TestServer {
  readonly dataDir: string
  readonly options: EmbeddedOptions
  readonly tls: Required<TlsMaterial>
  readonly lines: string[]
  etcd: EmbeddedEtcd
  /** The driver over it, as its API server has it. */
  store(limitMs?: number): Promise<Datastore>
}

export class TestCluster {
  readonly servers: TestServer[] = []
  readonly #signal = new AbortController()
  /** Keeps the test's process awake while all it waits for are timers that do not. */
  readonly #awake = setInterval(() => undefined, 1000)
  #dir = ''

  static async create(): Promise<TestCluster> {
    const cluster = new TestCluster()
    cluster.#dir = await mkdtemp(join(tmpdir(), 'skiff-members-'))
    return cluster
  }

  /** The first begins the cluster, the others join. */
  async add(overrides: Partial<EmbeddedOptions> = {}): Promise<TestServer> {
    const server = await this.prepare(overrides)
    server.etcd = await this.start(server)
    return server
  }

  async prepare(overrides: Partial<EmbeddedOptions> = {}): Promise<TestServer> {
    const index = this.servers.length + 1
    const nodeName = overrides.nodeName ?? `server-${index}`
    const dataDir = join(this.#dir, `${nodeName}-${index}`)
    const first = this.servers[0]
    if (first) await copyAuthorities(first.dataDir, dataDir)
    const address = overrides.address ?? '127.0.0.1'
    const pki = await ensurePki({
      dir: dataDir,
      nodeName,
      nodeIps: [address],
      serviceIps: ['10.43.0.1'],
      clusterDomain: 'cluster.local',
      tlsSans: [],
      clock: systemClock,
      etcd: true,
    })
    const { etcdClient } = pki.etcd!
    const tls = { ca: pki.etcdServerCa.cert, cert: etcdClient.cert, key: etcdClient.key }
    const lines: string[] = []
    const options: EmbeddedOptions = {
      program: 'etcd',
      dataDir,
      nodeName,
      address,
      tls,
      exposeMetrics: false,
      debug: false,
      args: ['heartbeat-interval=50', 'election-timeout=500'],
      ports: { client: await freePort(), peer: await freePort(), metrics: await freePort() },
      loopback: '127.0.0.1',
      ...(first
        ? { others: async () => this.servers.filter(other => other.etcd).map(other => other.etcd.endpoint) }
        : {}),
      ...overrides,
    }
    const store = (limitMs?: number) =>
      openEtcd({
        endpoints: [`https://127.0.0.1:${options.ports!.client}`],
        tls,
        clock: systemClock,
        ...(limitMs === undefined ? {} : { limitMs }),
      })
    const server = { dataDir, options, tls, lines, store } as Omit<TestServer, 'etcd'> as TestServer
    this.servers.push(server)
    return server
  }

  start(server: TestServer, overrides: Partial<EmbeddedOptions> = {}): Promise<EmbeddedEtcd> {
    return startEmbedded({ ...server.options, ...overrides }, this.effects(server))
  }

  effects(server: TestServer) {
    const note = (level: string) => (fields: object, message: string) =>
      void server.lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
    const log: EtcdLog = { debug: () => undefined, info: note('info'), warn: note('warn'), error: note('error') }
    return { clock: hurried, random: Math.random, uuid: randomUUID, log, signal: this.#signal.signal }
  }

  async destroy(): Promise<void> {
    this.#signal.abort()
    await Promise.all(this.servers.map(server => server.etcd?.stop()))
    await rm(this.#dir, { recursive: true, force: true })
    clearInterval(this.#awake)
  }
}

export const write = (store: Datastore, key: string) => store.commit({ op: 'create', key, value: Buffer.from(key) })

/** What was written, as this server has it. */
export async function keysOf(server: TestServer): Promise<string[]> {
  const store = await server.store()
  const { entries } = await store.read('/r/')
  await store.close()
  return entries.map(entry => entry.key)
}

/** Of the members that this server knows of, in order. */
export const namesOf = async (server: TestServer) =>
  (await server.etcd.members()).map(({ name, isLearner }) => `${name}${isLearner ? ' learner' : ''}`).sort()

/** What members do every fifteen seconds, they do twice in one here. */
const hurried: Clock = {
  now: systemClock.now,
  sleep: (ms, signal) => systemClock.sleep(ms > 5000 ? 500 : ms, signal),
}

/** What a joining server fetches from the first: the CAs of the cluster. */
async function copyAuthorities(from: string, to: string): Promise<void> {
  for (const folder of ['server/tls', 'server/tls/etcd']) {
    await mkdir(join(to, folder), { recursive: true })
    const names = await readdir(join(from, folder))
    for (const name of names.filter(file => /-ca\.(crt|key)$/.test(file)))
      await copyFile(join(from, folder, name), join(to, folder, name))
  }
}
