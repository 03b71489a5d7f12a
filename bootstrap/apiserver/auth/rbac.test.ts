import { beforeEach, describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import type { AdmissionRequest, ObjectReader } from '../admission/plugin.ts'
import type { Kind, Mutable } from '../kinds/kind.ts'
import { aggregatedRules, staleAggregations } from './aggregation.ts'
import { type Attributes, attributesOf, createAuthorizer } from './authorizer.ts'
import { BindingIndex } from './bindings.ts'
import { bootstrapObjects, nodeRules, type RbacResource, reconcileBootstrapRoles } from './bootstrap-roles.ts'
import { checkEscalation } from './escalation.ts'
import { createNodeAuthorizer } from './node.ts'
import { NodePods } from './node-pods.ts'
import { createRbac, rbacGroup } from './rbac.ts'
import { describeRules, ruleAllows, uncovered } from './rules.ts'

const user = (name: string, ...groups: string[]) => ({ name, uid: '', groups, extra: {} })
const jane = user('jane', 'dev')

let objects: Map<string, KubeObject>
const reader: ObjectReader = {
  get: (group, resource, namespace, name) => objects.get([group, resource, namespace, name].join('/')),
  list: (group, resource, namespace) =>
    [...objects].flatMap(([key, object]) =>
      key.startsWith([group, resource, namespace ?? ''].join('/')) ? [object] : [],
    ),
}
let index: BindingIndex
beforeEach(() => {
  objects = new Map()
  index = new BindingIndex()
})

function put(resource: string, namespace: string, name: string, body: object): KubeObject {
  const object = {
    apiVersion: `${rbacGroup}/v1`,
    kind: '',
    metadata: namespace ? { name, namespace } : { name },
    ...body,
  }
  objects.set([rbacGroup, resource, namespace, name].join('/'), object)
  if (resource.endsWith('bindings')) index.set(object)
  return object
}
const bind = (namespace: string, name: string, roleKind: string, role: string, subjects: object[]) =>
  put(namespace ? 'rolebindings' : 'clusterrolebindings', namespace, name, {
    roleRef: { kind: roleKind, name: role },
    subjects,
  })
const janeSubject = { kind: 'User', name: 'jane' }
const pods = (verb: string, namespace = 'ns', more: Partial<Attributes> = {}) =>
  attributesOf(jane, verb, { resource: 'pods', namespace, ...more })

describe('one rule', () => {
  const rule = { apiGroups: [''], resources: ['pods', 'pods/log', '*/scale'], verbs: ['get', 'create'] }
  test.each<[string, object, Partial<Attributes> & { verb?: string }, boolean]>([
    ['the resource', rule, { resource: 'pods' }, true],
    ['a subresource', rule, { resource: 'pods', subresource: 'log' }, true],
    ['another subresource', rule, { resource: 'pods', subresource: 'exec' }, false],
    ['*/scale', rule, { resource: 'x', subresource: 'scale' }, true],
    ['another verb', rule, { resource: 'pods', verb: 'list' }, false],
    ['another group', rule, { resource: 'pods', group: 'apps' }, false],
    ['* for a subresource', { ...rule, resources: ['*'] }, { resource: 'pods', subresource: 'exec' }, true],
    ['a named object', { ...rule, resourceNames: ['a'] }, { resource: 'pods', name: 'a' }, true],
    ['an unnamed create', { ...rule, resourceNames: ['a'] }, { resource: 'pods', verb: 'create' }, false],
    ['a path', { verbs: ['get'], nonResourceURLs: ['/healthz/*'] }, { path: '/healthz/x', isResource: false }, true],
    ['a path by resource rule', rule, { path: '/healthz', isResource: false }, false],
    ['any path', { verbs: ['*'], nonResourceURLs: ['*'] }, { path: '/x', isResource: false }, true],
  ])('%s', (_name, policy, { verb = 'get', ...parts }, allowed) => {
    expect(ruleAllows(policy as never, attributesOf(jane, verb, parts))).toBe(allowed)
  })
})

describe('bindings', () => {
  const rbac = () => createRbac(reader, index)
  beforeEach(() => {
    put('clusterroles', '', 'reader', { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] })
    put('roles', 'ns', 'writer', { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['create'] }] })
  })

  test('a ClusterRoleBinding counts everywhere', () => {
    bind('', 'all', 'ClusterRole', 'reader', [janeSubject])
    expect(rbac().authorize(pods('get'))).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "reader" to User "jane"',
    })
    expect(rbac().authorize(pods('get', '')).allowed).toBe(true)
    expect(rbac().authorize(pods('create')).allowed).toBe(false)
  })

  test('a RoleBinding counts in its namespace', () => {
    bind('ns', 'here', 'ClusterRole', 'reader', [{ kind: 'Group', name: 'dev' }])
    expect(rbac().authorize(pods('get'))).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "here/ns" of ClusterRole "reader" to Group "dev"',
    })
    expect(rbac().authorize(pods('get', 'other')).allowed).toBe(false)
    expect(rbac().authorize(pods('get', '')).allowed).toBe(false)
  })

  test("a service account without namespace is the binding's", () => {
    bind('ns', 'sa', 'Role', 'writer', [{ kind: 'ServiceAccount', name: 'bot' }])
    const bot = user('system:serviceaccount:ns:bot')
    expect(rbac().authorize({ ...pods('create'), user: bot })).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "sa/ns" of Role "writer" to ServiceAccount "bot/ns"',
    })
    expect(rbac().authorize({ ...pods('create'), user: user('system:serviceaccount:x:bot') }).allowed).toBe(false)
  })

  test('a changed or deleted binding stops counting', () => {
    const binding = bind('', 'all', 'ClusterRole', 'reader', [janeSubject])
    bind('', 'all', 'ClusterRole', 'reader', [{ kind: 'User', name: 'joe' }])
    expect(rbac().authorize(pods('get')).allowed).toBe(false)
    index.set(binding)
    expect(rbac().authorize(pods('get')).allowed).toBe(true)
    index.delete(binding)
    expect(rbac().authorize(pods('get')).allowed).toBe(false)
  })

  test('rules are listed, and roles that are missing', () => {
    bind('', 'all', 'ClusterRole', 'reader', [janeSubject])
    bind('ns', 'gone', 'Role', 'none', [janeSubject])
    const found = rbac().rulesOf(jane, 'ns')
    expect(found.rules).toHaveLength(1)
    expect(found.errors).toEqual(['role.rbac.authorization.k8s.io "none" not found'])
  })

  test('system:masters needs no binding', () => {
    const authorizer = createAuthorizer([rbac()])
    expect(authorizer.authorize({ ...pods('delete'), user: user('x', 'system:masters') }).allowed).toBe(true)
    expect(authorizer.authorize(pods('delete')).allowed).toBe(false)
  })
})

describe('escalation', () => {
  const rule = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }
  const request = (resource: string, object: object, who = jane, old?: object): AdmissionRequest => ({
    operation: old ? 'UPDATE' : 'CREATE',
    kind: { group: rbacGroup, resource } as Kind,
    subresource: '',
    namespace: 'ns',
    name: 'x',
    user: who,
    dryRun: false,
    object: { metadata: {}, ...object } as Mutable,
    old: old && ({ metadata: {}, ...old } as KubeObject),
    options: {},
    warn: () => {},
  })
  const check = (asked: AdmissionRequest) => {
    const rbac = createRbac(reader, index)
    return () => checkEscalation(asked, { rbac, authorizer: createAuthorizer([rbac]) })
  }

  test('nobody grants what they lack', () => {
    expect(check(request('roles', { rules: [rule] }))).toThrow(
      'roles.rbac.authorization.k8s.io "x" is forbidden: user "jane" (groups=["dev"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
    )
    put('clusterroles', '', 'reader', { rules: [{ ...rule, verbs: ['get'] }] })
    bind('', 'all', 'ClusterRole', 'reader', [janeSubject])
    expect(check(request('roles', { rules: [rule] }))).toThrow('Verbs:["list"]}')
    expect(check(request('roles', { rules: [{ ...rule, verbs: ['get'] }] }))).not.toThrow()
    expect(check(request('roles', { rules: [rule] }, user('root', 'system:masters')))).not.toThrow()
  })

  test.each([
    ['roles', 'escalate', 'roles', { rules: [rule] }],
    ['rolebindings', 'bind', 'clusterroles', { roleRef: { kind: 'ClusterRole', name: 'big' } }],
  ])('%s: the verb %s allows it', (resource, verb, target, object) => {
    put('clusterroles', '', 'big', { rules: [rule] })
    expect(check(request(resource, object))).toThrow('not currently held')
    put('clusterroles', '', 'power', { rules: [{ apiGroups: [rbacGroup], resources: [target], verbs: [verb] }] })
    bind('', 'power', 'ClusterRole', 'power', [janeSubject])
    expect(check(request(resource, object))).not.toThrow()
  })

  test('a change of owner references is no grant', () => {
    const changed = { rules: [rule], metadata: { ownerReferences: [] } }
    expect(check(request('roles', changed, jane, { rules: [rule] }))).not.toThrow()
    expect(check(request('roles', { rules: [rule], metadata: { labels: {} } }, jane, { rules: [rule] }))).toThrow()
  })

  test.each([
    [[{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }], 0],
    [[{ ...rule, resourceNames: ['a'] }], 2],
    [[{ ...rule, verbs: ['list'] }], 1],
  ])('coverage by %j', (held, missing) => expect(uncovered(held, [rule])).toHaveLength(missing))

  test('URLs are described too', () => {
    expect(describeRules([{ nonResourceURLs: ['/x'], verbs: ['get'] }])).toEqual([
      '{NonResourceURLs:["/x"], Verbs:["get"]}',
    ])
  })
})

describe('the Node authorizer', () => {
  const kubelet = user('system:node:n1', 'system:nodes')
  const pod = (name: string, nodeName: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'ns' },
    spec: {
      nodeName,
      serviceAccountName: `${name}-sa`,
      containers: [{ name: 'c', envFrom: [{ configMapRef: { name: `${name}-env` } }] }],
      volumes: [
        { name: 'a', secret: { secretName: `${name}-secret` } },
        { name: 'b', persistentVolumeClaim: { claimName: `${name}-claim` } },
      ],
    },
  })
  const ask = (verb: string, resource: string, more: Partial<Attributes> = {}) => {
    const running = new NodePods()
    running.set(pod('mine', 'n1'))
    running.set(pod('other', 'n2'))
    objects.set('/persistentvolumes//pv', {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'pv' },
      spec: { claimRef: { namespace: 'ns', name: 'mine-claim' } },
    })
    const authorizer = createNodeAuthorizer({ reader, pods: running, rules: nodeRules() })
    return authorizer.authorize(attributesOf(kubelet, verb, { resource, namespace: 'ns', ...more }))
  }

  test.each<[string, string, Partial<Attributes>, boolean]>([
    ['get', 'secrets', { name: 'mine-secret' }, true],
    ['get', 'secrets', { name: 'other-secret' }, false],
    ['list', 'secrets', {}, false],
    ['watch', 'configmaps', { fields: { 'metadata.name': 'mine-env' } }, true],
    ['get', 'persistentvolumeclaims', { name: 'mine-claim' }, true],
    ['get', 'persistentvolumes', { name: 'pv', namespace: '' }, true],
    ['create', 'serviceaccounts', { name: 'mine-sa', subresource: 'token' }, true],
    ['create', 'serviceaccounts', { name: 'other-sa', subresource: 'token' }, false],
    ['get', 'nodes', { name: 'n1', namespace: '' }, true],
    ['get', 'nodes', { name: 'n2', namespace: '' }, false],
    ['watch', 'nodes', { fields: { 'metadata.name': 'n1' }, namespace: '' }, true],
    ['list', 'pods', { fields: { 'spec.nodeName': 'n1' }, namespace: '' }, true],
    ['list', 'pods', { namespace: '', fields: {} }, false],
    ['list', 'pods', { namespace: '' }, true],
    ['get', 'pods', { name: 'mine' }, true],
    ['get', 'pods', { name: 'other' }, false],
    ['patch', 'pods', { name: 'mine', subresource: 'status' }, true],
    ['list', 'services', { namespace: '' }, true],
    ['update', 'leases', { group: 'coordination.k8s.io', namespace: 'kube-node-lease', name: 'n1' }, true],
    ['update', 'leases', { group: 'coordination.k8s.io', namespace: 'kube-node-lease', name: 'n2' }, false],
    ['list', 'deployments', { group: 'apps' }, false],
  ])('%s %s %j', (verb, resource, more, allowed) => expect(ask(verb, resource, more).allowed).toBe(allowed))

  test('gives a reason', () => {
    expect(ask('get', 'secrets', { name: 'other-secret' }).reason).toBe(
      "no relationship found between node 'n1' and this object",
    )
  })
})

describe('bootstrap roles', () => {
  const wanted = new Map(
    bootstrapObjects().map(({ resource, object }) => [`${resource}/${object.metadata.name}`, object]),
  )

  test('are complete', () => {
    const names = [...wanted.keys()]
    for (const name of ['cluster-admin', 'admin', 'edit', 'view', 'system:node', 'system:controller:job-controller']) {
      expect(names).toContain(`clusterroles/${name}`)
    }
    expect(names.filter(name => name.startsWith('clusterroles/system:controller:'))).toHaveLength(38)
    expect(names).toContain('clusterrolebindings/kube-apiserver-kubelet-admin')
  })

  test('view feeds edit, edit feeds admin', () => {
    const allows = (role: string, verb: string, resource: string, group = '') =>
      (wanted.get(`clusterroles/${role}`) as unknown as { rules: never[] }).rules.some(rule =>
        ruleAllows(rule, attributesOf(jane, verb, { resource, group })),
      )
    expect(allows('view', 'get', 'pods')).toBe(true)
    expect(allows('view', 'get', 'secrets')).toBe(false)
    expect(allows('edit', 'get', 'pods')).toBe(true)
    expect(allows('edit', 'create', 'roles', rbacGroup)).toBe(false)
    expect(allows('admin', 'create', 'roles', rbacGroup)).toBe(true)
    expect(allows('admin', 'get', 'namespaces')).toBe(true)
  })

  const store = () => {
    const kept = new Map<string, KubeObject>()
    const writes: string[] = []
    const key = (resource: RbacResource, namespace: string, name: string) => `${resource}/${namespace}/${name}`
    const keyOf = (resource: RbacResource, object: KubeObject) =>
      key(resource, object.metadata.namespace ?? '', object.metadata.name ?? '')
    const write = async (resource: RbacResource, object: KubeObject) => {
      writes.push(keyOf(resource, object))
      kept.set(keyOf(resource, object), object)
    }
    return {
      kept,
      writes,
      get: (resource: RbacResource, namespace: string, name: string) => kept.get(key(resource, namespace, name)),
      create: write,
      update: write,
      delete: async (resource: RbacResource, object: KubeObject) => kept.delete(keyOf(resource, object)),
    }
  }

  test('are created once', async () => {
    const writer = store()
    await reconcileBootstrapRoles(writer)
    expect(writer.kept.size).toBe(bootstrapObjects().length)
    writer.writes.length = 0
    await reconcileBootstrapRoles(writer)
    expect(writer.writes).toEqual([])
  })

  test('keep what users added and regain what they removed', async () => {
    const writer = store()
    await reconcileBootstrapRoles(writer)
    const mine = { apiGroups: ['x'], resources: ['y'], verbs: ['get'] }
    const change = (key: string, body: object) => writer.kept.set(key, { ...writer.kept.get(key)!, ...body })
    change('clusterroles//system:kube-dns', { rules: [mine] })
    change('clusterrolebindings//system:node-proxier', { subjects: [{ kind: 'Group', name: 'g' }] })
    change('clusterrolebindings//system:kube-dns', { roleRef: { kind: 'ClusterRole', name: 'cluster-admin' } })
    change('clusterroles//system:discovery', {
      rules: [],
      metadata: { name: 'system:discovery', annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
    })
    writer.writes.length = 0
    await reconcileBootstrapRoles(writer)
    expect(writer.writes.sort()).toEqual([
      'clusterrolebindings//system:kube-dns',
      'clusterrolebindings//system:node-proxier',
      'clusterroles//system:kube-dns',
    ])
    expect(writer.kept.get('clusterroles//system:kube-dns')!.rules).toEqual([
      mine,
      { apiGroups: [''], resources: ['endpoints', 'services'], verbs: ['list', 'watch'] },
    ])
    expect(writer.kept.get('clusterrolebindings//system:node-proxier')!.subjects).toHaveLength(2)
  })
})

test('aggregation takes the rules of matching roles in the order of their names', () => {
  const role = (name: string, verb: string, label?: string) => ({
    apiVersion: '',
    kind: 'ClusterRole',
    metadata: { name, ...(label ? { labels: { [label]: 'yes' } } : {}) },
    rules: [{ verbs: [verb] }],
  })
  const sum = { ...role('sum', 'x'), aggregationRule: { clusterRoleSelectors: [{ matchLabels: { l: 'yes' } }] } }
  const all = [role('b', 'list', 'l'), role('a', 'get', 'l'), role('c', 'get', 'l'), role('d', 'no'), sum]
  expect(aggregatedRules(sum, all)).toEqual([{ verbs: ['get'] }, { verbs: ['list'] }])
  expect(staleAggregations(all).map(one => one.metadata.name)).toEqual(['sum'])
  expect(staleAggregations([{ ...sum, rules: [] }])).toEqual([])
})
