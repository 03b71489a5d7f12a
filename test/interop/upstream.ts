/** Upstream's own kube-apiserver on Debian's etcd, for operators that run alone. Needs scripts/oracles.sh to have built it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { HttpClient } from '../integration/http-client.ts'

const program = join(import.meta.dirname, '../../.tools/test/kube-apiserver/kube-apiserver')
const etcd = '/usr/bin/etcd'

/** Why there is no upstream API server here; undefined when there is. */
export const missing = [program, etcd].filter(path => !existsSync(path)).join(', ') || undefined

export interface UpstreamServer {
  readonly kubeconfig: string
  readonly api: HttpClient
  readonly folder: string
  remove(): Promise<void>
}

/** Starts both and resolves once the API is ready. */
export async function startUpstream(): Promise<UpstreamServer> {
  const folder = await mkdtemp(join(tmpdir(), 'skiff-upstream-'))
  const [store, peers, port] = [await freePort(), await freePort(), await freePort()]
  const children: ChildProcess[] = []
  const remove = async () => {
    for (const child of children.reverse()) {
      const ended = once(child, 'exit')
      if (child.exitCode === null && child.kill('SIGKILL')) await ended
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    certificates(folder)
    const url = `http://127.0.0.1:${store}`
    children.push(
      spawn(etcd, [
        `--data-dir=${folder}/etcd`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=http://127.0.0.1:${peers}`,
        '--unsafe-no-fsync',
      ]),
      spawn(program, serverFlags(folder, url, port)),
    )
    const file = (name: string) => readFileSync(join(folder, name), 'utf8')
    const server = `https://127.0.0.1:${port}`
    const api = new HttpClient({
      url: server,
      tls: { ca: file('ca.crt'), cert: file('admin.crt'), key: file('admin.key') },
    })
    await untilReady(api)
    const kubeconfig = join(folder, 'k.yaml')
    await writeFile(kubeconfig, kubeconfigFor(server))
    return { kubeconfig, api, folder, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

function serverFlags(folder: string, etcdUrl: string, port: number): string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    `--secure-port=${port}`,
    '--bind-address=127.0.0.1',
    `--client-ca-file=${folder}/ca.crt`,
    `--tls-cert-file=${folder}/serving.crt`,
    `--tls-private-key-file=${folder}/serving.key`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${folder}/serving.key`,
    `--service-account-signing-key-file=${folder}/serving.key`,
    '--authorization-mode=RBAC',
    '--service-cluster-ip-range=10.43.0.0/16',
    '--endpoint-reconciler-type=none',
    `--proxy-client-cert-file=${folder}/proxy.crt`,
    `--proxy-client-key-file=${folder}/proxy.key`,
    `--requestheader-client-ca-file=${folder}/ca.crt`,
    '--requestheader-allowed-names=system:auth-proxy',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
  ]
}

function certificates(folder: string): void {
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=ca',
    '-days',
    '2',
  )
  for (const [name, subject] of [
    ['admin', '/O=system:masters/CN=admin'],
    ['serving', '/CN=kube-apiserver'],
    ['proxy', '/CN=system:auth-proxy'],
  ] as const) {
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      subject,
      '-addext',
      'subjectAltName=IP:127.0.0.1',
    )
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      `${name}.crt`,
      '-days',
      '2',
      '-copy_extensions',
      'copy',
    )
  }
}

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'default',
    contexts: [{ name: 'default', context: { cluster: 'default', user: 'default' } }],
    clusters: [{ name: 'default', cluster: { server, 'certificate-authority': 'ca.crt' } }],
    users: [{ name: 'default', user: { 'client-certificate': 'admin.crt', 'client-key': 'admin.key' } }],
  })
}

async function untilReady(api: HttpClient): Promise<void> {
  const until = Date.now() + 60_000
  for (;;) {
    const answer = await api.get('/readyz').catch(() => undefined)
    if (answer?.status === 200) return
    if (Date.now() > until) throw new Error(`kube-apiserver does not become ready: ${answer?.text}`)
    await delay(100)
  }
}
