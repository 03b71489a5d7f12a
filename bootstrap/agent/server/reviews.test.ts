import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type AssembledTestServer, assembledTestServer } from '../../apiserver/testing-assembled.ts'
import type { Client } from '../../client/client.ts'
import { clusterRoleBindings, nodes, serviceAccounts } from '../../client/resources.ts'
import { FakeClock } from '../../client/testing/fake-clock.ts'
import { apiReviews } from './reviews.ts'

let server: AssembledTestServer
let asked: string[]
/** The API as the node itself; what it creates is counted. */
let node: Client

beforeAll(async () => {
  server = await assembledTestServer()
  const admin = server.client()
  await admin.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'here' }, spec: {} })
  await admin.create(clusterRoleBindings, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'scraper' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' },
    subjects: [{ kind: 'User', name: 'scraper', apiGroup: 'rbac.authorization.k8s.io' }],
  })
  const client = admin.as('system:node:here', ['system:nodes'])
  asked = []
  node = {
    ...client,
    create: (resource, object, options) => {
      asked.push(resource.kind)
      return client.create(resource, object, options)
    },
  } as Client
})
afterAll(() => server?.stop())

const scraper = { name: 'scraper', groups: [] }

test('a node asks the API who may use it, and remembers the answer for a while', async () => {
  const clock = new FakeClock()
  const { authorize } = apiReviews(node, 'here', clock)
  asked.length = 0
  expect(await authorize(scraper, 'get', 'metrics')).toBe(true)
  expect(await authorize(scraper, 'get', 'metrics')).toBe(true)
  expect(await authorize({ name: 'nobody', groups: [] }, 'get', 'metrics')).toBe(false)
  expect(asked).toEqual(['SubjectAccessReview', 'SubjectAccessReview'])
  await clock.advance(31_000)
  await authorize({ name: 'nobody', groups: [] }, 'get', 'metrics')
  await authorize(scraper, 'get', 'metrics')
  expect(asked).toHaveLength(3)
  await clock.advance(300_000)
  await authorize(scraper, 'get', 'metrics')
  expect(asked).toHaveLength(4)
})

test('administrators need no question', async () => {
  asked.length = 0
  const { authorize } = apiReviews(node, 'here', new FakeClock())
  expect(await authorize({ name: 'x', groups: ['system:masters'] }, 'create', 'proxy')).toBe(true)
  expect(asked).toEqual([])
})

test('a token is the user it was made for', async () => {
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { namespace: 'default' },
    spec: {},
  }
  const account = { subresource: 'token', name: 'default' }
  await server
    .client()
    .create(serviceAccounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { namespace: 'default', name: 'default' },
    })
    .catch(() => undefined)
  const made = (await server.client().create(serviceAccounts, request, account)) as { status?: { token?: string } }
  const { authenticate } = apiReviews(node, 'here', new FakeClock())
  expect((await authenticate(made.status?.token ?? ''))?.name).toBe('system:serviceaccount:default:default')
  asked.length = 0
  expect(await authenticate('nonsense')).toBeUndefined()
  expect(await authenticate('nonsense')).toBeUndefined()
  expect(asked).toEqual(['TokenReview'])
})

test('an API that does not answer is not remembered', async () => {
  let broken = true
  const client = {
    create: (...args: Parameters<Client['create']>) =>
      broken ? Promise.reject(new Error('away')) : node.create(...args),
  } as unknown as Client
  const { authorize } = apiReviews(client, 'here', new FakeClock())
  await expect(authorize(scraper, 'get', 'stats')).rejects.toThrow('away')
  broken = false
  expect(await authorize(scraper, 'get', 'stats')).toBe(true)
})
