import { execFileSync, spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { canonicalAddress, certificatesOf, issueCertificate, keyPem, newKey, sansOf, subjectOf } from './certificate.ts'
import { componentKubeconfigs, kubeconfigYaml } from './kubeconfig.ts'
import { ensurePki, type PkiOptions } from './pki.ts'
import { certificateRequest, parseRequest } from './request.ts'

const day = 86_400_000
const start = Date.UTC(2026, 0, 1)
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const withOpenssl = hasOpenssl ? test : test.skip

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skiff-pki-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const options = (changes: Partial<PkiOptions> & { now?: number } = {}): PkiOptions => ({
  dir,
  nodeName: 'n1.example.com',
  nodeIps: ['10.0.0.1', 'fd00:0::1'],
  tlsSans: ['api.example.com'],
  serviceIps: ['10.43.0.1'],
  clusterDomain: 'cluster.local',
  clock: { now: () => changes.now ?? start },
  ...changes,
})

test('the first boot makes everything, with private keys readable by the owner alone', async () => {
  const pki = await ensurePki(options())
  for (const pair of [pki.serverCa, pki.clientCa, pki.requestHeaderCa, pki.admin, pki.serving, pki.kubelet]) {
    expect(statSync(pair.keyPath).mode & 0o777).toBe(0o600)
    expect(readFileSync(pair.certPath, 'utf8')).toBe(pair.cert)
    expect(readFileSync(pair.keyPath, 'utf8')).toBe(pair.key)
  }
  expect(subjectOf(new X509Certificate(pki.serverCa.cert)).commonName).toBe(`k3s-server-ca@${start / 1000}`)
  expect(statSync(join(dir, 'server/tls')).mode & 0o777).toBe(0o700)
  expect(pki.etcd).toBeUndefined()
})

describe('subjects', () => {
  test.each([
    ['admin', 'system:admin', ['system:masters']],
    ['supervisor', 'system:k3s-supervisor', ['system:masters']],
    ['apiserver', 'system:apiserver', ['system:masters']],
    ['controller', 'system:kube-controller-manager', []],
    ['scheduler', 'system:kube-scheduler', []],
    ['cloudController', 'k3s-cloud-controller-manager', []],
    ['authProxy', 'system:auth-proxy', []],
    ['kubelet', 'system:node:n1.example.com', ['system:nodes']],
    ['kubeProxy', 'system:kube-proxy', []],
    ['k3sController', 'system:k3s-controller', []],
  ] as const)('%s', async (name, commonName, organizations) => {
    const pki = await ensurePki(options())
    expect(subjectOf(new X509Certificate(pki[name].cert))).toEqual({ commonName, organizations })
  })
})

test('the serving certificate has the names clients use', async () => {
  const { serving } = await ensurePki(options({ advertiseIp: '192.0.2.7', externalIps: ['198.51.100.1'] }))
  expect(sansOf(new X509Certificate(serving.cert))).toEqual([
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'localhost',
    'n1.example.com',
    'n1',
    '127.0.0.1',
    '::1',
    '10.0.0.1',
    'fd00::1',
    '198.51.100.1',
    '192.0.2.7',
    '10.43.0.1',
    'api.example.com',
  ])
})

describe('the next start', () => {
  test.each([
    ['keeps a leaf with 121 days left', { now: start + 244 * day }, false],
    ['renews one with 119 days left', { now: start + 246 * day }, true],
    ['renews when a name is added', { tlsSans: ['api.example.com', 'other'] }, true],
    ['renews one that is not valid yet', { now: start - day }, true],
  ])('%s', async (_name, changes, renewed) => {
    const before = await ensurePki(options())
    const after = await ensurePki(options(changes))
    expect(after.serving.cert !== before.serving.cert).toBe(renewed)
    expect(after.serving.key).toBe(before.serving.key)
    expect(after.serverCa).toEqual(before.serverCa)
    expect(after.serviceKeys).toEqual(before.serviceKeys)
  })

  test('makes leaves anew when the CA was replaced', async () => {
    const before = await ensurePki(options())
    const key = newKey()
    const spec = { commonName: 'mine', isCa: true, notBefore: start, notAfter: start + 1000 * day }
    writeFileSync(before.clientCa.certPath, issueCertificate(spec, createPublicKey(key), key))
    writeFileSync(before.clientCa.keyPath, keyPem(key))
    const after = await ensurePki(options())
    expect(after.serving.cert).toBe(before.serving.cert)
    expect(new X509Certificate(after.admin.cert).verify(createPublicKey(key))).toBe(true)
  })

  test('refuses half a CA', async () => {
    const { serverCa } = await ensurePki(options())
    rmSync(serverCa.keyPath)
    await expect(ensurePki(options())).rejects.toThrow(`${serverCa.keyPath} does not`)
  })

  test('accepts every key of service.key and signs with service.current.key', async () => {
    await ensurePki(options())
    const [first, second] = [keyPem(newKey()), keyPem(newKey())]
    writeFileSync(join(dir, 'server/tls/service.key'), first + second)
    writeFileSync(join(dir, 'server/tls/service.current.key'), second)
    expect((await ensurePki(options())).serviceKeys).toEqual({ signing: second, all: [first, second] })
  })
})

test('signs with a RSA CA that the user brought', async () => {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const spec = { commonName: 'mine', isCa: true, notBefore: start, notAfter: start + 1000 * day }
  await ensurePki(options())
  writeFileSync(join(dir, 'server/tls/server-ca.crt'), issueCertificate(spec, createPublicKey(key), key))
  writeFileSync(join(dir, 'server/tls/server-ca.key'), keyPem(key))
  const { serving } = await ensurePki(options())
  expect(new X509Certificate(serving.cert).verify(createPublicKey(key))).toBe(true)
})

withOpenssl('openssl accepts the chains', async () => {
  const pki = await ensurePki(options({ etcd: true }))
  const verify = (purpose: string, ca: string, ...leaves: string[]) =>
    execFileSync(
      'openssl',
      ['verify', '-attime', `${start / 1000 + 60}`, '-purpose', purpose, '-CAfile', ca, ...leaves],
      {
        encoding: 'utf8',
      },
    )
  expect(verify('sslserver', pki.serverCa.certPath, pki.serving.certPath)).toContain('OK')
  expect(verify('sslclient', pki.clientCa.certPath, pki.admin.certPath, pki.kubelet.certPath)).toContain('OK')
  expect(verify('sslserver', pki.etcdServerCa.certPath, pki.etcd!.etcdServer.certPath)).toContain('OK')
})

withOpenssl('a request made by openssl is read, verified and signed', async () => {
  const pki = await ensurePki(options())
  const keyPath = join(dir, 'r.key')
  writeFileSync(keyPath, keyPem(newKey()))
  const request = execFileSync('openssl', [
    ...['req', '-new', '-key', keyPath, '-subj', '/O=system:nodes/O=a, b/CN=system:node:x'],
    ...['-addext', 'subjectAltName=DNS:x,IP:10.0.0.9,IP:fd00::9,URI:spiffe://x'],
  ])
  const parsed = parseRequest(request)
  expect(parsed).toMatchObject({
    commonName: 'system:node:x',
    organizations: ['system:nodes', 'a, b'],
    dnsNames: ['x'],
    ipAddresses: ['10.0.0.9', 'fd00::9'],
    otherSans: 1,
  })
  const pem = pki.issue({ ca: 'clientCa', ...parsed, usages: ['client'], lifetimeMs: day })
  const [leaf, ca] = certificatesOf(pem)
  expect(leaf!.verify(ca!.publicKey)).toBe(true)
  expect(subjectOf(leaf!)).toEqual({ commonName: 'system:node:x', organizations: ['system:nodes', 'a, b'] })
  expect(leaf!.validToDate.getTime()).toBe(start + day)

  const tampered = Buffer.from(request.toString().replace(/-----[^-]+-----/g, ''), 'base64')
  tampered[tampered.indexOf('system:node:x')] = 0x53
  expect(() => parseRequest(tampered)).toThrow('does not match its key')
})

test('a request of ours is one for us and for openssl', () => {
  const keys = [newKey(), generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey]
  for (const key of keys) {
    const request = certificateRequest(key)
    expect(parseRequest(request).publicKey.equals(createPublicKey(key))).toBe(true)
    if (hasOpenssl) execFileSync('openssl', ['req', '-verify', '-noout', '-inform', 'DER'], { input: request })
  }
})

test.each([
  ['0:0:0:0:0:0:0:1', '::1'],
  ['FD00:0:0:0:1:0:0:1', 'fd00::1:0:0:1'],
  ['10.0.0.1', '10.0.0.1'],
  ['example.com', 'example.com'],
])('the canonical form of %s is %s', (text, canonical) => expect(canonicalAddress(text)).toBe(canonical))

test('kubeconfigs carry or name the credentials', async () => {
  const pki = await ensurePki(options())
  const text = kubeconfigYaml({
    server: 'https://127.0.0.1:6443',
    caPem: 'ca',
    certPem: 'cert',
    keyPem: 'key',
  })
  expect(text).toContain('certificate-authority-data: Y2E=\n    server: https://127.0.0.1:6443\n  name: default\n')
  expect(text).toContain('client-key-data: a2V5\n')
  const files = componentKubeconfigs(dir, pki, 'https://127.0.0.1:6444')
  expect(files.get(join(dir, 'server/cred/admin.kubeconfig'))).toContain(`client-key: ${pki.admin.keyPath}`)
})
