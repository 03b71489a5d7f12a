import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { requestOf, testServer } from '../../bootstrap/apiserver/testing.ts'
import { type AssembledTestServer, assembledTestServer } from '../../bootstrap/apiserver/testing-assembled.ts'
import { clusterRoleBindings, namespaces, pods, serviceAccounts } from '../../bootstrap/client/resources.ts'

let api: AssembledTestServer
let token: string

const ask = (method: string, url: string, body?: unknown, headers: { [name: string]: string } = {}) =>
  requestOf(api.server, method, url, body, headers)
const asAccount = (method: string, url: string, body?: unknown, headers = {}) =>
  ask(method, url, body, { authorization: `Bearer ${token}`, ...headers })

beforeAll(async () => {
  api = await assembledTestServer()
  const client = api.client()
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } } as never)
  const metadata = { name: 'robot', namespace: 'team' }
  await client.create(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata, spec: {} }
  const issued = await client.create(serviceAccounts, request as never, { subresource: 'token', name: 'robot' })
  token = (issued as unknown as { status: { token: string } }).status.token
})
afterAll(() => api.stop())

describe('who asks', () => {
  test('nobody is refused', async () => {
    const { json, headers } = await ask('GET', '/api/v1/namespaces')
    expect(json).toMatchObject({ kind: 'Status', code: 401, reason: 'Unauthorized', message: 'Unauthorized' })
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect((await ask('GET', '/api', undefined, { authorization: 'Bearer wrong' })).status).toBe(401)
  })

  test('a service account is itself', async () => {
    const review = await asAccount('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {})
    expect(review.status).toBe(201)
    expect(review.json.status.userInfo).toMatchObject({
      username: 'system:serviceaccount:team:robot',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:team', 'system:authenticated'],
    })
  })

  test('reviews have no table', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const review = await asAccount('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, { accept })
    expect(review.json).toMatchObject({ code: 406, reason: 'NotAcceptable' })
  })
})

describe('what they may do', () => {
  const list = '/api/v1/namespaces/team/pods'

  test('nothing, unless a role says so', async () => {
    expect((await asAccount('GET', list)).json).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message:
        'pods is forbidden: User "system:serviceaccount:team:robot" cannot list resource "pods" in API group "" in the namespace "team"',
    })
    expect((await asAccount('GET', '/api/v1/nodes')).json.message).toBe(
      'nodes is forbidden: User "system:serviceaccount:team:robot" cannot list resource "nodes" in API group "" at the cluster scope',
    )
    expect((await asAccount('GET', '/metrics')).json.message).toBe(
      'forbidden: User "system:serviceaccount:team:robot" cannot get path "/metrics"',
    )
    expect((await asAccount('GET', '/version')).status).toBe(200)
  })

  test('what a binding grants, from then on', async () => {
    const client = api.client()
    await client.create(clusterRoleBindings, {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'robots-view' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: 'team' }],
    })
    expect((await asAccount('GET', list)).status).toBe(200)
    expect((await asAccount('POST', list, {})).json.code).toBe(403)
    const robot = client.as('system:serviceaccount:team:robot')
    expect((await robot.list(pods, { namespace: 'team' })).items).toEqual([])
  })

  test('impersonation is asked about part by part', async () => {
    const { json } = await asAccount('GET', list, undefined, { 'impersonate-user': 'jane' })
    expect(json.message).toBe(
      'users "jane" is forbidden: User "system:serviceaccount:team:robot" cannot impersonate resource "users" in API group "" at the cluster scope',
    )
  })
})

test('until it is ready, a server answers for its health alone', async () => {
  const starting = await testServer({}, false)
  expect((await starting.request('GET', '/api/v1/namespaces')).json).toMatchObject({
    code: 503,
    reason: 'ServiceUnavailable',
  })
  expect((await starting.request('GET', '/livez')).text).toBe('ok')
  expect((await starting.request('GET', '/readyz')).status).toBe(500)
  starting.server.setReady()
  expect((await starting.request('GET', '/readyz')).text).toBe('ok')
  await starting.stop()
})
