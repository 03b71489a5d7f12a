import { createPublicKey } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Datastore } from '../../datastore/datastore.ts'
import { openSqlite } from '../../datastore/sqlite/sqlite.ts'
import { issueCertificate, keyPem, newKey } from '../../pki/certificate.ts'
import { ManualClock } from '../store/manual-clock.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { attributesOf } from './authorizer.ts'
import { type Auth, openAuth } from './open-auth.ts'
import { rbacGroup } from './rbac.ts'

const clock = new ManualClock()
const key = newKey()
const span = { notBefore: clock.now(), notAfter: clock.now() + 86_400_000 }
const caPem = issueCertificate({ commonName: 'ca', isCa: true, ...span }, createPublicKey(key), key)
const serviceKey = keyPem(newKey())
const jane = { name: 'jane', uid: '', groups: ['system:authenticated'], extra: {} }

let dir: string
let datastore: Datastore
let store: Store
let stop: AbortController
let failures: unknown[]
let auth: Auth

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-auth-'))
  stop = new AbortController()
  failures = []
  datastore = await openSqlite({ file: join(dir, 'state.db'), clock })
  store = await openStore({ datastore, clock })
  auth = await openAuth({
    store,
    clock,
    signal: stop.signal,
    onFailure: error => failures.push(error),
    clientCaPem: caPem,
    requestHeaderCaPem: caPem,
    serviceKeys: { signing: serviceKey, all: [serviceKey] },
    clusterDomain: 'cluster.local',
  })
})

afterEach(async () => {
  stop.abort()
  await store.close()
  await datastore.close()
  await rm(dir, { recursive: true })
  expect(failures).toEqual([])
})

const rbacObject = (kind: string, name: string, body: object) => ({
  apiVersion: `${rbacGroup}/v1`,
  kind,
  metadata: { name, labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
  ...body,
})

/** Waits for what an index does on its own turn. */
async function eventually(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500 && !holds(); turn++) await new Promise(resolve => setImmediate(resolve))
  expect(holds()).toBe(true)
}

test('bootstrap fills an empty store, once', async () => {
  expect(auth.authorizer.authorize(attributesOf(jane, 'get', { path: '/version' })).allowed).toBe(false)
  await auth.bootstrap()
  await eventually(() => auth.authorizer.authorize(attributesOf(jane, 'get', { path: '/version' })).allowed)
  const role = auth.reader.get(rbacGroup, 'clusterroles', '', 'cluster-admin')
  expect(role?.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
  const revision = store.revision()
  await auth.bootstrap()
  expect(store.revision()).toBe(revision)
})

test('a new role with an aggregation label reaches view, edit and admin', async () => {
  await auth.bootstrap()
  const rule = { apiGroups: ['example.com'], resources: ['foos'], verbs: ['get'] }
  await store.loaded(rbacGroup, 'clusterroles')!.create(rbacObject('ClusterRole', 'foo-viewer', { rules: [rule] }))
  const rulesOf = (name: string) => auth.reader.get(rbacGroup, 'clusterroles', '', name)?.rules
  await eventually(() => ['view', 'edit', 'admin'].every(name => JSON.stringify(rulesOf(name)).includes('example.com')))
})

test('bindings count as soon as they are there, and no longer than that', async () => {
  await auth.bootstrap()
  const bindings = store.loaded(rbacGroup, 'clusterrolebindings')!
  const may = () => auth.authorizer.authorize(attributesOf(jane, 'get', { resource: 'pods', namespace: 'x' })).allowed
  expect(may()).toBe(false)
  const roleRef = { apiGroup: rbacGroup, kind: 'ClusterRole', name: 'view' }
  const subjects = [{ kind: 'User', name: 'jane' }]
  const stored = await bindings.create(rbacObject('ClusterRoleBinding', 'jane-views', { roleRef, subjects }))
  await eventually(may)
  await bindings.delete('', 'jane-views', stored.revision)
  await eventually(() => !may())
})

test('a TokenRequest is answered with a token that authenticates', async () => {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sa', namespace: 'ns', uid: 'u' } }
  await store.loaded('', 'serviceaccounts')!.create(account)
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec: {} }
  const answer = (await auth.tokenIssuer(account, request)) as { spec: object; status: { token: string } }
  expect(answer.spec).toEqual({
    audiences: ['https://kubernetes.default.svc.cluster.local', 'k3s'],
    expirationSeconds: 3600,
  })
  const headers = { authorization: `Bearer ${answer.status.token}` }
  expect((await auth.authenticator.authenticate({ headers }))?.name).toBe('system:serviceaccount:ns:sa')
})
