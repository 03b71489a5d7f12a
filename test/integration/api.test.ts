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

/** A namespace of its own for each part; its default service account is there. */
async function namespace(name: string): Promise<string> {
  await api.post('/api/v1/namespaces', { metadata: { name } })
  await api.until(`/api/v1/namespaces/${name}/serviceaccounts/default`, ({ status }) => status === 200)
  return name
}

const tableForm = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const container = { name: 'c', image: 'nginx:1' }
const podIn = (spec: object = {}, metadata: object = { name: 'p' }) => ({
  metadata,
  spec: { containers: [container], ...spec },
})

describe('lists and watches', () => {
  let maps: string
  let first: string
  let last: string
  beforeAll(async () => {
    maps = `/api/v1/namespaces/${await namespace('lists')}/configmaps`
    await api.until(`${maps}/kube-root-ca.crt`, ({ status }) => status === 200)
    for (const name of ['a', 'b', 'c']) {
      const { body } = await api.post(maps, { metadata: { name, labels: { name } } })
      first ??= body.metadata.resourceVersion
      last = body.metadata.resourceVersion
    }
  })

  test.each([
    ['resourceVersionMatch=Exact', 422, /resourceVersionMatch is forbidden unless resourceVersion is provided/],
    [
      'resourceVersion=0&resourceVersionMatch=Exact',
      422,
      /resourceVersionMatch "exact" is forbidden for resourceVersion "0"/,
    ],
    [
      'resourceVersion=1&resourceVersionMatch=New',
      422,
      /Unsupported value: "New": supported values: "Exact", "NotOlderThan", ""/,
    ],
    ['sendInitialEvents=true', 422, /sendInitialEvents is forbidden for list/],
    ['watch=1&sendInitialEvents=true', 422, /sendInitialEvents requires setting resourceVersionMatch to NotOlderThan/],
    [
      'watch=1&resourceVersionMatch=NotOlderThan',
      422,
      /resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided/,
    ],
    ['resourceVersion=x', 422, /resourceVersion: Invalid value: "x"/],
    ['resourceVersion=99999999', 504, /^Timeout: Too large resource version: 99999999, current: \d+$/],
    ['continue=x', 400, /^continue key is not valid/],
    ['labelSelector=a%3D%3D%3Db', 400, /unable to parse requirement/],
  ])('%s is refused', async (query, code, message) => {
    const { status, body } = await api.get(`${maps}?${query}`)
    expect(body).toMatchObject({ kind: 'Status', status: 'Failure', code, message: expect.stringMatching(message) })
    expect(status).toBe(code)
  })

  test.each([
    ['', ['a', 'b', 'c']],
    ['resourceVersion=0', ['a', 'b', 'c']],
    ['resourceVersion=FIRST&resourceVersionMatch=NotOlderThan', ['a', 'b', 'c']],
    ['resourceVersion=FIRST', ['a', 'b', 'c']],
    ['resourceVersion=FIRST&resourceVersionMatch=Exact', ['a']],
    ['resourceVersion=FIRST&limit=10', ['a']],
    ['labelSelector=name+in+(a,b)', ['a', 'b']],
    ['fieldSelector=metadata.name!%3Da', ['b', 'c']],
  ])('?%s', async (query, names) => {
    const { body } = await api.get(`${maps}?${query.replace('FIRST', first)}`)
    expect(body.items.map((item: Json) => item.metadata.name).filter((name: string) => name.length === 1)).toEqual(
      names,
    )
  })

  test('pages hold on to one version', async () => {
    const one = (await api.get(`${maps}?limit=2`)).body
    expect(one.items).toHaveLength(2)
    expect(one.metadata.remainingItemCount).toBe(2)
    await api.post(maps, { metadata: { name: 'd-late' } })
    const two = (await api.get(`${maps}?limit=2&continue=${one.metadata.continue}`)).body
    expect(two.items.map((item: Json) => item.metadata.name)).toEqual(['c', 'kube-root-ca.crt'])
    expect(two.metadata).toEqual({ resourceVersion: one.metadata.resourceVersion })
    await api.delete(`${maps}/d-late`)
  })

  test('a watch begins where it is told to', async () => {
    const seen = await api.events(`${maps}?watch=1&resourceVersion=${first}&timeoutSeconds=1&labelSelector=name`)
    expect(seen.map(event => [event.type, event.object.metadata.name])).toEqual([
      ['ADDED', 'b'],
      ['ADDED', 'c'],
    ])
    const query =
      'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1'
    const initial = await api.events(`${maps}?${query}&labelSelector=name`)
    expect(initial.slice(0, 4).map(event => event.type)).toEqual(['ADDED', 'ADDED', 'ADDED', 'BOOKMARK'])
    expect(initial[3].object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
    expect(Number(initial[3].object.metadata.resourceVersion)).toBeGreaterThanOrEqual(Number(last))
  })

  test('tables and metadata, listed and watched', async () => {
    const table = (await api.get(`${maps}?labelSelector=name%3Da`, { accept: tableForm })).body
    expect(table.columnDefinitions.map((column: Json) => column.name)).toEqual(['Name', 'Data', 'Age'])
    expect(table.rows[0]).toMatchObject({
      cells: ['a', 0, expect.any(String)],
      object: { kind: 'PartialObjectMetadata' },
    })
    const rows = await api.events(`${maps}?watch=1&timeoutSeconds=1&labelSelector=name`, { accept: tableForm })
    expect(rows.map(row => row.object.columnDefinitions.length)).toEqual([3, 0, 0])
    const partial = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'
    expect((await api.get(maps, { accept: partial })).body.items[0]).toMatchObject({
      kind: 'PartialObjectMetadata',
      metadata: { name: 'a' },
    })
    expect((await api.get(maps, { accept: partial.replace('List', '') })).status).toBe(406)
    expect((await api.get(maps, { accept: 'application/xml' })).body).toMatchObject({
      code: 406,
      reason: 'NotAcceptable',
    })
    expect((await api.post(maps, 'x', { type: 'text/plain' })).body).toMatchObject({
      code: 415,
      reason: 'UnsupportedMediaType',
    })
  })

  test('protobuf is taken', async () => {
    const accept = 'application/vnd.kubernetes.protobuf'
    const name = Buffer.from('\n\x05proto')
    const metadata = Buffer.concat([Buffer.from([0x0a, name.length]), name])
    const type = Buffer.from('\n\x0f\n\x02v1\x12\tConfigMap')
    const body = Buffer.concat([Buffer.from('k8s\0'), type, Buffer.from([0x12, metadata.length]), metadata])
    const created = await api.post(maps, body, { type: accept, accept: `${accept},application/json` })
    expect(created.status).toBe(201)
    expect((await api.get(`${maps}/proto`)).body.metadata.name).toBe('proto')
  })
})

describe('writes', () => {
  let maps: string
  beforeAll(async () => {
    maps = `/api/v1/namespaces/${await namespace('writes')}/configmaps`
  })

  test('a dry run changes nothing', async () => {
    const tried = await api.post(`${maps}?dryRun=All`, { metadata: { name: 'dry' } })
    expect(tried).toMatchObject({ status: 201, body: { metadata: { uid: expect.any(String) } } })
    expect(tried.body.metadata.resourceVersion).toBeUndefined()
    expect((await api.get(`${maps}/dry`)).status).toBe(404)
    expect((await api.post(`${maps}?dryRun=Some`, { metadata: { name: 'dry' } })).status).toBe(422)
  })

  test('unknown and repeated fields', async () => {
    const text = '{"metadata":{"name":"f"},"dat":{},"data":{"a":"1"},"data":{"a":"2"}}'
    const strict = await api.post(`${maps}?fieldValidation=Strict`, text)
    expect(strict.body.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dat", duplicate field "data"',
    )
    const { status, headers } = await api.post(maps, text)
    expect(status).toBe(201)
    expect(headers.warning).toBe('299 - "unknown field \\"dat\\"", 299 - "duplicate field \\"data\\""')
    expect((await api.put(`${maps}/f?fieldValidation=Ignore`, text)).headers.warning).toBeUndefined()
  })

  test('preconditions', async () => {
    const { body } = await api.post(maps, { metadata: { name: 'pre' } })
    const { uid, resourceVersion } = body.metadata
    const stale = { metadata: { name: 'pre', resourceVersion: '1' }, data: { a: '1' } }
    expect((await api.put(`${maps}/pre`, stale)).body).toMatchObject({ code: 409, reason: 'Conflict' })
    expect((await api.put(`${maps}/pre`, { metadata: { name: 'pre', uid: 'x' } })).body.message).toBe(
      `Operation cannot be fulfilled on configmaps "pre": Precondition failed: UID in precondition: x, UID in object meta: ${uid}`,
    )
    expect((await api.delete(`${maps}/pre`, { preconditions: { uid: 'x' } })).body.message).toContain(
      `the UID in the precondition (x) does not match the UID in record (${uid})`,
    )
    const gone = await api.delete(`${maps}/pre`, { preconditions: { uid, resourceVersion } })
    expect(gone.body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'pre', kind: 'configmaps', uid },
    })
  })

  test('conflicts between appliers name them', async () => {
    const apply = (manager: string, value: string, more = '') =>
      api.patch(`${maps}/applied?fieldManager=${manager}${more}`, 'application/apply-patch+yaml', {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'applied' },
        data: { key: value },
      })
    expect((await apply('one', '1')).status).toBe(201)
    expect((await apply('one', '1')).status).toBe(200)
    expect(await apply('two', '2')).toMatchObject({
      status: 409,
      body: {
        reason: 'Conflict',
        message: 'Apply failed with 1 conflict: conflict with "one": .data.key',
        details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.key' }] },
      },
    })
    const { body } = await apply('two', '2', '&force=true')
    expect(body.metadata.managedFields.map((entry: Json) => entry.manager)).toEqual(['two'])
    expect((await api.patch(`${maps}/applied`, 'application/apply-patch+yaml', { data: {} })).status).toBe(422)
  })

  test('a collection goes by selector', async () => {
    for (const name of ['x', 'y', 'z'])
      await api.post(maps, { metadata: { name, labels: { set: name === 'z' ? '2' : '1' } } })
    const { body } = await api.delete(`${maps}?labelSelector=set%3D1`)
    expect(body.items.map((item: Json) => item.metadata.name)).toEqual(['x', 'y'])
    expect((await api.get(`${maps}?labelSelector=set`)).body.items).toHaveLength(1)
  })

  test('a body may not be nested without end', async () => {
    const { body } = await api.post(
      maps,
      `{"metadata":{"name":"deep"},"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    )
    expect(body).toMatchObject({ code: 400, message: expect.stringMatching(/exceeded max depth$/) })
  })

  test('a body may have 3 MiB', async () => {
    const object = (size: number) => ({ metadata: { name: 'big' }, data: { a: 'x'.repeat(size) } })
    expect((await api.post(maps, object(3 * 1024 * 1024 + 1))).body).toMatchObject({
      code: 413,
      reason: 'RequestEntityTooLarge',
    })
    expect((await api.post(maps, object(2 * 1024 * 1024))).body.message).toMatch(
      /^ConfigMap "big" is invalid: .*Too long: may not be more than 1048576/,
    )
  })
})

describe('pods', () => {
  let home: string
  beforeAll(async () => {
    home = `/api/v1/namespaces/${await namespace('pods')}`
  })

  test('get a service account, its token and the limits of the namespace', async () => {
    await api.post(`${home}/limitranges`, {
      metadata: { name: 'l' },
      spec: {
        limits: [{ type: 'Container', default: { cpu: '200m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '1' } }],
      },
    })
    const { body } = await api.post(`${home}/pods`, podIn())
    expect(body.spec).toMatchObject({
      serviceAccountName: 'default',
      containers: [
        {
          resources: { limits: { cpu: '200m' }, requests: { cpu: '100m' } },
          volumeMounts: [{ mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true }],
        },
      ],
      volumes: [
        { projected: { sources: [{ serviceAccountToken: { expirationSeconds: 3607, path: 'token' } }, {}, {}] } },
      ],
    })
    const greedy = { ...container, resources: { limits: { cpu: '2' } } }
    expect((await api.post(`${home}/pods`, podIn({ containers: [greedy] }, { name: 'greedy' }))).body.message).toBe(
      'pods "greedy" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
    )
  })

  test('count against the quota, until they are gone', async () => {
    await api.post(`${home}/resourcequotas`, { metadata: { name: 'q' }, spec: { hard: { pods: '2' } } })
    const make = (name: string) => api.post(`${home}/pods`, podIn({}, { name }))
    expect((await make('second')).status).toBe(201)
    const message = 'pods "third" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    expect((await make('third')).body).toMatchObject({ code: 403, message })
    for (const name of ['second', 'third', 'fourth']) {
      await api.delete(`${home}/pods/${name}`)
      expect((await make(name)).status).toBe(201)
      await api.delete(`${home}/pods/${name}`)
    }
  })

  test('keep to what may change', async () => {
    const changed = await api.patch(`${home}/pods/p`, 'application/merge-patch+json', {
      spec: { restartPolicy: 'Never' },
    })
    expect(changed.body.message).toMatch(
      /^Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than/,
    )
  })
})

describe('services', () => {
  test('addresses and ports are handed out, once each, and come back', async () => {
    const services = `/api/v1/namespaces/${await namespace('services')}/services`
    const make = (name: string, spec: object) =>
      api.post(services, { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } })
    const { body } = await make('a', { type: 'NodePort' })
    expect(body.spec).toMatchObject({
      clusterIP: expect.stringMatching(/^10\.43\./),
      ports: [{ nodePort: expect.any(Number), targetPort: 80 }],
    })
    const { clusterIP } = body.spec
    const { nodePort } = body.spec.ports[0]
    expect((await make('b', { clusterIP })).body.message).toBe(
      `Service "b" is invalid: spec.clusterIPs: Invalid value: ["${clusterIP}"]: failed to allocate IP ${clusterIP}: provided IP is already allocated`,
    )
    const clash = await make('b', { type: 'NodePort', ports: [{ port: 80, nodePort }] })
    expect(clash.body.message).toBe(
      `Service "b" is invalid: spec.ports[0].nodePort: Invalid value: ${nodePort}: provided port is already allocated`,
    )
    await api.delete(`${services}/a`)
    expect((await make('b', { clusterIP, type: 'NodePort', ports: [{ port: 80, nodePort }] })).status).toBe(201)
  })
})
