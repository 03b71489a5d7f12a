/** A node joins a real server: what it keeps, what it is told when it may not, and that it never gives up. */
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Client } from '../../bootstrap/client/client.ts'
import { remoteClient } from '../../bootstrap/client/remote.ts'
import { nodes } from '../../bootstrap/client/resources.ts'
import { type Joined, type JoinOptions, joinAgain, joinCluster } from '../../bootstrap/join/join.ts'
import { NodeFiles } from '../../bootstrap/join/node-files.ts'
import { subjectOf } from '../../bootstrap/pki/certificate.ts'
import { type RunningServer, startServer } from './server.ts'

let server: RunningServer
let token: string
let admin: Client & { close(): void }
let folder: string
let lines: string[]

beforeAll(async () => {
  server = await startServer()
  token = (await readFile(join(server.dataDir, 'server/token'), 'utf8')).trim()
  admin = remoteClient({ server: server.url, ...server.tls })
})
afterAll(async () => {
  admin?.close()
  await server?.remove()
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-join-'))
  lines = []
})
afterEach(() => rmSync(folder, { recursive: true }))

const effects = (patience: number) => {
  const ending = new AbortController()
  let waits = 0
  const note = (_: object, message: string) => void lines.push(message)
  return {
    log: { info: note, warn: note, error: note },
    random: () => 0,
    signal: ending.signal,
    clock: {
      now: () => Date.now(),
      sleep: async () => {
        if (++waits <= patience) return
        ending.abort(new Error('waited long enough'))
        throw ending.signal.reason
      },
    },
  }
}

function options(name: string, given: Partial<JoinOptions> & { password?: string } = {}): JoinOptions {
  const { password = 'its password', ...rest } = given
  const node = { name, addresses: ['192.0.2.7', '2001:db8::7'], password, passwordFile: '/etc/rancher/node/password' }
  return { serverUrl: server.url, url: () => server.url, token, files: new NodeFiles(folder), node, ...rest }
}

const joining = (name: string, given: Parameters<typeof options>[1] = {}, patience = 0): Promise<Joined> =>
  joinCluster(options(name, given), effects(patience))

const program = join(import.meta.dirname, '../../skiff.ts')
const tokenCommand = (args: string[]) =>
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', program, 'token', ...args], {
    encoding: 'utf8',
  })

const file = (name: string) => readFileSync(join(folder, 'agent', name), 'utf8')

test('certificates are for the keys that the node made and kept', async () => {
  const { control, credentials, servers } = await joining('joins')
  expect(control).toMatchObject({
    ClusterDomain: 'cluster.local',
    ClusterIPRange: { IP: '10.42.0.0', Mask: '//8AAA==' },
  })
  expect(servers).toEqual([expect.stringMatching(/^[\d.]+:\d+$/)])
  const subjects = Object.fromEntries(
    ['serving-kubelet', 'client-kubelet', 'client-kube-proxy', 'client-k3s-controller'].map(name => {
      const { mode } = statSync(join(folder, 'agent', `${name}.key`))
      expect((mode & 0o777).toString(8)).toBe('600')
      expect(existsSync(join(server.dataDir, 'server/tls', `${name}.key`))).toBe(false)
      return [name, subjectOf(new X509Certificate(file(`${name}.crt`)))]
    }),
  )
  expect(subjects).toEqual({
    'serving-kubelet': { commonName: 'joins', organizations: [] },
    'client-kubelet': { commonName: 'system:node:joins', organizations: ['system:nodes'] },
    'client-kube-proxy': { commonName: 'system:kube-proxy', organizations: [] },
    'client-k3s-controller': { commonName: 'system:k3s-controller', organizations: [] },
  })
  expect(new X509Certificate(credentials.serving.cert).subjectAltName).toContain('IP Address:192.0.2.7')
  expect(file('server-ca.crt')).toBe(server.tls.ca)
  await new NodeFiles(folder).writeKubeconfigs('https://127.0.0.1:6444')
  expect(file('kubelet.kubeconfig')).toContain('server: https://127.0.0.1:6444')
})

test('the second time keys stay, and neither token nor Node is needed', async () => {
  await joining('again')
  const key = file('client-kubelet.key')
  await admin.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'again' }, spec: {} })
  await joining('again', { token: undefined })
  expect(file('client-kubelet.key')).toBe(key)
})

test('a node that was deleted comes back by its token', async () => {
  await joining('deleted')
  await joining('deleted')
  expect(lines).toContain('Node authorization rejected, retrying without client certificate authentication')
})

test('a node that was deleted is told that it needs a token', async () => {
  await joining('tokenless')
  await expect(joining('tokenless', { token: undefined })).rejects.toThrow('waited long enough')
  expect(lines.at(-1)).toMatch(/403 forbidden: .* give a token \(--token or K3S_TOKEN\)$/)
})

test('a name that is taken is refused in words that help, again and again', async () => {
  await joining('taken')
  rmSync(join(folder, 'agent'), { recursive: true })
  await expect(joining('taken', { password: 'of another' }, 2)).rejects.toThrow('waited long enough')
  const refusals = lines.filter(line => line.includes('Node password rejected'))
  expect(refusals).toHaveLength(3)
  expect(refusals[0]).toBe(
    "Waiting to retrieve agent configuration; server is not ready: Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag",
  )
})

test.each<[string, () => string, RegExp]>([
  [
    'a wrong password',
    () => 'wrong',
    /^Waiting to retrieve agent configuration; server is not ready: failed to retrieve configuration from server: https:.*\/v1-k3s\/config: 401 not authorized$/,
  ],
  [
    'the token of another cluster',
    () => token.replace(/^K10..../, 'K100000'),
    /^Failed to validate connection to cluster at https:.*: token CA hash does not match the Cluster CA certificate hash: 0000/,
  ],
])('%s is told at every attempt', async (_, text, message) => {
  await expect(joining('refused', { token: text() }, 2)).rejects.toThrow('waited long enough')
  const told = lines.filter(line => message.test(line))
  expect(told).toHaveLength(3)
})

test('a token that is none ends it at once', async () => {
  await expect(joining('refused', { token: 'K10abc::node:x' })).rejects.toThrow('invalid token CA hash length')
})

test('a machine with another name joins as another node', async () => {
  await joining('before')
  await joining('after')
  expect(subjectOf(new X509Certificate(file('client-kubelet.crt'))).commonName).toBe('system:node:after')
})

test('a bootstrap token is enough, and worth nothing once it is deleted', async () => {
  const skiff = (...args: string[]) => tokenCommand([...args, '--kubeconfig', server.kubeconfig])
  const made = skiff('create', '--ttl', '1h').trim()
  expect(made).toMatch(/^K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}$/)
  await joining('by-bootstrap', { token: made })
  await joining('by-bootstrap-bare', { token: made.split('::')[1] })
  skiff('delete', made)
  await expect(joining('too-late', { token: made }, 0)).rejects.toThrow('waited long enough')
  expect(lines.at(-1)).toContain('401 not authorized')
})

test('certificates are renewed with the keys there are', async () => {
  const first = await joining('renewed')
  const { credentials } = await joinAgain(options('renewed'), effects(0))
  expect(credentials.kubelet.key).toBe(first.credentials.kubelet.key)
  expect(credentials.kubelet.cert).not.toBe(first.credentials.kubelet.cert)
})
