import { createPublicKey, X509Certificate } from 'node:crypto'
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listen } from '../apiserver/http/listener.ts'
import { type AssembledTestServer, assembledTestServer } from '../apiserver/testing-assembled.ts'
import { createInformers } from '../client/informers.ts'
import { type Node, nodes, secrets } from '../client/resources.ts'
import { FakeClock } from '../client/testing/fake-clock.ts'
import { canonicalAddress, issueCertificate, keyPem, newKey, sansOf } from '../pki/certificate.ts'
import { type Issuer, secretName } from './material.ts'
import { ServingCertificate } from './serving.ts'

const day = 86_400_000
const log = { info: () => {}, warn: () => {} }
let api: AssembledTestServer
let dir: string
let clock: FakeClock
let stop: AbortController

beforeEach(async () => {
  api = await assembledTestServer()
  dir = await mkdtemp(join(tmpdir(), 'skiff-serving-'))
  clock = new FakeClock(Date.now())
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await api.stop()
  await rm(dir, { recursive: true })
})

/** A CA whose leaves live for a year of the test's clock. */
function authority(): Issuer {
  const key = newKey()
  const dates = (days: number) => ({ notBefore: clock.now() - day, notAfter: clock.now() + days * day })
  const cert = issueCertificate({ commonName: 'ca', isCa: true, ...dates(3650) }, createPublicKey(key), key)
  const issuer = { certificate: new X509Certificate(cert), key }
  return {
    ca: { cert, key: keyPem(key), certPath: '', keyPath: '' },
    issue: ({ publicKey, ...spec }) => issueCertificate({ ...spec, ...dates(365) }, publicKey, issuer) + cert,
  }
}

let issuer: Issuer
const open = (folder: string, names: readonly string[], strict = true) =>
  ServingCertificate.open({ dir: folder, issuer, names, strict, clock, log })

function share(serving: ServingCertificate): void {
  const client = api.client()
  const informers = createInformers(client, { clock, log, random: () => 0, signal: stop.signal })
  void serving.share(client, informers, stop.signal)
}

const fingerprint = (serving: ServingCertificate) =>
  new X509Certificate(serving.current.cert).fingerprint.replaceAll(':', '')
const sans = (serving: ServingCertificate) => sansOf(new X509Certificate(serving.current.cert)).toSorted()

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise(resolve => setTimeout(resolve, 10))
}

beforeEach(() => {
  issuer = authority()
})

test('servers share one certificate with the names of all, in the form of K3s', async () => {
  const other = join(dir, 'other')
  const [a, b] = [await open(dir, ['a.example', '10.0.0.1', '::1']), await open(other, ['b.example', '10.0.0.2'])]
  share(a)
  await until(async () => (await stored()) !== undefined)
  share(b)
  const all = ['10.0.0.1', '10.0.0.2', canonicalAddress('::1'), 'a.example', 'b.example'].toSorted()
  await until(() => a.current.cert === b.current.cert && sans(a).join() === all.join())
  const secret = (await stored())!
  const leaf = new X509Certificate(a.current.cert)
  expect(secret.type).toBe('kubernetes.io/tls')
  expect(secret.metadata.annotations).toEqual({
    'listener.cattle.io/cn-10.0.0.1': '10.0.0.1',
    'listener.cattle.io/cn-10.0.0.2': '10.0.0.2',
    'listener.cattle.io/cn-__1-f16284': '::1',
    'listener.cattle.io/cn-a.example': 'a.example',
    'listener.cattle.io/cn-b.example': 'b.example',
    'listener.cattle.io/fingerprint': `SHA1=${leaf.fingerprint.replaceAll(':', '')}`,
  })
  expect(leaf.subject.split('\n').toSorted()).toEqual(['CN=k3s', 'O=k3s'])
  await api.client().delete(secrets, secretName)
  await until(async () => (await stored()) !== undefined)
  const again = await open(other, ['b.example'])
  expect(again.current.cert).toBe(b.current.cert)
})

const stored = () =>
  api
    .client()
    .get(secrets, secretName)
    .catch(() => undefined)

test('nodes that run a server bring their addresses, others do not', async () => {
  const serving = await open(dir, ['a.example'])
  share(serving)
  const node = (name: string, labels: object, address: string) =>
    api.client().create(nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels },
      spec: {},
      status: { addresses: [{ type: 'InternalIP', address }] },
    } as unknown as Node)
  await node('agent', {}, '10.0.0.3')
  await node('server', { 'node-role.kubernetes.io/control-plane': 'true' }, '10.0.0.4')
  await until(() => sans(serving).includes('10.0.0.4'))
  expect(sans(serving)).toEqual(['10.0.0.4', 'a.example'])
  const patch = { status: { addresses: [{ type: 'InternalIP', address: '10.0.0.5' }] } }
  await api.client().patch(nodes, { name: 'server' }, patch, { type: 'merge', subresource: 'status' })
  await until(() => sans(serving).includes('10.0.0.5'))
})

test('a certificate is renewed before it ends, on request, and when its issuer is another', async () => {
  const serving = await open(dir, ['a.example'])
  share(serving)
  await until(async () => (await stored()) !== undefined)
  const first = serving.current
  await clock.advance(240 * day)
  expect(serving.current.cert).toBe(first.cert)
  await clock.advance(6 * day)
  expect(serving.current.cert).not.toBe(first.cert)
  expect(serving.current.key).toBe(first.key)
  await until(async () => (await readFile(join(dir, 'dynamic-cert.json'), 'utf8')).includes(fingerprint(serving)))
  expect((await open(dir, ['a.example'])).current.cert).toBe(serving.current.cert)
  await writeFile(join(dir, 'dynamic-cert-regenerate'), '')
  expect((await open(dir, ['a.example'])).current.key).not.toBe(first.key)
  await expect(access(join(dir, 'dynamic-cert-regenerate'))).rejects.toThrow()
  issuer = authority()
  const other = await open(dir, ['a.example'])
  expect(new X509Certificate(other.current.cert).checkIssued(new X509Certificate(issuer.ca.cert))).toBe(true)
})

test('names that clients make up are added where that is allowed, in time for the client, and no connection is dropped', async () => {
  const serving = await open(dir, ['127.0.0.1'], false)
  const listening = await listen(() => Promise.reject(new Error('unused')), {
    port: 0,
    host: '127.0.0.1',
    ...serving.current,
    clientCa: issuer.ca.cert,
    certificateFor: name => serving.asked(name),
  })
  serving.onChange(material => listening.setCertificate(material))
  const dial = (servername?: string, host = '127.0.0.1') =>
    new Promise<string>((resolve, reject) => {
      const ca = issuer.ca.cert
      const socket = connect({ port: listening.port, host, ca, ...(servername ? { servername } : {}) }, () => {
        const { subjectaltname } = socket.getPeerCertificate()
        socket.end()
        resolve(subjectaltname ?? '')
      })
      socket.once('error', reject)
    })
  const idle = connect({ port: listening.port, host: '127.0.0.1', ca: issuer.ca.cert })
  await new Promise(resolve => idle.once('secureConnect', resolve))
  expect(await dial('vip.example')).toContain('vip.example')
  expect(await dial('VIP.example')).toContain('vip.example')
  expect(await dial(undefined, '127.0.0.1')).toContain('127.0.0.1')
  await expect(dial('*.example')).rejects.toThrow()
  expect(sans(serving)).toEqual(['127.0.0.1', 'vip.example'])
  expect(idle.destroyed).toBe(false)
  idle.destroy()
  await listening.close()

  const strict = await open(join(dir, 'strict'), ['127.0.0.1'])
  expect(strict.asked('made-up.example')).toBeUndefined()
  expect(sans(strict)).toEqual(['127.0.0.1'])
})
