import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import {
  ApiException,
  ApiextensionsV1Api,
  AppsV1Api,
  AuthorizationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1ConfigMap,
  type V1Deployment,
  type V1Status,
  VersionApi,
  Watch,
} from '@kubernetes/client-node'
import { type RunningServer, startServer } from '../integration/server.ts'

let server: RunningServer
let config: KubeConfig
let core: CoreV1Api
const namespace = 'default'

beforeAll(async () => {
  server = await startServer()
  config = new KubeConfig()
  config.loadFromFile(server.kubeconfig)
  core = config.makeApiClient(CoreV1Api)
})
afterAll(() => server.remove())

const settings = (name: string, data = {}): V1ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
})

/** The Status an API call failed with. */
async function failure(call: Promise<unknown>): Promise<V1Status & { status: string }> {
  try {
    await call
  } catch (error) {
    if (error instanceof ApiException) return typeof error.body === 'string' ? JSON.parse(error.body) : error.body
    throw error
  }
  throw new Error('the call succeeded')
}

describe('typed APIs', () => {
  test('read, create, replace, patch, delete', async () => {
    expect((await config.makeApiClient(VersionApi).getCode()).gitVersion).toMatch(/^v1\.36\.\d+\+skiff/)
    const created = await core.createNamespacedConfigMap({ namespace, body: settings('one', { a: '1' }) })
    expect(created.metadata?.creationTimestamp).toBeInstanceOf(Date)
    const replaced = await core.replaceNamespacedConfigMap({
      name: 'one',
      namespace,
      body: { ...created, data: { a: '2' } },
    })
    expect(replaced.data).toEqual({ a: '2' })
    const patched = await core.patchNamespacedConfigMap(
      { name: 'one', namespace, body: { data: { b: '3' } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    )
    expect(patched.data).toEqual({ a: '2', b: '3' })
    const byOperations = await core.patchNamespacedConfigMap({
      name: 'one',
      namespace,
      body: [{ op: 'remove', path: '/data/b' }],
    })
    expect(byOperations.data).toEqual({ a: '2' })
    const { items, metadata } = await core.listNamespacedConfigMap({ namespace, fieldSelector: 'metadata.name=one' })
    expect(items.map(item => item.metadata?.name)).toEqual(['one'])
    expect(metadata?.resourceVersion).toMatch(/^\d+$/)
    expect((await core.deleteNamespacedConfigMap({ name: 'one', namespace })).status).toBe('Success')
  })

  test('fail with a Status', async () => {
    expect(await failure(core.readNamespacedConfigMap({ name: 'none', namespace }))).toMatchObject({
      reason: 'NotFound',
      message: 'configmaps "none" not found',
      code: 404,
    })
    await core.createNamespacedConfigMap({ namespace, body: settings('twice') })
    expect(await failure(core.createNamespacedConfigMap({ namespace, body: settings('twice') }))).toMatchObject({
      reason: 'AlreadyExists',
      code: 409,
    })
    const stale = { ...settings('twice'), metadata: { name: 'twice', resourceVersion: '1' } }
    expect(await failure(core.replaceNamespacedConfigMap({ name: 'twice', namespace, body: stale }))).toMatchObject({
      reason: 'Conflict',
    })
    expect(await failure(core.createNamespacedConfigMap({ namespace, body: settings('Bad') }))).toMatchObject({
      reason: 'Invalid',
      code: 422,
    })
  })

  test('deployments roll, and accounts are asked about', async () => {
    const apps = config.makeApiClient(AppsV1Api)
    const labels = { app: 'web' }
    const body: V1Deployment = {
      metadata: { name: 'web' },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    }
    await apps.createNamespacedDeployment({ namespace, body })
    const scale = await apps.readNamespacedDeploymentScale({ name: 'web', namespace })
    expect(scale).toMatchObject({ spec: { replicas: 1 }, status: { selector: 'app=web' } })
    // Its resourceVersion is left out: the deployment controller writes at the same time.
    const wanted = { metadata: { name: 'web', namespace }, spec: { replicas: 2 } }
    await apps.replaceNamespacedDeploymentScale({ name: 'web', namespace, body: wanted })
    expect((await apps.readNamespacedDeployment({ name: 'web', namespace })).spec?.replicas).toBe(2)
    const review = await config.makeApiClient(AuthorizationV1Api).createSelfSubjectAccessReview({
      body: { spec: { resourceAttributes: { verb: 'create', resource: 'pods', namespace } } },
    })
    expect(review.status?.allowed).toBe(true)
  })
})

test('KubernetesObjectApi applies, patches, lists and deletes any object', async () => {
  const objects = KubernetesObjectApi.makeApiClient(config)
  const applied = (data: object, force = false) =>
    objects.patch(settings('applied', data), undefined, undefined, 'me', force, PatchStrategy.ServerSideApply)
  expect((await applied({ a: '1' })).metadata?.name).toBe('applied')
  expect(((await applied({ b: '2' })) as V1ConfigMap).data).toEqual({ b: '2' })
  await objects.patch(settings('applied', { c: '3' }), undefined, undefined, 'you', undefined, PatchStrategy.MergePatch)
  const found = (await objects.read({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'applied', namespace },
  })) as V1ConfigMap
  expect(found.data).toEqual({ b: '2', c: '3' })
  const list = await objects.list(
    'v1',
    'ConfigMap',
    namespace,
    undefined,
    undefined,
    undefined,
    'metadata.name=applied',
  )
  expect(list.items).toHaveLength(1)
  await objects.delete(found)
  expect(
    await failure(objects.read({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace } })),
  ).toMatchObject({ code: 404 })
})

test('custom objects, from their definition on', async () => {
  const group = 'interop.example.com'
  const spec = { type: 'object', properties: { size: { type: 'integer' } } }
  await config.makeApiClient(ApiextensionsV1Api).createCustomResourceDefinition({
    body: {
      metadata: { name: `things.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { plural: 'things', kind: 'Thing' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
            subresources: { status: {} },
          },
        ],
      },
    },
  })
  const custom = config.makeApiClient(CustomObjectsApi)
  const things = { group, version: 'v1', plural: 'things', namespace }
  const body = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 't' }, spec: { size: 1 } }
  for (let attempt = 0; ; attempt++) {
    try {
      await custom.createNamespacedCustomObject({ ...things, body })
      break
    } catch (error) {
      if (attempt === 50 || !(error instanceof ApiException) || error.code !== 404) throw error
    }
  }
  expect(
    await failure(
      custom.createNamespacedCustomObject({
        ...things,
        body: { ...body, metadata: { name: 'u' }, spec: { size: 'x' } },
      }),
    ),
  ).toMatchObject({
    message:
      'Thing.interop.example.com "u" is invalid: spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
  })
  expect(await custom.listNamespacedCustomObject(things)).toMatchObject({
    kind: 'ThingList',
    items: [{ metadata: { name: 't' } }],
  })
})

describe('watches', () => {
  test('a Watch sees what happens after the version it starts from', async () => {
    const { metadata } = await core.listNamespacedConfigMap({ namespace })
    const seen: string[] = []
    let stop = () => {}
    const done = new Promise<void>((resolve, reject) => {
      const watch = new Watch(config)
      const started = watch.watch(
        `/api/v1/namespaces/${namespace}/configmaps`,
        { resourceVersion: metadata?.resourceVersion, allowWatchBookmarks: true },
        (phase, object: V1ConfigMap) => {
          seen.push(`${phase} ${object.metadata?.name}`)
          if (phase === 'DELETED') stop()
        },
        error => (error === null || error?.name === 'AbortError' ? resolve() : reject(error)),
      )
      started.then(controller => {
        stop = () => controller.abort()
      }, reject)
    })
    await core.createNamespacedConfigMap({ namespace, body: settings('seen') })
    await core.replaceNamespacedConfigMap({ name: 'seen', namespace, body: settings('seen', { a: '1' }) })
    await core.deleteNamespacedConfigMap({ name: 'seen', namespace })
    await done
    expect(seen).toEqual(['ADDED seen', 'MODIFIED seen', 'DELETED seen'])
  })

  test('an informer lists and follows', async () => {
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    const informer = makeInformer(
      config,
      path,
      () => core.listNamespacedConfigMap({ namespace, labelSelector: 'team=red' }),
      'team=red',
    )
    const labelled = (name: string): V1ConfigMap => ({ ...settings(name), metadata: { name, labels: { team: 'red' } } })
    const happens = (event: 'add' | 'update' | 'delete', name: string) =>
      new Promise<void>(resolve => informer.on(event, object => object.metadata?.name === name && resolve()))
    await core.createNamespacedConfigMap({ namespace, body: labelled('before') })
    const listed = happens('add', 'before')
    await informer.start()
    await listed
    const added = happens('add', 'during')
    await core.createNamespacedConfigMap({ namespace, body: labelled('during') })
    await added
    const left = happens('delete', 'during')
    await core.replaceNamespacedConfigMap({ name: 'during', namespace, body: settings('during') })
    await left
    const updated = happens('update', 'before')
    await core.replaceNamespacedConfigMap({
      name: 'before',
      namespace,
      body: { ...labelled('before'), data: { a: '1' } },
    })
    await updated
    expect(informer.list().map(object => object.metadata?.name)).toEqual(['before'])
    await informer.stop()
  })
})
