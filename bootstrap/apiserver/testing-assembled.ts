/** The assembled API server behind a real listener, with an administrator's kubeconfig, for suites. */
import { createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Datastore } from '../datastore/datastore.ts'
import { openSqlite } from '../datastore/sqlite/sqlite.ts'
import { FaultyDatastore } from '../datastore/testing/faulty.ts'
import { issueCertificate, keyPem, newKey } from '../pki/certificate.ts'
import { type AssembledServer, assembleApiServer } from './assemble.ts'

export interface AssembledTestServer extends AssembledServer {
  readonly port: number
  readonly kubeconfig: object
  stop(): Promise<void>
}

const clock = {
  now: () => Date.now(),
  sleep: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal, ref: false }),
}

export async function assembledTestServer(): Promise<AssembledTestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'skiff-assembled-'))
  const datastore = await openSqlite({ file: join(directory, 'state.db'), clock })
  const started = await startAssembled(datastore, identities())
  return {
    ...started,
    async stop() {
      await started.stop()
      await datastore.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Gives up on a datastore that does not answer, and tries again, ten times as soon. */
const hastyClock = { ...clock, sleep: (ms: number, signal: AbortSignal) => clock.sleep(ms / 10, signal) }

export interface TestPeers {
  /** What they share. */
  readonly datastore: Datastore
  readonly servers: readonly AssembledTestServer[]
  /** Each server's own way to it. */
  readonly ways: readonly FaultyDatastore[]
  stop(): Promise<void>
}

/** Several servers over one datastore in this process, each with a way to it that can be cut. */
export async function assembledPeers(count: number): Promise<TestPeers> {
  const directory = await mkdtemp(join(tmpdir(), 'skiff-peers-'))
  const datastore = await openSqlite({ file: join(directory, 'state.db'), clock })
  const peers = await assembledOver(Array.from({ length: count }, () => datastore))
  return {
    ...peers,
    async stop() {
      await peers.stop()
      await datastore.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A server over each of these, which are connections to the same datastore and stay the caller's. */
export async function assembledOver(datastores: readonly Datastore[]): Promise<TestPeers> {
  const ways = datastores.map(datastore => new FaultyDatastore(datastore))
  const shared = identities()
  const starting = ways.map((way, i) =>
    startAssembled(way, shared, { ip: `192.0.2.${i + 1}`, securePort: 6443 }, hastyClock),
  )
  const servers = await Promise.all(starting)
  return {
    datastore: datastores[0]!,
    servers,
    ways,
    async stop() {
      for (const way of ways) {
        way.mend()
        way.flow()
      }
      await Promise.all(servers.map(server => server.stop()))
    },
  }
}

async function startAssembled(
  datastore: Datastore,
  { ca, server: leaf, admin }: ReturnType<typeof identities>,
  { ip = '192.0.2.1', securePort = 0 } = {},
  itsClock = clock,
): Promise<AssembledTestServer> {
  const stop = new AbortController()
  const issuer = 'https://kubernetes.default.svc.cluster.local'
  const assembled = await assembleApiServer({
    datastore,
    clock: itsClock,
    clientCa: ca,
    serviceAccounts: { issuer, audiences: [issuer, 'k3s'], keys: { signing: leaf.key, all: [leaf.key] } },
    serviceCidrs: ['10.43.0.0/16'],
    signal: stop.signal,
  })
  const listening = await assembled.server.listen({ port: 0, host: '127.0.0.1', ...leaf, clientCa: ca })
  await assembled.start({
    servicePort: 443,
    securePort: securePort || listening.port,
    advertiseAddresses: [ip],
  })
  return {
    ...assembled,
    port: listening.port,
    kubeconfig: kubeconfigOf(listening.port, ca, admin),
    async stop() {
      await assembled.leave()
      await listening.close()
      stop.abort()
      await assembled.close()
    },
  }
}

interface Leaf {
  readonly cert: string
  readonly key: string
}

function identities(): { ca: string; server: Leaf; admin: Leaf } {
  const day = 86_400_000
  const dates = { notBefore: Date.now() - day, notAfter: Date.now() + day }
  const caKey = newKey()
  const ca = issueCertificate({ commonName: 'ca', isCa: true, ...dates }, createPublicKey(caKey), caKey)
  const issuer = { certificate: new X509Certificate(ca), key: caKey }
  const leaf = (commonName: string, more: object): Leaf => {
    const key = newKey()
    return { cert: issueCertificate({ commonName, ...more, ...dates }, createPublicKey(key), issuer), key: keyPem(key) }
  }
  return {
    ca,
    server: leaf('server', { sans: ['127.0.0.1'], usages: ['server'] }),
    admin: leaf('admin', { organizations: ['system:masters'], usages: ['client'] }),
  }
}

function kubeconfigOf(port: number, ca: string, admin: Leaf): object {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': base64(ca) }
  const user = { 'client-certificate-data': base64(admin.cert), 'client-key-data': base64(admin.key) }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'admin', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  }
}
