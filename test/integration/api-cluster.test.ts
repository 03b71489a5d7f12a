import { connect } from 'node:http2'
import { request as open } from 'node:https'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { HttpClient, type Json } from './http-client.ts'
import { type RunningServer, startServer } from './server.ts'

let server: RunningServer
let api: HttpClient
beforeAll(async () => {
  server = await startServer()
  api = new HttpClient(server)
})
afterAll(async () => {
  api.close()
  await server.remove()
})

async function namespace(name: string): Promise<string> {
  await api.post('/api/v1/namespaces', { metadata: { name } })
  await api.until(`/api/v1/namespaces/${name}/serviceaccounts/default`, ({ status }) => status === 200)
  return `/api/v1/namespaces/${name}`
}

describe('a service account', () => {
  let home: string
  let token: string
  let robot: HttpClient
  beforeAll(async () => {
    home = await namespace('robots')
    const { body } = await api.post(`${home}/serviceaccounts/default/token`, { spec: { expirationSeconds: 600 } })
    token = body.status.token
    robot = new HttpClient(server, token)
  })
  afterAll(() => robot.close())

  test('has a token that says who it is', async () => {
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } }
    const { body } = await api.post('/apis/authentication.k8s.io/v1/tokenreviews', review)
    expect(body.status).toMatchObject({
      authenticated: true,
      user: {
        username: 'system:serviceaccount:robots:default',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:robots', 'system:authenticated'],
      },
    })
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
    expect(claims).toMatchObject({
      sub: 'system:serviceaccount:robots:default',
      'kubernetes.io': { namespace: 'robots' },
    })
    expect(claims.exp - claims.iat).toBe(600)
  })

  test('may do what a Role says, and nothing else', async () => {
    const refused = await robot.get(`${home}/configmaps`)
    expect(refused.body).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      details: { kind: 'configmaps' },
      message:
        'configmaps is forbidden: User "system:serviceaccount:robots:default" cannot list resource "configmaps" in API group "" in the namespace "robots"',
    })
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/robots'
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'create'] }]
    await api.post(`${rbac}/roles`, { metadata: { name: 'r' }, rules })
    await api.post(`${rbac}/rolebindings`, {
      metadata: { name: 'r' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
      subjects: [{ kind: 'ServiceAccount', name: 'default' }],
    })
    expect((await robot.get(`${home}/configmaps`)).status).toBe(200)
    expect((await robot.post(`${home}/configmaps`, { metadata: { name: 'mine' } })).status).toBe(201)
    expect((await robot.delete(`${home}/configmaps/mine`)).body.message).toBe(
      'configmaps "mine" is forbidden: User "system:serviceaccount:robots:default" cannot delete resource "configmaps" in API group "" in the namespace "robots"',
    )
    expect((await robot.get('/api/v1/nodes')).body.message).toMatch(
      /cannot list resource "nodes" in API group "" at the cluster scope$/,
    )
    const wider = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }]
    await api.patch(`${rbac}/roles/r`, 'application/merge-patch+json', {
      rules: [...rules, { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], verbs: ['create'] }],
    })
    expect((await robot.post(`${rbac}/roles`, { metadata: { name: 'w' }, rules: wider })).body.message).toBe(
      'roles.rbac.authorization.k8s.io "w" is forbidden: user "system:serviceaccount:robots:default" (groups=["system:serviceaccounts" "system:serviceaccounts:robots" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
    )
  })

  test('can be asked about and acted for', async () => {
    const attributes = { namespace: 'robots', verb: 'list', resource: 'configmaps' }
    const review = (spec: object) => api.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec })
    const user = 'system:serviceaccount:robots:default'
    expect((await review({ user, resourceAttributes: attributes })).body.status).toMatchObject({ allowed: true })
    expect((await review({ user, resourceAttributes: { ...attributes, verb: 'delete' } })).body.status).toMatchObject({
      allowed: false,
    })
    const as = { 'Impersonate-User': user }
    expect((await api.get(`${home}/configmaps`, { headers: as })).status).toBe(200)
    expect((await api.get(`${home}/secrets`, { headers: as })).status).toBe(403)
    expect((await robot.get(`${home}/configmaps`, { headers: { 'Impersonate-User': 'ann' } })).body.message).toMatch(
      /^users "ann" is forbidden: User "system:serviceaccount:robots:default" cannot impersonate resource "users"/,
    )
    expect(
      (await api.get(`${home}/configmaps`, { headers: { 'Impersonate-Group': 'g' } })).status,
    ).toBeGreaterThanOrEqual(400)
  })

  test('loses its token with the account', async () => {
    await api.post(`${home}/serviceaccounts`, { metadata: { name: 'brief' } })
    const made = await api.post(`${home}/serviceaccounts/brief/token`, {})
    const brief = new HttpClient(server, made.body.status.token)
    expect((await brief.get('/version')).status).toBe(200)
    await api.delete(`${home}/serviceaccounts/brief`)
    const { status, body } = await brief.get('/version')
    expect([status, body.message]).toEqual([401, 'Unauthorized'])
    brief.close()
    const forged = new HttpClient(server, `${token}x`)
    expect((await forged.get('/version')).status).toBe(401)
    forged.close()
  })
})

describe('deletion', () => {
  let home: string
  beforeAll(async () => {
    home = await namespace('owners')
  })
  const owned = async (name: string, owner: Json, block = false) => {
    const { kind, apiVersion, metadata } = owner
    const reference = { apiVersion, kind, name: metadata.name, uid: metadata.uid, blockOwnerDeletion: block }
    return (await api.post(`${home}/configmaps`, { metadata: { name, ownerReferences: [reference] } })).body
  }

  test('waits for finalizers, which can then only go', async () => {
    await api.post(`${home}/configmaps`, { metadata: { name: 'held', finalizers: ['example.com/a'] } })
    const { body } = await api.delete(`${home}/configmaps/held`)
    expect(body.metadata).toMatchObject({ deletionTimestamp: expect.any(String), deletionGracePeriodSeconds: 0 })
    const patch = (finalizers: string[]) =>
      api.patch(`${home}/configmaps/held`, 'application/merge-patch+json', { metadata: { finalizers } })
    expect((await patch(['example.com/a', 'example.com/b'])).status).toBe(422)
    expect((await patch([])).status).toBe(200)
    expect((await api.get(`${home}/configmaps/held`)).status).toBe(404)
  })

  test('in the background takes dependents along', async () => {
    const owner = (await api.post(`${home}/configmaps`, { metadata: { name: 'owner' } })).body
    await owned('child', await owned('middle', owner))
    await api.delete(`${home}/configmaps/owner`, { propagationPolicy: 'Background' })
    await api.until(`${home}/configmaps/child`, ({ status }) => status === 404)
    expect((await api.get(`${home}/configmaps/middle`)).status).toBe(404)
  }, 20_000)

  test('in the foreground waits for those that block', async () => {
    const owner = (await api.post(`${home}/configmaps`, { metadata: { name: 'last' } })).body
    const child = await owned('blocking', owner, true)
    const hold = { metadata: { finalizers: ['example.com/a'] } }
    await api.patch(`${home}/configmaps/${child.metadata.name}`, 'application/merge-patch+json', hold)
    const { body } = await api.delete(`${home}/configmaps/last`, { propagationPolicy: 'Foreground' })
    expect(body.metadata.finalizers).toEqual(['foregroundDeletion'])
    await api.until(`${home}/configmaps/blocking`, answer => answer.body.metadata.deletionTimestamp !== undefined)
    expect((await api.get(`${home}/configmaps/last`)).status).toBe(200)
    await api.patch(`${home}/configmaps/blocking`, 'application/merge-patch+json', { metadata: { finalizers: null } })
    await api.until(`${home}/configmaps/last`, ({ status }) => status === 404)
  }, 20_000)

  test('can leave orphans; owners that never were do not keep anything', async () => {
    const owner = (await api.post(`${home}/configmaps`, { metadata: { name: 'leaving' } })).body
    await owned('orphan', owner)
    await api.delete(`${home}/configmaps/leaving`, { propagationPolicy: 'Orphan' })
    await api.until(`${home}/configmaps/leaving`, ({ status }) => status === 404)
    expect((await api.get(`${home}/configmaps/orphan`)).body.metadata.ownerReferences).toBeUndefined()
    await owned('stray', { ...owner, metadata: { name: 'leaving', uid: '00000000-0000-0000-0000-000000000000' } })
    await api.until(`${home}/configmaps/stray`, ({ status }) => status === 404)
  }, 20_000)

  test('of a namespace empties it first and lets nothing new in', async () => {
    const doomed = await namespace('doomed')
    await api.post(`${doomed}/configmaps`, { metadata: { name: 'held', finalizers: ['example.com/a'] } })
    await api.post('/apis/apps/v1/namespaces/doomed/deployments', {
      metadata: { name: 'web' },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    })
    expect((await api.delete('/api/v1/namespaces/doomed')).body).toMatchObject({ status: { phase: 'Terminating' } })
    const late = await api.post(`${doomed}/configmaps`, { metadata: { name: 'late' } })
    expect(late.body).toMatchObject({
      code: 403,
      message:
        'configmaps "late" is forbidden: unable to create new content in namespace doomed because it is being terminated',
      details: { causes: [{ reason: 'NamespaceTerminating', field: 'metadata.namespace' }] },
    })
    const remaining = await api.until(doomed, ({ body }) =>
      body.status.conditions?.some(
        (condition: Json) => condition.type === 'NamespaceFinalizersRemaining' && condition.status === 'True',
      ),
    )
    const condition = remaining.body.status.conditions.find((one: Json) => one.type === 'NamespaceFinalizersRemaining')
    expect(condition.message).toBe(
      'Some content in the namespace has finalizers remaining: example.com/a in 1 resource instances',
    )
    await api.patch(`${doomed}/configmaps/held`, 'application/merge-patch+json', { metadata: { finalizers: null } })
    await api.until(doomed, ({ status }) => status === 404)
    expect((await api.get('/api/v1/pods?fieldSelector=metadata.namespace%3Ddoomed')).body.items).toEqual([])
  }, 30_000)
})

test('HTTP/2 carries many requests and a watch on one connection', async () => {
  const home = await namespace('streams')
  const { ca, cert, key } = server.tls
  const session = connect(server.url, { ca, cert, key })
  const get = (path: string) =>
    new Promise<Json>((resolve, reject) => {
      const stream = session.request({ ':path': path })
      let text = ''
      stream.setEncoding('utf8').on('data', part => (text += part))
      stream.on('error', reject).on('end', () => resolve(text))
    })
  const watch = get(`${home}/configmaps?watch=1&timeoutSeconds=2&labelSelector=n`)
  const names = Array.from({ length: 50 }, (_, index) => `m${index}`)
  await Promise.all(names.map(name => api.post(`${home}/configmaps`, { metadata: { name, labels: { n: name } } })))
  const gets = await Promise.all(names.map(name => get(`${home}/configmaps/${name}`)))
  expect(gets.map(text => JSON.parse(text).metadata.name)).toEqual(names)
  const events = (await watch)
    .trim()
    .split('\n')
    .map((line: string) => JSON.parse(line))
  expect(events.map((event: Json) => event.object.metadata.name).sort()).toEqual([...names].sort())
  const versions = events.map((event: Json) => Number(event.object.metadata.resourceVersion))
  expect(versions).toEqual([...versions].sort((a, b) => a - b))
  session.close()
})

test.each(['services', 'endpoints'])('default/kubernetes comes back among the %s', async resource => {
  const path = `/api/v1/namespaces/default/${resource}/kubernetes`
  const { body } = await api.get(path)
  expect((await api.delete(path)).status).toBe(200)
  const again = await api.until(path, ({ status }) => status === 200)
  expect(again.body.metadata.uid).not.toBe(body.metadata.uid)
  expect([again.body.spec, again.body.subsets]).toEqual([body.spec, body.subsets])
})

test('a client that leaves in the middle of its body is no error of the server', async () => {
  const before = server.log()
  await new Promise<void>(resolve => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': '100' }
    const outgoing = open(`${server.url}/api/v1/namespaces`, { ...server.tls, method: 'POST', headers, agent: false })
    outgoing.on('error', () => resolve())
    outgoing.write('{"metadata":', () => outgoing.destroy(new Error('gone')))
  })
  expect((await api.get('/readyz')).text).toBe('ok')
  expect(server.log().slice(before.length)).not.toContain('request failed')
})
