import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type TestServer, testServer } from '../../bootstrap/apiserver/testing.ts'

let api: TestServer
const maps = '/api/v1/namespaces/writes/configmaps'
const deployments = '/apis/apps/v1/namespaces/writes/deployments'

beforeAll(async () => {
  api = await testServer()
})
afterAll(() => api.stop())

const configMap = (name: string, data: object = { a: '1' }) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
})
const deployment = (name: string, replicas = 1) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
})

describe('create, read, update, delete', () => {
  test('a whole life', async () => {
    const created = await api.request('POST', maps, configMap('life'))
    expect(created.status).toBe(201)
    expect(created.json.metadata).toMatchObject({
      name: 'life',
      namespace: 'writes',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    })
    expect((await api.request('GET', `${maps}/life`)).json).toEqual(created.json)

    const again = await api.request('POST', maps, configMap('life'))
    expect(again.json).toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
      message: 'configmaps "life" already exists',
      details: { name: 'life', kind: 'configmaps' },
    })

    const deleted = await api.request('DELETE', `${maps}/life`)
    const { uid } = created.json.metadata
    expect(deleted.json).toMatchObject({ status: 'Success', details: { name: 'life', kind: 'configmaps', uid } })
    expect((await api.request('GET', `${maps}/life`)).json).toMatchObject({
      code: 404,
      reason: 'NotFound',
      message: 'configmaps "life" not found',
    })
  })

  test('an update that changes nothing writes nothing', async () => {
    const { json } = await api.request('POST', maps, configMap('still'))
    const same = await api.request('PUT', `${maps}/still`, json)
    expect(same.json.metadata.resourceVersion).toBe(json.metadata.resourceVersion)
    const changed = await api.request('PUT', `${maps}/still`, { ...json, data: { a: '2' } })
    expect(Number(changed.json.metadata.resourceVersion)).toBeGreaterThan(Number(json.metadata.resourceVersion))
    const stale = await api.request('PUT', `${maps}/still`, { ...json, data: { a: '3' } })
    expect(stale.json).toMatchObject({ code: 409, reason: 'Conflict' })
    expect(stale.json.message).toBe(
      'Operation cannot be fulfilled on configmaps "still": the object has been modified; please apply your changes to the latest version and try again',
    )
    const other = { ...changed.json, metadata: { ...changed.json.metadata, uid: 'other' } }
    expect((await api.request('PUT', `${maps}/still`, other)).json.message).toContain(
      `Precondition failed: UID in precondition: other, UID in object meta: ${json.metadata.uid}`,
    )
  })

  test('an update may create where the kind allows it', async () => {
    const lease = { metadata: { name: 'l', resourceVersion: '5', uid: 'gone' }, spec: { holderIdentity: 'me' } }
    const url = '/apis/coordination.k8s.io/v1/namespaces/writes/leases/l'
    const { status, json } = await api.request('PUT', url, lease)
    expect(status).toBe(201)
    expect(json.metadata.uid).not.toBe('gone')
    const blind = await api.request('PUT', url, { metadata: { name: 'l' }, spec: {} })
    expect(blind.json).toMatchObject({ code: 422, reason: 'Invalid' })
    expect(blind.json.message).toContain('metadata.resourceVersion: Invalid value: 0: must be specified for an update')
  })

  test('generated names', async () => {
    const { json } = await api.request('POST', maps, { metadata: { generateName: 'gen-' } })
    expect(json.metadata.name).toMatch(/^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  })

  test('dry runs leave nothing behind', async () => {
    expect((await api.request('POST', `${maps}?dryRun=All`, configMap('dry'))).status).toBe(201)
    expect((await api.request('GET', `${maps}/dry`)).status).toBe(404)
    expect((await api.request('POST', `${maps}?dryRun=Some`, configMap('dry'))).status).toBe(422)
  })

  test.each([
    [
      'POST',
      maps,
      { ...configMap('x'), kind: 'Secret' },
      400,
      /^Secret in version "v1" cannot be handled as a ConfigMap/,
    ],
    ['POST', maps, { ...configMap('x'), apiVersion: 'v2' }, 400, /^the API version in the data \(v2\) does not match/],
    ['POST', maps, '{', 400, /./],
    [
      'POST',
      maps,
      { metadata: { name: 'x', namespace: 'other' } },
      400,
      /^the namespace of the provided object does not/,
    ],
    [
      'PUT',
      `${maps}/y`,
      configMap('x'),
      400,
      /^the name of the object \(x\) does not match the name on the URL \(y\)$/,
    ],
    ['PUT', `${maps}/absent`, configMap('absent'), 404, /^configmaps "absent" not found$/],
    ['POST', '/api/v1/configmaps', configMap('x'), 405, /./],
    ['POST', `${maps}/x`, configMap('x'), 405, /./],
    ['POST', '/api/v1/namespaces/writes/things', {}, 404, /^the server could not find the requested resource$/],
    ['POST', '/api/v1/namespaces/x/nodes', {}, 404, /^the server could not find the requested resource$/],
    ['POST', maps, configMap('Upper'), 422, /^ConfigMap "Upper" is invalid: metadata\.name: Invalid value: "Upper"/],
  ])('%s %s %j answers %i', async (method, url, body, code, message) => {
    const { json } = await api.request(method, url, body)
    expect(json).toMatchObject({ kind: 'Status', status: 'Failure', code })
    expect(json.message).toMatch(message)
  })

  test('an unknown media type', async () => {
    const { json } = await api.request('POST', maps, 'x', { 'content-type': 'text/html' })
    expect(json).toMatchObject({ code: 415, reason: 'UnsupportedMediaType' })
  })
})

describe('field validation', () => {
  const body =
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"strict"},"foo":1,"data":{"a":"1"},"data":{"a":"2"}}'

  test('strict', async () => {
    const { json } = await api.request('POST', `${maps}?fieldValidation=Strict`, body)
    expect(json.code).toBe(400)
    expect(json.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo", duplicate field "data"',
    )
  })

  test('warnings by default, silence when asked', async () => {
    const warned = await api.request('POST', `${maps}?dryRun=All`, body)
    expect(warned.headers.warning).toEqual(['299 - "unknown field \\"foo\\""', '299 - "duplicate field \\"data\\""'])
    const silent = await api.request('POST', `${maps}?dryRun=All&fieldValidation=Ignore`, body)
    expect(silent.headers.warning).toBeUndefined()
  })
})

describe('patches', () => {
  const patch = (url: string, type: string, body: unknown) =>
    api.request('PATCH', url, body, { 'content-type': `application/${type}` })

  test('of each type', async () => {
    await api.request('POST', deployments, deployment('patched'))
    const url = `${deployments}/patched`
    const merged = await patch(url, 'merge-patch+json', { spec: { replicas: 2 } })
    expect(merged.json).toMatchObject({ spec: { replicas: 2 }, metadata: { generation: 2 } })
    const image = {
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'c', image: 'j' },
              { name: 'd', image: 'k' },
            ],
          },
        },
      },
    }
    const strategic = await patch(url, 'strategic-merge-patch+json', image)
    expect(strategic.json.spec.template.spec.containers).toHaveLength(2)
    const json = await patch(url, 'json-patch+json', [{ op: 'replace', path: '/spec/replicas', value: 3 }])
    expect(json.json.spec.replicas).toBe(3)
    const failed = await patch(url, 'json-patch+json', [{ op: 'test', path: '/spec/replicas', value: 7 }])
    expect(failed.json).toMatchObject({
      code: 422,
      message: 'the server rejected our request due to an error in our request',
    })
    const stale = await patch(url, 'merge-patch+json', { metadata: { resourceVersion: '1' }, spec: { replicas: 9 } })
    expect(stale.json).toMatchObject({ code: 409, reason: 'Conflict' })
    expect((await patch(url, 'x', {})).status).toBe(415)
    expect((await patch(`${deployments}/absent`, 'merge-patch+json', {})).status).toBe(404)
  })

  test('concurrent ones all land', async () => {
    await api.request('POST', maps, configMap('busy', {}))
    const keys = ['a', 'b', 'c', 'd']
    const answers = await Promise.all(
      keys.map(key => patch(`${maps}/busy`, 'merge-patch+json', { data: { [key]: '1' } })),
    )
    expect(answers.map(answer => answer.status)).toEqual([200, 200, 200, 200])
    expect(Object.keys((await api.request('GET', `${maps}/busy`)).json.data).sort()).toEqual(keys)
  })
})

describe('server-side apply', () => {
  const apply = (url: string, body: unknown) =>
    api.request('PATCH', url, body, { 'content-type': 'application/apply-patch+yaml' })

  test('creates, shares, conflicts, forces', async () => {
    const url = `${deployments}/applied`
    const created = await apply(`${url}?fieldManager=one`, deployment('applied'))
    expect(created.status).toBe(201)
    expect(created.json.metadata.managedFields).toMatchObject([{ manager: 'one', operation: 'Apply' }])
    expect((await apply(`${url}?fieldManager=one`, deployment('applied'))).status).toBe(200)
    const conflict = await apply(`${url}?fieldManager=two`, deployment('applied', 5))
    expect(conflict.json).toMatchObject({ code: 409, reason: 'Conflict' })
    expect(conflict.json.message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.replicas')
    const forced = await apply(`${url}?fieldManager=two&force=true`, deployment('applied', 5))
    expect(forced.json.spec.replicas).toBe(5)
  })

  test('changes nothing the second time', async () => {
    const url = `${maps}/idle?fieldManager=m`
    const first = await apply(url, configMap('idle'))
    const second = await apply(url, configMap('idle'))
    expect(second.json.metadata.resourceVersion).toBe(first.json.metadata.resourceVersion)
  })

  test.each([
    [`${maps}/a1`, configMap('a1'), 422, /fieldManager: Required value: is required for apply patch/],
    [`${maps}/a1?fieldManager=m`, { metadata: { name: 'a1' } }, 400, /^invalid object type: /],
    [
      `${maps}/a1?fieldManager=m`,
      { ...configMap('a1'), metadata: { name: 'a1', managedFields: [{ manager: 'x' }] } },
      400,
      /metadata\.managedFields must be nil/,
    ],
    [
      `${maps}/a1?fieldManager=m`,
      { ...configMap('a1'), metadata: { name: 'a1', uid: 'u' } },
      409,
      /uid mismatch: the provided object specified uid u/,
    ],
    [
      `${maps}/a1?fieldManager=m&fieldValidation=Strict`,
      { ...configMap('a1'), foo: 1 },
      500,
      'failed to create typed patch object (writes/a1; v1, Kind=ConfigMap): .foo: field not declared in schema',
    ],
    [
      `${maps}/a1?fieldManager=m&fieldValidation=Strict`,
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a1\ndata:\n  a: "1"\n  a: "2"\n',
      400,
      /^error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n {2}line 7: key "a" already set in map$/,
    ],
  ])('%s %j answers %i', async (url, body, code, message) => {
    const { json } = await apply(url, body)
    expect(json.code).toBe(code)
    expect(json.message).toMatch(message)
  })

  test('force goes with nothing else', async () => {
    const type = { 'content-type': 'application/merge-patch+json' }
    const { json } = await api.request('PATCH', `${maps}/x?force=true`, {}, type)
    expect(json).toMatchObject({ code: 422 })
    expect(json.message).toContain('may not be specified for non-apply patch')
  })
})

describe('managedFields', () => {
  test('name the user agent by default', async () => {
    const { json } = await api.request('POST', maps, configMap('owned'), { 'user-agent': 'client/1.0 (x)' })
    expect(json.metadata.managedFields).toMatchObject([
      { manager: 'client', operation: 'Update', apiVersion: 'v1', fieldsV1: { 'f:data': { '.': {}, 'f:a': {} } } },
    ])
  })

  test.each([
    ['[]', []],
    ['[{}]', [{}]],
  ])('%s forgets them', async (_, managedFields) => {
    const name = `forgotten-${managedFields.length}`
    const { json } = await api.request('POST', maps, configMap(name))
    const url = `${maps}/${name}`
    const put = await api.request('PUT', url, { ...json, metadata: { ...json.metadata, managedFields } })
    expect(put.json.metadata.managedFields).toBeUndefined()
    expect((await api.request('GET', url)).json.metadata.managedFields).toBeUndefined()
  })
})

test('what holds on create alone is checked', async () => {
  const ephemeralContainers = [{ name: 'e', image: 'i' }]
  const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }], ephemeralContainers } }
  const { json } = await api.request('POST', '/api/v1/namespaces/writes/pods', pod)
  expect(json).toMatchObject({ code: 422, details: { causes: [{ field: 'spec.ephemeralContainers' }] } })
})

describe('status', () => {
  test('changes by its own endpoint only', async () => {
    const created = await api.request('POST', deployments, { ...deployment('split'), status: { replicas: 9 } })
    expect(created.json.status?.replicas).toBeUndefined()
    expect(created.json.metadata.generation).toBe(1)
    const url = `${deployments}/split`
    const main = await api.request('PUT', url, { ...created.json, status: { replicas: 8 } })
    expect(main.json.status?.replicas).toBeUndefined()
    const changed = { ...main.json, spec: { ...main.json.spec, replicas: 7 }, status: { replicas: 3 } }
    const status = await api.request('PUT', `${url}/status`, changed)
    expect(status.json).toMatchObject({ spec: { replicas: 1 }, status: { replicas: 3 }, metadata: { generation: 1 } })
    const subresources = status.json.metadata.managedFields.map((entry: { subresource?: string }) => entry.subresource)
    expect(subresources).toEqual([undefined, 'status'])
  })

  test('never counts as a change of the desired state, annotations included', async () => {
    await api.request('POST', deployments, deployment('annotated'))
    const url = `${deployments}/annotated`
    const patch = { metadata: { annotations: { 'deployment.kubernetes.io/revision': '1' } }, status: { replicas: 1 } }
    const { json } = await api.request('PATCH', `${url}/status`, patch, {
      'content-type': 'application/merge-patch+json',
    })
    expect(json.metadata).toMatchObject({ generation: 1, annotations: patch.metadata.annotations })
    const main = await api.request(
      'PATCH',
      url,
      { metadata: { annotations: { more: 'x' } } },
      { 'content-type': 'application/merge-patch+json' },
    )
    expect(main.json.metadata.generation).toBe(2)
  })
})

describe('deletion', () => {
  const finalized = (name: string) => ({ metadata: { name, finalizers: ['example.com/hold'] } })

  test('waits for finalizers', async () => {
    await api.request('POST', maps, finalized('held'))
    const url = `${maps}/held`
    const deleted = await api.request('DELETE', url)
    expect(deleted.json).toMatchObject({ kind: 'ConfigMap', metadata: { deletionTimestamp: expect.any(String) } })
    const more = await api.request('PUT', url, {
      metadata: { name: 'held', finalizers: ['example.com/hold', 'example.com/x'] },
    })
    expect(more.json.code).toBe(422)
    expect(more.json.message).toContain('no new finalizers can be added if the object is being deleted')
    const freed = await api.request('PUT', url, { metadata: { name: 'held' } })
    expect(freed.status).toBe(200)
    expect((await api.request('GET', url)).status).toBe(404)
  })

  test.each([
    ['Foreground', ['foregroundDeletion']],
    ['Orphan', ['orphan']],
  ])('%s propagation', async (propagationPolicy, finalizers) => {
    const name = propagationPolicy.toLowerCase()
    await api.request('POST', maps, configMap(name))
    const { json } = await api.request('DELETE', `${maps}/${name}`, { propagationPolicy })
    expect(json.metadata.finalizers).toEqual(finalizers)
    const background = await api.request('DELETE', `${maps}/${name}`, { propagationPolicy: 'Background' })
    expect(background.json).toMatchObject({ status: 'Success' })
  })

  test('preconditions', async () => {
    await api.request('POST', maps, configMap('guarded'))
    const { json } = await api.request('DELETE', `${maps}/guarded`, { preconditions: { uid: 'a' } })
    expect(json.code).toBe(409)
    expect(json.message).toContain('the UID in the precondition (a) does not match the UID in record')
  })

  test('contradictions', async () => {
    const options = { propagationPolicy: 'Orphan', orphanDependents: true }
    expect((await api.request('DELETE', `${maps}/guarded`, options)).json.code).toBe(422)
    const wrong = await api.request('DELETE', `${maps}/guarded?propagationPolicy=Never`)
    expect(wrong.json.message).toContain('supported values: "Foreground", "Background", "Orphan"')
  })

  test('202 only for an explicit orphanDependents: false', async () => {
    await api.request('POST', maps, finalized('accepted'))
    expect((await api.request('DELETE', `${maps}/accepted`, { orphanDependents: false })).status).toBe(202)
    expect((await api.request('DELETE', `${maps}/accepted`)).status).toBe(200)
  })

  test('of a collection, by selector', async () => {
    const collection = '/api/v1/namespaces/several/configmaps'
    for (const name of ['a', 'b', 'c']) {
      await api.request('POST', collection, { metadata: { name, labels: { keep: String(name === 'c') } } })
    }
    const { json } = await api.request('DELETE', `${collection}?labelSelector=keep%3Dfalse`)
    expect(json).toMatchObject({ kind: 'ConfigMapList' })
    expect(json.items).toHaveLength(2)
    expect((await api.request('GET', collection)).json.items).toHaveLength(1)
  })

  test('dry runs delete nothing', async () => {
    expect((await api.request('DELETE', `${maps}/guarded?dryRun=All`)).json.status).toBe('Success')
    expect((await api.request('GET', `${maps}/guarded`)).status).toBe(200)
  })

  test('a namespace stays until it is finalized', async () => {
    await api.request('POST', '/api/v1/namespaces', { metadata: { name: 'full' } })
    const { json } = await api.request('DELETE', '/api/v1/namespaces/full')
    expect(json).toMatchObject({ status: { phase: 'Terminating' }, spec: { finalizers: ['kubernetes'] } })
    const done = await api.request('PUT', '/api/v1/namespaces/full/finalize', { ...json, spec: { finalizers: [] } })
    expect(done.status).toBe(200)
    expect((await api.request('GET', '/api/v1/namespaces/full')).status).toBe(404)
  })
})

describe('pods', () => {
  const pods = '/api/v1/namespaces/writes/pods'
  const pod = (name: string) => ({ metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } })
  const bind = (name: string, node: string) =>
    api.request('POST', `${pods}/${name}/binding`, { metadata: { name }, target: { kind: 'Node', name: node } })

  test('go at once when unscheduled, after their grace otherwise', async () => {
    await api.request('POST', pods, pod('loose'))
    await api.request('DELETE', `${pods}/loose`)
    expect((await api.request('GET', `${pods}/loose`)).status).toBe(404)

    await api.request('POST', pods, pod('bound'))
    expect((await bind('bound', 'n1')).json).toMatchObject({ kind: 'Status', status: 'Success' })
    expect((await bind('bound', 'n2')).json.message).toBe(
      'Operation cannot be fulfilled on pods/binding "bound": pod bound is already assigned to node "n1"',
    )
    const first = (await api.request('DELETE', `${pods}/bound`)).json.metadata
    expect(first.deletionGracePeriodSeconds).toBe(30)
    const longer = (await api.request('DELETE', `${pods}/bound?gracePeriodSeconds=60`)).json.metadata
    expect(longer.deletionGracePeriodSeconds).toBe(30)
    const shorter = (await api.request('DELETE', `${pods}/bound?gracePeriodSeconds=5`)).json.metadata
    expect(shorter.deletionGracePeriodSeconds).toBe(5)
    expect(Date.parse(first.deletionTimestamp) - Date.parse(shorter.deletionTimestamp)).toBe(25_000)
    await api.request('DELETE', `${pods}/bound?gracePeriodSeconds=0`)
    expect((await api.request('GET', `${pods}/bound`)).status).toBe(404)
  })
})
