import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import { issueCertificate, keyPem, newKey } from '../../pki/certificate.ts'
import type { ObjectReader } from '../admission/plugin.ts'
import { createAuthenticator, type Headers } from './authenticate.ts'
import { impersonation } from './impersonation.ts'
import { serviceAccountTokens } from './tokens.ts'

const start = Date.UTC(2026, 0, 1)
const day = 86_400_000
const issuer = 'https://kubernetes.default.svc.cluster.local'

const makeCa = (commonName: string) => {
  const key = newKey()
  const spec = { commonName, isCa: true, notBefore: start - day, notAfter: start + 100 * day }
  const pem = issueCertificate(spec, createPublicKey(key), key)
  return { pem, issuer: { certificate: new X509Certificate(pem), key } }
}
const clientCa = makeCa('client')
const proxyCa = makeCa('proxy')

const leaf = (
  commonName: string,
  organizations: string[],
  { ca = clientCa, usage = 'client' as 'client' | 'server', until = start + day } = {},
) =>
  new X509Certificate(
    issueCertificate(
      { commonName, organizations, usages: [usage], notBefore: start - 1000, notAfter: until },
      createPublicKey(newKey()),
      ca.issuer,
    ),
  )

let now = start
let objects: Map<string, KubeObject>
const reader: ObjectReader = {
  get: (group, resource, namespace, name) => objects.get([group, resource, namespace, name].join('/')),
  list: () => [...objects.values()],
}
const put = (resource: string, namespace: string, name: string, body: object = {}, metadata: object = {}) =>
  objects.set(['', resource, namespace, name].join('/'), {
    apiVersion: 'v1',
    kind: 'X',
    metadata: { name, namespace, uid: `uid-${name}`, ...metadata },
    ...body,
  })
const base64 = (values: Record<string, string>) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]))

const [oldKey, currentKey] = [keyPem(newKey()), keyPem(newKey())]
const clock = { now: () => now }
const tokensWith = (signing: string) =>
  serviceAccountTokens({
    issuer,
    audiences: [issuer, 'k3s'],
    keys: { signing, all: [oldKey, currentKey] },
    reader,
    clock,
  })
const tokens = tokensWith(currentKey)
const authenticator = (anonymous = false, catchUp = async () => {}) =>
  createAuthenticator({
    clientCaPem: clientCa.pem,
    requestHeaderCaPem: proxyCa.pem,
    requestHeaderNames: ['system:auth-proxy'],
    tokens,
    reader,
    catchUp,
    anonymous,
    clock,
    passwd: () => [{ password: 'secret', name: 'node', uid: 'node', role: 'k3s:agent' }],
  })
const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })

beforeEach(() => {
  now = start
  objects = new Map()
  put('serviceaccounts', 'ns', 'sa')
  put('pods', 'ns', 'p', { spec: { serviceAccountName: 'sa', nodeName: 'n1' } })
  put('nodes', '', 'n1')
})

describe('client certificates', () => {
  test('name and groups come from the subject', async () => {
    const peerCertificate = leaf('jane', ['dev', 'ops'])
    const user = await authenticator().authenticate({ headers: {}, peerCertificate: peerCertificate.raw })
    expect(user).toMatchObject({ name: 'jane', groups: ['dev', 'ops', 'system:authenticated'] })
  })

  test.each([
    ['another CA', leaf('jane', [], { ca: makeCa('other') })],
    ['the front proxies CA', leaf('jane', [], { ca: proxyCa })],
    ['a serving certificate', leaf('jane', [], { usage: 'server' })],
    ['an expired one', leaf('jane', [], { until: start - 1000 })],
  ])('refuses %s, anonymous or not', async (_name, peerCertificate) => {
    expect(await authenticator(true).authenticate({ headers: {}, peerCertificate })).toBeUndefined()
  })

  test('a remembered certificate still expires', async () => {
    const peerCertificate = leaf('jane', [])
    const { authenticate } = authenticator()
    expect(await authenticate({ headers: {}, peerCertificate })).toBeDefined()
    now = start + day
    expect(await authenticate({ headers: {}, peerCertificate })).toBeUndefined()
  })
})

test('without credentials', async () => {
  expect(await authenticator(false).authenticate({ headers: {} })).toBeUndefined()
  const anonymous = await authenticator(true).authenticate({ headers: {} })
  expect(anonymous).toMatchObject({ name: 'system:anonymous', groups: ['system:unauthenticated'] })
})

describe('the front proxy', () => {
  const headers = {
    'x-remote-user': 'jane',
    'x-remote-group': ['a', 'b'],
    'x-remote-extra-acme.com%2Fproject': ['x', 'y'],
  }
  test('speaks for a user', async () => {
    const peerCertificate = leaf('system:auth-proxy', [], { ca: proxyCa })
    expect(await authenticator().authenticate({ headers, peerCertificate })).toEqual({
      name: 'jane',
      uid: '',
      groups: ['a', 'b', 'system:authenticated'],
      extra: { 'acme.com/project': ['x', 'y'] },
    })
  })

  test.each([
    ['with another name', leaf('mallory', [], { ca: proxyCa })],
    ['without a certificate', undefined],
  ])('does not %s', async (_name, peerCertificate) => {
    expect(await authenticator().authenticate({ headers, peerCertificate })).toBeUndefined()
  })

  test('an ordinary client cannot use its headers', async () => {
    const user = await authenticator().authenticate({ headers, peerCertificate: leaf('mallory', []) })
    expect(user?.name).toBe('mallory')
  })
})

describe('service-account tokens', () => {
  const bound = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'uid-p' }
  const issue = (changes = {}) => tokens.issueToken({ namespace: 'ns', serviceAccount: 'sa', ...changes })

  test('carry the account, its groups and what they are bound to', async () => {
    const { token, expirationTimestamp } = issue({ boundObject: bound })
    expect(expirationTimestamp).toBe('2026-01-01T01:00:00Z')
    const user = await authenticator().authenticate({ headers: bearer(token) })
    expect(user).toMatchObject({
      name: 'system:serviceaccount:ns:sa',
      uid: 'uid-sa',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
    })
    expect(user?.extra).toMatchObject({
      'authentication.kubernetes.io/pod-name': ['p'],
      'authentication.kubernetes.io/pod-uid': ['uid-p'],
      'authentication.kubernetes.io/node-name': ['n1'],
      'authentication.kubernetes.io/node-uid': ['uid-n1'],
    })
  })

  test.each<[string, () => void]>([
    ['it expired', () => (now = start + 3_600_000)],
    ['the pod is gone', () => objects.delete('/pods/ns/p')],
    ['the pod was made anew', () => put('pods', 'ns', 'p', {}, { uid: 'other' })],
    ['the account is gone', () => objects.delete('/serviceaccounts/ns/sa')],
    [
      'the pod has been deleted for a minute',
      () => {
        put('pods', 'ns', 'p', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' })
        now = start + 60_000
      },
    ],
  ])('fail when %s', async (_name, change) => {
    const { token } = issue({ boundObject: bound })
    expect(await authenticator().authenticateToken(token)).toBeDefined()
    change()
    expect(await authenticator().authenticateToken(token)).toBeUndefined()
  })

  test('are accepted when signed by any key of service.key, and by no other', async () => {
    const { token } = tokensWith(oldKey).issueToken({ namespace: 'ns', serviceAccount: 'sa' })
    expect(await authenticator().authenticateToken(token)).toBeDefined()
    const [head, body] = token.split('.')
    expect(await authenticator().authenticateToken(`${head}.${body}.${'A'.repeat(86)}`)).toBeUndefined()
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    expect(await authenticator().authenticateToken(`${none}.${body}.`)).toBeUndefined()
  })

  test.each([
    ['rsa', 'RS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['P-384', 'ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
  ])('work with a key that the user brought: %s', (_name, alg, key) => {
    const pem = keyPem(key)
    const own = serviceAccountTokens({ issuer, audiences: [issuer], keys: { signing: pem, all: [pem] }, reader, clock })
    expect(own.jwks().keys[0]?.alg).toBe(alg)
    expect(own.bearerOf(own.issueToken({ namespace: 'ns', serviceAccount: 'sa' }).token)?.user.uid).toBe('uid-sa')
  })

  test('are for their audiences', async () => {
    const { token } = issue({ audiences: ['vault'] })
    expect(await authenticator().authenticateToken(token)).toBeUndefined()
    expect((await authenticator().authenticateToken(token, ['x', 'vault']))?.audiences).toEqual(['vault'])
  })

  test('mounted ones outlive their announced expiry', async () => {
    const { token, expirationTimestamp } = issue({ boundObject: bound, expirationSeconds: 3607 })
    expect(expirationTimestamp).toBe('2026-01-01T01:00:07Z')
    now = start + 300 * day
    expect(await authenticator().authenticateToken(token)).toBeDefined()
  })

  test.each([
    [{ expirationSeconds: 599 }, 422, 'may not specify a duration less than 10 minutes'],
    [{ expirationSeconds: 2 ** 32 + 1 }, 422, 'may not specify a duration larger than 2^32 seconds'],
    [{ serviceAccount: 'none' }, 404, 'serviceaccounts "none" not found'],
    [{ boundObject: { ...bound, name: 'none' } }, 404, 'pods "none" not found'],
    [{ boundObject: { ...bound, uid: 'x' } }, 409, 'the UID in the bound object reference (x)'],
    [{ boundObject: { ...bound, kind: 'ConfigMap' } }, 400, 'cannot bind token to object of type'],
  ])('refuses %j', (changes, code, message) => {
    expect(() => issue(changes)).toThrow(message)
    try {
      issue(changes)
    } catch (error) {
      expect(error).toMatchObject({ code })
    }
  })

  test('a legacy token lives as long as its Secret', async () => {
    const token = tokens.issueLegacyToken({ namespace: 'ns', name: 's' }, { name: 'sa', uid: 'uid-sa' })
    expect(await authenticator().authenticateToken(token)).toBeUndefined()
    put('secrets', 'ns', 's', { data: base64({ token }) })
    expect((await authenticator().authenticateToken(token))?.user.name).toBe('system:serviceaccount:ns:sa')
  })

  describe('where there are other servers', () => {
    const behind = (...keys: string[]) => {
      const later = keys.map(key => [key, objects.get(key)!] as const)
      for (const key of keys) objects.delete(key)
      return async () => {
        for (const [key, object] of later) objects.set(key, object)
      }
    }
    const userBy = async (token: string, catchUp: () => Promise<void>) =>
      (await authenticator(false, catchUp).authenticateToken(token))?.user.name

    test.each([[['/serviceaccounts/ns/sa']], [['/pods/ns/p']], [['/serviceaccounts/ns/sa', '/pods/ns/p']]])(
      'a token whose %j this one has not heard of yet is accepted',
      async keys => {
        const { token } = issue({ boundObject: bound })
        expect(await userBy(token, behind(...keys))).toBe('system:serviceaccount:ns:sa')
      },
    )

    test('so is a legacy token', async () => {
      const token = tokens.issueLegacyToken({ namespace: 'ns', name: 's' }, { name: 'sa', uid: 'uid-sa' })
      put('secrets', 'ns', 's', { data: base64({ token }) })
      expect(await userBy(token, behind('/secrets/ns/s'))).toBe('system:serviceaccount:ns:sa')
    })

    test('what is gone stays refused, and only credible tokens cost a question', async () => {
      const catchUp = jest.fn(async () => {})
      const { token } = issue({ boundObject: bound })
      expect(await userBy(token, catchUp)).toBeDefined()
      expect(await userBy(`${token}x`, catchUp)).toBeUndefined()
      expect(catchUp).not.toHaveBeenCalled()
      objects.delete('/serviceaccounts/ns/sa')
      expect(await userBy(token, catchUp)).toBeUndefined()
      expect(catchUp).toHaveBeenCalledTimes(1)
    })
  })

  test('the key set holds every key under its id', () => {
    expect(tokens.jwks().keys).toHaveLength(2)
    expect(tokens.jwks().keys[0]).toMatchObject({ use: 'sig', kty: 'EC', alg: 'ES256', crv: 'P-256' })
    expect(tokens.openIdConfiguration()).toMatchObject({ issuer, id_token_signing_alg_values_supported: ['ES256'] })
  })

  test('also come in a websocket protocol', async () => {
    const encoded = Buffer.from(issue().token).toString('base64url')
    const headers = { 'sec-websocket-protocol': `v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${encoded}` }
    expect((await authenticator().authenticate({ headers }))?.name).toBe('system:serviceaccount:ns:sa')
  })
})

describe('bootstrap tokens', () => {
  const secret = (changes = {}) => ({
    type: 'bootstrap.kubernetes.io/token',
    data: base64({
      'token-id': 'abcdef',
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': 'system:bootstrappers:k3s:default-node-token',
      ...changes,
    }),
  })
  const user = () => authenticator(true).authenticate({ headers: bearer('abcdef.0123456789abcdef') })

  test('name their bearer after the id', async () => {
    put('secrets', 'kube-system', 'bootstrap-token-abcdef', secret())
    expect(await user()).toMatchObject({
      name: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:k3s:default-node-token', 'system:authenticated'],
    })
  })

  test.each([
    [{ expiration: '2025-12-31T23:59:59Z' }],
    [{ 'usage-bootstrap-authentication': 'false' }],
    [{ 'token-secret': 'fedcba9876543210' }],
    [{ 'auth-extra-groups': 'system:masters' }],
  ])('are refused with %j', async changes => {
    put('secrets', 'kube-system', 'bootstrap-token-abcdef', secret(changes))
    expect(await user()).toBeUndefined()
  })
})

test.each([
  ['node:secret', 'node'],
  ['node:wrong', undefined],
  ['server:secret', undefined],
])('basic authentication of %s is for the supervisor alone', async (text, name) => {
  const headers = { authorization: `Basic ${Buffer.from(text).toString('base64')}` }
  expect((await authenticator().authenticateSupervisor({ headers }))?.name).toBe(name)
  expect(await authenticator(true).authenticate({ headers })).toBeUndefined()
})

describe('impersonation', () => {
  const real = { name: 'admin', uid: '', groups: [], extra: {} }
  test('asks for every part', () => {
    const found = impersonation(
      {
        'impersonate-user': 'jane',
        'impersonate-group': ['dev'],
        'impersonate-uid': 'u1',
        'impersonate-extra-acme%2fscope': ['a', 'b'],
      },
      real,
    )
    expect(found?.user).toEqual({
      name: 'jane',
      uid: 'u1',
      groups: ['dev', 'system:authenticated'],
      extra: { 'acme/scope': ['a', 'b'] },
    })
    expect(found?.checks.map(c => [c.verb, c.group, c.resource, c.subresource, c.name])).toEqual([
      ['impersonate', '', 'users', '', 'jane'],
      ['impersonate', '', 'groups', '', 'dev'],
      ['impersonate', 'authentication.k8s.io', 'userextras', 'acme/scope', 'a'],
      ['impersonate', 'authentication.k8s.io', 'userextras', 'acme/scope', 'b'],
      ['impersonate', 'authentication.k8s.io', 'uids', '', 'u1'],
    ])
  })

  test('of a service account implies its groups', () => {
    const found = impersonation({ 'impersonate-user': 'system:serviceaccount:ns:sa' }, real)
    expect(found?.checks[0]).toMatchObject({ resource: 'serviceaccounts', namespace: 'ns', name: 'sa' })
    expect(found?.user.groups).toEqual(['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'])
  })

  test('needs a user', () => {
    expect(impersonation({}, real)).toBeUndefined()
    expect(() => impersonation({ 'impersonate-group': 'dev' }, real)).toThrow('without impersonating a user')
  })
})
