import { describe, expect, test } from '@jest/globals'
import type { Pod } from '../../api/types.gen.ts'
import type { Attributes } from '../auth/authorizer.ts'
import { type Asked, admit, ask, chainOver, cluster, kubelet, type Objects, pod } from './testing.ts'

const refusal = async (asked: Asked, objects: Objects = cluster()): Promise<{ code: number; message: string }> => {
  try {
    await admit(chainOver(objects), ask(asked))
  } catch (error) {
    return error as { code: number; message: string }
  }
  throw new Error('the request was admitted')
}
const admitted = <T = Pod>(asked: Asked, objects: Objects = cluster()): Promise<T> =>
  admit<T>(chainOver(objects), ask(asked))

describe('NamespaceLifecycle', () => {
  test.each(['default', 'kube-system', 'kube-public'])('%s stays', async name => {
    const found = await refusal({ of: '/namespaces', operation: 'DELETE', namespace: '', name })
    expect(found).toMatchObject({
      code: 403,
      message: `namespaces "${name}" is forbidden: this namespace may not be deleted`,
    })
  })

  test('other namespaces may go', async () => {
    await admitted({ of: '/namespaces', operation: 'DELETE', namespace: '', name: 'ns' })
  })

  test('nothing is created in a namespace that is not there', async () => {
    const found = await refusal({ of: '/configmaps', object: {}, namespace: 'none' })
    expect(found).toMatchObject({ code: 404, message: 'namespaces "none" not found' })
  })

  test('nothing is created in a namespace that goes, but things in it change', async () => {
    const objects = cluster().put('/namespaces', 'ns', { status: { phase: 'Terminating' } })
    const found = await refusal({ of: '/configmaps', object: {} }, objects)
    expect(found).toMatchObject({
      code: 403,
      message:
        'configmaps "x" is forbidden: unable to create new content in namespace ns because it is being terminated',
      status: { details: { causes: [{ reason: 'NamespaceTerminating' }] } },
    })
    await admitted({ of: '/configmaps', operation: 'UPDATE', object: {}, old: {} }, objects)
  })
})

describe('ServiceAccount', () => {
  const path = '/var/run/secrets/kubernetes.io/serviceaccount'

  test('mounts a token for the default account', async () => {
    const { spec } = await admitted({ object: pod() })
    expect(spec).toMatchObject({ serviceAccountName: 'default', serviceAccount: 'default' })
    const [volume] = spec.volumes ?? []
    expect(volume).toEqual({
      name: expect.stringMatching(/^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/),
      projected: {
        defaultMode: 420,
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
          { configMap: { items: [{ key: 'ca.crt', path: 'ca.crt' }], name: 'kube-root-ca.crt' } },
          {
            downwardAPI: {
              items: [{ fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' }, path: 'namespace' }],
            },
          },
        ],
      },
    })
    expect(spec.containers[0]?.volumeMounts).toEqual([{ mountPath: path, name: volume?.name, readOnly: true }])
  })

  test.each([
    ['the pod says no', pod({ automountServiceAccountToken: false }), {}],
    ['the account says no', pod(), { automountServiceAccountToken: false }],
    ['the path is taken', pod({}, { volumeMounts: [{ name: 'v', mountPath: path }] }), {}],
  ])('mounts none when %s', async (_name, object, account) => {
    const objects = cluster().put('/serviceaccounts', 'default', account, {}, 'ns')
    expect((await admitted({ object }, objects)).spec.volumes).toBeUndefined()
  })

  test("adds the account's pull secrets to a pod without any", async () => {
    const objects = cluster().put('/serviceaccounts', 'default', { imagePullSecrets: [{ name: 's' }] }, {}, 'ns')
    expect((await admitted({ object: pod() }, objects)).spec.imagePullSecrets).toEqual([{ name: 's' }])
    const own = pod({ imagePullSecrets: [{ name: 'mine' }] })
    expect((await admitted({ object: own }, objects)).spec.imagePullSecrets).toEqual([{ name: 'mine' }])
  })

  test('names a missing account', async () => {
    expect(await refusal({ object: pod({ serviceAccountName: 'bot' }) })).toMatchObject({
      code: 403,
      message: 'pods "x" is forbidden: error looking up service account ns/bot: serviceaccount "bot" not found',
    })
  })

  test('waits a moment for a default account', async () => {
    const objects = cluster().put('/namespaces', 'new')
    let waits = 0
    const wait = async () => {
      if (++waits === 3) objects.put('/serviceaccounts', 'default', {}, {}, 'new')
    }
    await admit(chainOver(objects, { wait }), ask({ object: pod(), namespace: 'new' }))
    expect(waits).toBe(3)
  })

  test.each([
    [{ serviceAccountName: 'default' }, 'a mirror pod may not reference service accounts'],
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, 'a mirror pod may not reference secrets'],
  ])('leaves mirror pods alone, and refuses %j', async (spec, message) => {
    const metadata = { annotations: { 'kubernetes.io/config.mirror': '1' } }
    expect((await admitted({ object: pod({}, {}, metadata) })).spec.serviceAccountName).toBeUndefined()
    expect((await refusal({ object: pod(spec, {}, metadata) })).message).toContain(message)
  })
})

describe('Priority', () => {
  const group = 'scheduling.k8s.io/priorityclasses'
  test.each<[string, object, object]>([
    ['none', {}, { priority: 0, preemptionPolicy: 'PreemptLowerPriority' }],
    ['a built-in class', { priorityClassName: 'system-node-critical' }, { priority: 2_000_001_000 }],
    ['a class', { priorityClassName: 'high' }, { priority: 7, preemptionPolicy: 'Never' }],
  ])('%s', async (_name, spec, resolved) => {
    const objects = cluster().put(group, 'high', { value: 7, preemptionPolicy: 'Never' })
    expect((await admitted({ object: pod(spec) }, objects)).spec).toMatchObject(resolved)
  })

  test('the global default', async () => {
    const objects = cluster().put(group, 'usual', { value: 3, globalDefault: true })
    expect((await admitted({ object: pod() }, objects)).spec).toMatchObject({ priorityClassName: 'usual', priority: 3 })
    const second = await refusal({ of: group, namespace: '', object: { value: 1, globalDefault: true } }, objects)
    expect(second.message).toContain('PriorityClass usual is already marked as default. Only one default can exist')
  })

  test.each([
    [{ priorityClassName: 'none' }, 'pods "x" is forbidden: no PriorityClass with name none was found'],
    [
      { priority: 5 },
      'the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    ],
  ])('refuses %j', async (spec, message) => {
    expect((await refusal({ object: pod(spec) })).message).toContain(message)
  })
})

test.each<[string, object[], object[]]>([
  [
    'none',
    [],
    [
      { effect: 'NoExecute', key: 'node.kubernetes.io/not-ready', operator: 'Exists', tolerationSeconds: 300 },
      { effect: 'NoExecute', key: 'node.kubernetes.io/unreachable', operator: 'Exists', tolerationSeconds: 300 },
    ],
  ],
  ['everything', [{ operator: 'Exists' }], [{ operator: 'Exists' }]],
])('DefaultTolerationSeconds with %s tolerated', async (_name, tolerations, wanted) => {
  expect((await admitted({ object: pod({ tolerations }) })).spec.tolerations).toEqual(wanted)
})

describe('RuntimeClass', () => {
  const objects = () =>
    cluster().put('node.k8s.io/runtimeclasses', 'vm', {
      overhead: { podFixed: { memory: '120Mi' } },
      scheduling: { nodeSelector: { vm: 'yes' }, tolerations: [{ key: 'vm', operator: 'Exists' }] },
    })
  test('adds overhead and scheduling', async () => {
    const { spec } = await admitted({ object: pod({ runtimeClassName: 'vm', nodeSelector: { a: 'b' } }) }, objects())
    expect(spec).toMatchObject({ overhead: { memory: '120Mi' }, nodeSelector: { a: 'b', vm: 'yes' } })
    expect(spec.tolerations).toContainEqual({ key: 'vm', operator: 'Exists' })
  })
  test.each([
    [{ runtimeClassName: 'none' }, 'pod rejected: RuntimeClass "none" not found'],
    [{ runtimeClassName: 'vm', overhead: { memory: '1Mi' } }, "Pod's Overhead doesn't match"],
    [{ overhead: { memory: '1Mi' } }, 'Pod Overhead set without corresponding RuntimeClass'],
    [
      { runtimeClassName: 'vm', nodeSelector: { vm: 'no' } },
      'conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no',
    ],
  ])('refuses %j', async (spec, message) => {
    expect((await refusal({ object: pod(spec) }, objects())).message).toContain(message)
  })
})

describe('EmbeddedRuntime', () => {
  const objects = () => cluster().put('node.k8s.io/runtimeclasses', 'embedded')
  const embedded = (image: string) => pod({ runtimeClassName: 'embedded' }, { image })
  test('runs compiled-in modules in kube-system', async () => {
    await admitted({ object: embedded('embedded/coredns:1.14'), namespace: 'kube-system' }, objects())
  })
  test.each([
    ['ns', 'embedded/coredns', 'reserved to pods in the namespace kube-system'],
    [
      'kube-system',
      'embedded/other',
      'no embedded module for image "embedded/other", there is embedded/coredns, embedded/helm',
    ],
    ['kube-system', 'docker.io/coredns', 'no embedded module for image "docker.io/coredns"'],
  ])('refuses in %s %s', async (namespace, image, message) => {
    expect((await refusal({ object: embedded(image), namespace }, objects())).message).toContain(message)
  })
  const asAccount = (serviceAccountName: string) =>
    pod({ runtimeClassName: 'embedded', serviceAccountName }, { image: 'embedded/helm' })
  const owner = (name: string) => ({
    authorize: ({ user, verb, group, resource, namespace }: Attributes) => ({
      allowed:
        user.name === `system:serviceaccount:ns:${name}` && [verb, group, resource, namespace].join() === '*,*,*,',
      reason: '',
    }),
  })
  const accounts = () =>
    objects().put('/serviceaccounts', 'helm-web', {}, {}, 'ns').put('/serviceaccounts', 'poor', {}, {}, 'ns')
  test('runs them elsewhere only for an account that owns the cluster', async () => {
    const chain = chainOver(accounts(), { authorizer: owner('helm-web') })
    await admit(chain, ask({ object: asAccount('helm-web') }))
    await expect(admit(chain, ask({ object: asAccount('poor') }))).rejects.toThrow(
      'reserved to pods in the namespace kube-system and to service accounts that may do everything, system:serviceaccount:ns:poor may not',
    )
  })
  test('lets a pod change whose account has lost its rights', async () => {
    const object = asAccount('helm-web')
    await admitted({ operation: 'UPDATE', object, old: object }, accounts())
  })
})

describe('storage', () => {
  const classes = () =>
    cluster()
      .put(
        'storage.k8s.io/storageclasses',
        'old',
        {},
        {
          annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
          creationTimestamp: '2025-01-01T00:00:00Z',
        },
      )
      .put(
        'storage.k8s.io/storageclasses',
        'new',
        { allowVolumeExpansion: true },
        {
          annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
          creationTimestamp: '2026-01-01T00:00:00Z',
        },
      )
      .put('storage.k8s.io/storageclasses', 'other')
  const claim = (storage: string, storageClassName?: string) => ({
    spec: { ...(storageClassName === undefined ? {} : { storageClassName }), resources: { requests: { storage } } },
    status: { phase: 'Bound' },
  })
  test('a claim gets the newest default class and its finalizer', async () => {
    const found = await admitted<object>({ of: '/persistentvolumeclaims', object: claim('1Gi') }, classes())
    expect(found).toMatchObject({
      metadata: { finalizers: ['kubernetes.io/pvc-protection'] },
      spec: { storageClassName: 'new' },
    })
    const none = await admitted<object>({ of: '/persistentvolumeclaims', object: claim('1Gi', '') }, classes())
    expect(none).toMatchObject({ spec: { storageClassName: '' } })
  })
  test('a claim grows only with a class that allows it', async () => {
    const grow = (name: string) => ({
      of: '/persistentvolumeclaims',
      operation: 'UPDATE' as const,
      object: claim('2Gi', name),
      old: claim('1Gi', name),
    })
    await admitted(grow('new'), classes())
    expect((await refusal(grow('other'), classes())).message).toContain('must support resize')
  })
  test('an ingress gets the default class', async () => {
    const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' }
    const objects = cluster().put('networking.k8s.io/ingressclasses', 'web', {}, { annotations })
    const of = 'networking.k8s.io/ingresses'
    expect(await admitted<object>({ of, object: { spec: {} } }, objects)).toMatchObject({
      spec: { ingressClassName: 'web' },
    })
  })
})

describe('nodes', () => {
  test('a new node is tainted', async () => {
    const node = await admitted<{ spec: object }>({ of: '/nodes', namespace: '', object: { spec: {} } })
    expect(node.spec).toEqual({ taints: [{ effect: 'NoSchedule', key: 'node.kubernetes.io/not-ready' }] })
  })

  const mine = { spec: { nodeName: 'n1', containers: [] } }
  const ownNode = (labels: object, taints: object[] = []) => ({ metadata: { name: 'n1', labels }, spec: { taints } })
  test.each<[string, Asked, string]>([
    ['a plain pod', { object: pod({ nodeName: 'n1' }) }, 'node "n1" can only create mirror pods'],
    [
      "another node's pod",
      { operation: 'DELETE', old: { spec: { nodeName: 'n2' } } },
      'node "n1" can only delete pods with spec.nodeName set to itself',
    ],
    [
      'labels through status',
      { operation: 'UPDATE', subresource: 'status', object: { ...mine, metadata: { labels: { a: 'b' } } }, old: mine },
      'cannot update labels through pod status',
    ],
    [
      'another node',
      { of: '/nodes', namespace: '', name: 'n2', operation: 'UPDATE', object: ownNode({}), old: ownNode({}) },
      'node "n1" is not allowed to modify node "n2"',
    ],
    [
      'a reserved label',
      { of: '/nodes', namespace: '', name: 'n1', object: ownNode({ 'node-role.kubernetes.io/control-plane': '' }) },
      'is not allowed to set the following labels: node-role.kubernetes.io/control-plane',
    ],
    [
      'its taints',
      {
        of: '/nodes',
        namespace: '',
        name: 'n1',
        operation: 'UPDATE',
        object: ownNode({}, [{ key: 'a' }]),
        old: ownNode({}),
      },
      'node "n1" is not allowed to modify taints',
    ],
    [
      'an unbound token',
      { of: '/serviceaccounts', subresource: 'token', object: { spec: {} } },
      'node requested token not bound to a pod',
    ],
    [
      "another node's lease",
      {
        of: 'coordination.k8s.io/leases',
        namespace: 'kube-node-lease',
        operation: 'UPDATE',
        name: 'n2',
        object: {},
        old: {},
      },
      'can only access node lease with the same name as the requesting node',
    ],
  ])('NodeRestriction refuses %s', async (_name, asked, message) => {
    const objects = cluster().put('/namespaces', 'kube-node-lease')
    expect((await refusal({ user: kubelet, ...asked }, objects)).message).toContain(message)
  })

  test('NodeRestriction lets a kubelet do its work', async () => {
    const labels = { 'kubernetes.io/hostname': 'n1', 'node.kubernetes.io/instance-type': 'k3s', 'example.com/x': 'y' }
    await admitted({ user: kubelet, of: '/nodes', namespace: '', name: 'n1', object: ownNode(labels) })
    await admitted({ user: kubelet, operation: 'UPDATE', subresource: 'status', object: mine, old: mine })
    await admitted({ user: kubelet, operation: 'DELETE', old: mine })
  })

  test('a pod bound to a node takes over its zone', async () => {
    const objects = cluster().put('/nodes', 'n1', {}, { labels: { 'topology.kubernetes.io/zone': 'z', other: 'x' } })
    const binding = await admitted<object>({ subresource: 'binding', object: { target: { name: 'n1' } } }, objects)
    expect(binding).toMatchObject({ metadata: { labels: { 'topology.kubernetes.io/zone': 'z' } } })
  })
})

test.each<[Asked, string]>([
  [{ subresource: 'approval', operation: 'UPDATE' }, 'user not permitted to approve requests with signerName "a/b"'],
  [
    { subresource: 'status', operation: 'UPDATE', object: { status: { certificate: 'x' } } },
    'user not permitted to sign requests with signerName "a/b"',
  ],
])('certificates need the verb on the signer: %j', async (asked, message) => {
  const old = { spec: { signerName: 'a/b' } }
  const request = { of: 'certificates.k8s.io/certificatesigningrequests', namespace: '', object: old, old, ...asked }
  expect((await refusal(request)).message).toContain(message)
  const seen: string[] = []
  const authorizer = {
    authorize: ({ verb, resource, name }: { verb: string; resource: string; name: string }) => {
      seen.push(`${verb} ${resource} ${name}`)
      return { allowed: name === 'a/*', reason: '' }
    },
  }
  await admit(chainOver(cluster(), { authorizer }), ask(request))
  expect(seen).toEqual([expect.stringMatching(/^(approve|sign) signers a\/b$/), expect.stringMatching(/ a\/\*$/)])
})
