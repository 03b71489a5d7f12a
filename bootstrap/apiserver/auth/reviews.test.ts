import { describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import { type Attributes, createAuthorizer } from './authorizer.ts'
import { BindingIndex } from './bindings.ts'
import { createRbac } from './rbac.ts'
import { reviews } from './reviews.ts'

const jane = { name: 'jane', uid: 'u', groups: ['dev', 'system:authenticated'], extra: { scope: ['a'] } }
const role: KubeObject = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'reader' },
  rules: [
    { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    { nonResourceURLs: ['/healthz'], verbs: ['get'] },
  ],
}
const index = new BindingIndex()
index.set({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'readers' },
  roleRef: { kind: 'ClusterRole', name: 'reader' },
  subjects: [{ kind: 'User', name: 'jane' }],
})
const rbac = createRbac(
  { get: (_group, _resource, _namespace, name) => (name === 'reader' ? role : undefined), list: () => [] },
  index,
)
const seen: Attributes[] = []
const authorizer = createAuthorizer([
  {
    authorize: attributes => {
      seen.push(attributes)
      return rbac.authorize(attributes)
    },
  },
])
const handlers = reviews({
  authenticator: {
    authenticateToken: async (token, audiences) =>
      token === 'good' ? { user: jane, audiences: (audiences ?? []).filter(one => one === 'api') } : undefined,
  },
  authorizer,
  rbac,
  audiences: ['api'],
  clock: { now: () => Date.UTC(2026, 0, 1) },
})
const post = (kind: string, spec: object, metadata = {}, user = jane) =>
  handlers.get(kind)!({ apiVersion: 'authorization.k8s.io/v1', kind, metadata, spec }, user)

describe('answers', () => {
  test.each<[string, object, object]>([
    [
      'SelfSubjectAccessReview',
      { resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'ns' } },
      { allowed: true, reason: 'RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to User "jane"' },
    ],
    ['SelfSubjectAccessReview', { resourceAttributes: { verb: 'list', resource: 'pods' } }, { allowed: false }],
    [
      'SubjectAccessReview',
      { user: 'joe', nonResourceAttributes: { verb: 'get', path: '/healthz' } },
      { allowed: false },
    ],
    ['TokenReview', { token: 'bad' }, { user: {}, error: 'invalid bearer token' }],
    [
      'TokenReview',
      { token: 'good' },
      {
        authenticated: true,
        audiences: ['api'],
        user: { username: 'jane', uid: 'u', groups: jane.groups, extra: jane.extra },
      },
    ],
    [
      'SelfSubjectRulesReview',
      { namespace: 'ns' },
      {
        resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
        nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }],
        incomplete: false,
      },
    ],
  ])('%s %j', async (kind, spec, status) => expect((await post(kind, spec)).status).toEqual(status))

  test('the rules of an administrator are those of the bindings, each once', async () => {
    const review = { apiVersion: '', kind: '', metadata: {}, spec: { namespace: 'ns' } }
    const found = await handlers.get('SelfSubjectRulesReview')!(review, { ...jane, groups: ['system:masters'] })
    expect(found.status).toMatchObject({ resourceRules: [{ verbs: ['get'] }], nonResourceRules: [{ verbs: ['get'] }] })
  })

  test('who am I', async () => {
    const found = await handlers.get('SelfSubjectReview')!({ apiVersion: '', kind: '', metadata: {} }, jane)
    expect(found.status).toEqual({
      userInfo: { username: 'jane', uid: 'u', groups: jane.groups, extra: jane.extra },
    })
    expect(found.metadata.creationTimestamp).toBe('2026-01-01T00:00:00Z')
  })

  test('a field selector reaches the authorizer', async () => {
    const requirements = [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }]
    const resourceAttributes = { verb: 'list', resource: 'pods', fieldSelector: { requirements } }
    await post('SubjectAccessReview', { user: 'x', resourceAttributes })
    expect(seen.at(-1)?.fields).toEqual({ 'spec.nodeName': 'n1' })
  })
})

describe('refusals', () => {
  const target = { resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'ns' } }
  test.each<[string, object, object, string]>([
    [
      'SubjectAccessReview',
      target,
      {},
      'spec.user: Invalid value: "": at least one of user or group must be specified',
    ],
    ['SelfSubjectAccessReview', {}, {}, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'],
    ['LocalSubjectAccessReview', { ...target, user: 'x' }, { namespace: 'other' }, 'must match metadata.namespace'],
    ['SelfSubjectRulesReview', {}, {}, 'no namespace on request'],
    ['TokenReview', {}, {}, 'token is required for TokenReview in authentication'],
  ])('%s %j', async (kind, spec, metadata, message) => {
    await expect(post(kind, spec, metadata)).rejects.toThrow(message)
  })
})
