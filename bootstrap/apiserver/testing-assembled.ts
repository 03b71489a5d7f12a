/** The assembled API server behind a real listener, with an administrator's kubeconfig, for suites. */
import { createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSqlite } from '../datastore/sqlite/sqlite.ts'
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
  const { ca, server: leaf, admin } = identities()
  const stop = new AbortController()
  const issuer = 'https://kubernetes.default.svc.cluster.local'
  const assembled = await assembleApiServer({
    datastore,
    clock,
    clientCa: ca,
    serviceAccounts: { issuer, audiences: [issuer, 'k3s'], keys: { signing: leaf.key, all: [leaf.key] } },
    serviceCidrs: ['10.43.0.0/16'],
    signal: stop.signal,
  })
  const listening = await assembled.server.listen({ port: 0, host: '127.0.0.1', ...leaf, clientCa: ca })
  await assembled.start({ servicePort: 443, securePort: listening.port, advertiseAddresses: ['192.0.2.1'] })
  return {
    ...assembled,
    port: listening.port,
    kubeconfig: kubeconfigOf(listening.port, ca, admin),
    async stop() {
      await listening.close()
      stop.abort()
      await assembled.close()
      await datastore.close()
      await rm(directory, { recursive: true, force: true })
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
