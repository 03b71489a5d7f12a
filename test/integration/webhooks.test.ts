import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { selfSigned } from '../../bootstrap/pki/self-signed.ts'
import { HttpClient, type Json } from './http-client.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(30_000)

const group = '/apis/admissionregistration.k8s.io/v1'
const configMaps = '/api/v1/namespaces/default/configmaps'

type Respond = (request: Json, path: string) => object | number | undefined

let server: RunningServer
let http: HttpClient
let hooks: Server
let port = 0
let caBundle = ''
let seen: { path: string; request: Json; review: Json }[] = []
let respond: Respond = () => ({ allowed: true })

beforeAll(async () => {
  server = await startServer()
  http = new HttpClient(server)
  const { cert, key } = selfSigned(['hooks.default.svc', 'localhost'], Date.now())
  caBundle = Buffer.from(cert).toString('base64')
  hooks = createServer({ cert, key }, (incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', chunk => chunks.push(chunk))
    incoming.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString())
      const path = (incoming.url ?? '').split('?')[0]!
      seen.push({ path, request: review.request, review })
      const answer = respond(review.request, path)
      const { apiVersion, kind } = review
      if (typeof answer === 'number') response.writeHead(answer).end('no')
      else if (answer)
        response.end(JSON.stringify({ apiVersion, kind, response: { uid: review.request.uid, ...answer } }))
    })
  })
  await new Promise<void>(resolve => hooks.listen(0, '127.0.0.1', resolve))
  port = (hooks.address() as AddressInfo).port
  const spec = { type: 'ExternalName', externalName: 'localhost' }
  await http.post('/api/v1/namespaces/default/services', { metadata: { name: 'hooks' }, spec })
})
afterAll(async () => {
  http.close()
  await server.remove()
  hooks.closeAllConnections()
  hooks.close()
})
beforeEach(() => {
  seen = []
})
afterEach(async () => {
  respond = () => ({ allowed: true })
  for (const kind of ['mutating', 'validating']) await http.delete(`${group}/${kind}webhookconfigurations`)
})

const rule = (resources: string[], more = {}) => ({
  apiGroups: ['*'],
  apiVersions: ['*'],
  resources,
  operations: ['CREATE', 'UPDATE'],
  ...more,
})

function hook(name: string, more = {}): object {
  return {
    name: `${name}.example.com`,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    clientConfig: { caBundle, service: { namespace: 'default', name: 'hooks', port, path: `/${name}` } },
    rules: [rule(['configmaps'])],
    timeoutSeconds: 1,
    ...more,
  }
}

async function configure(kind: 'Mutating' | 'Validating', name: string, ...webhooks: object[]): Promise<void> {
  const path = `${group}/${kind.toLowerCase()}webhookconfigurations`
  const answer = await http.post(path, { metadata: { name }, webhooks })
  expect([answer.status, answer.body.message]).toEqual([201, undefined])
}

const jsonPatch = (...operations: object[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
})
let names = 0
const create = (object: object = {}, query = '') => {
  const metadata = { name: `c${++names}`, ...(object as { metadata?: object }).metadata }
  return http.post(`${configMaps}${query}`, { data: { a: '1' }, ...object, metadata })
}

test('what is asked', async () => {
  await configure('Validating', 'v', hook('ask', { admissionReviewVersions: ['v2', 'v1'] }))
  const { body } = await create({ metadata: { name: 'asked', labels: { x: 'y' } } })
  // Packaged components write ConfigMaps of their own meanwhile.
  const asked = () => seen.filter(({ request }) => request.name === 'asked')
  expect(asked()).toHaveLength(1)
  const { uid, object, userInfo, options, ...request } = asked()[0]!.request
  expect(uid).toMatch(/^[0-9a-f-]{36}$/)
  expect(request).toEqual({
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
    requestResource: { group: '', version: 'v1', resource: 'configmaps' },
    name: 'asked',
    namespace: 'default',
    operation: 'CREATE',
    oldObject: null,
    dryRun: false,
  })
  expect(object).toMatchObject({
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { labels: { x: 'y' } },
    data: { a: '1' },
  })
  expect(userInfo).toMatchObject({ username: 'system:admin', groups: ['system:masters', 'system:authenticated'] })
  expect(options).toMatchObject({ kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' })
  expect(asked()[0]!.review).toMatchObject({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' })
  await http.put(`${configMaps}/asked`, { ...body, data: { a: '2' } })
  expect(asked()[1]!.request).toMatchObject({
    operation: 'UPDATE',
    object: { data: { a: '2' } },
    oldObject: { data: { a: '1' } },
  })
})

describe('a validating webhook', () => {
  test('refuses in its own words, and warns', async () => {
    await configure('Validating', 'v', hook('no'))
    respond = ({ object }) =>
      object.data.a === '1'
        ? { allowed: false, status: { code: 403, message: 'no ones', reason: 'Forbidden' }, warnings: ['careful'] }
        : { allowed: object.data.a === '3' }
    const first = await create()
    expect([first.status, first.body]).toEqual([
      403,
      {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: 'admission webhook "no.example.com" denied the request: no ones',
        reason: 'Forbidden',
        code: 403,
      },
    ])
    expect(first.headers.warning).toContain('careful')
    const second = await create({ data: { a: '2' } })
    expect([second.status, second.body.message]).toEqual([
      400,
      'admission webhook "no.example.com" denied the request without explanation',
    ])
    expect((await create({ data: { a: '3' } })).status).toBe(201)
  })

  test.each<[string, Respond, string]>([
    [
      'does not answer',
      () => undefined,
      'failed to call webhook: Post "https://hooks.default.svc:PORT/bad?timeout=1s": context deadline exceeded',
    ],
    [
      'fails',
      () => 500,
      'failed to call webhook: an error on the server ("no") has prevented the request from succeeding',
    ],
    [
      'answers for another',
      () => ({ uid: 'x', allowed: true }),
      'received invalid webhook response: expected response.uid="UID", got "x"',
    ],
    [
      'patches',
      () => jsonPatch({ op: 'add', path: '/data/b', value: '2' }),
      'received invalid webhook response: validating webhook may not return response.patch',
    ],
  ])('one that %s fails the request, or is ignored', async (_, answer, message) => {
    await configure('Validating', 'v', hook('bad'))
    respond = answer
    const refused = await create()
    const text = message.replace('PORT', String(port)).replace('UID', seen[0]!.request.uid)
    expect([refused.status, refused.body.message]).toEqual([
      500,
      `Internal error occurred: failed calling webhook "bad.example.com": ${text}`,
    ])
    await http.delete(`${group}/validatingwebhookconfigurations/v`)
    await configure('Validating', 'w', hook('bad', { failurePolicy: 'Ignore' }))
    expect((await create()).status).toBe(201)
  })

  test('one that is not there, or not trusted', async () => {
    const clientConfig = { service: { namespace: 'default', name: 'nowhere' }, caBundle }
    await configure('Validating', 'v', hook('gone', { clientConfig }))
    expect((await create()).body.message).toBe(
      'Internal error occurred: failed calling webhook "gone.example.com": failed to call webhook: service "nowhere" not found',
    )
    await http.delete(`${group}/validatingwebhookconfigurations/v`)
    await configure(
      'Validating',
      'w',
      hook('url', { clientConfig: { url: `https://localhost:${port}/url`, caBundle } }),
    )
    expect((await create()).status).toBe(201)
    const strange = Buffer.from(selfSigned(['localhost'], Date.now()).cert).toString('base64')
    const untrusted = { clientConfig: { url: `https://localhost:${port}/url`, caBundle: strange } }
    await configure('Validating', 'x', hook('strange', untrusted))
    expect((await create()).body.message).toContain('failed calling webhook "strange.example.com"')
  })

  test('is asked about what its rules and selectors name, and never about webhooks', async () => {
    await http.post('/api/v1/namespaces', { metadata: { name: 'watched', labels: { watch: 'yes' } } })
    await configure(
      'Validating',
      'v',
      hook('everything', {
        rules: [rule(['*/*', '*'], { operations: ['*'] })],
        objectSelector: { matchLabels: { mine: 'yes' } },
      }),
      hook('namespace', { namespaceSelector: { matchLabels: { watch: 'yes' } } }),
      hook('cluster', { rules: [rule(['*'], { scope: 'Cluster' })] }),
      hook('deletes', { rules: [rule(['configmaps'], { operations: ['DELETE'] })] }),
      hook('status', { rules: [rule(['namespaces/status'])] }),
    )
    const paths = async (work: Promise<unknown>) => {
      seen = []
      await work
      return seen.map(({ path }) => path).sort()
    }
    expect(await paths(create())).toEqual([])
    expect(await paths(create({ metadata: { name: 'mine', labels: { mine: 'yes' } } }))).toEqual(['/everything'])
    expect(await paths(http.delete(`${configMaps}/mine`))).toEqual(['/deletes', '/everything'])
    expect(seen[0]!.request).toMatchObject({
      operation: 'DELETE',
      object: null,
      oldObject: { metadata: { name: 'mine' } },
    })
    const inWatched = http.post('/api/v1/namespaces/watched/configmaps', { metadata: { name: 'a' } })
    expect(await paths(inWatched)).toEqual(['/namespace'])
    expect(await paths(http.post('/api/v1/namespaces', { metadata: { name: 'other' } }))).toEqual(['/cluster'])
    const merge = 'application/merge-patch+json'
    const status = http.patch('/api/v1/namespaces/other/status', merge, { metadata: { annotations: { a: 'b' } } })
    expect(await paths(status)).toEqual(['/status'])
    expect(seen[0]!.request).toMatchObject({ subResource: 'status', kind: { kind: 'Namespace' } })
    const labels = { mine: 'yes' }
    expect(
      await paths(http.patch(`${group}/validatingwebhookconfigurations/v`, merge, { metadata: { labels } })),
    ).toEqual([])
  })

  test('match conditions', async () => {
    const condition = (name: string, expression: string) => ({ name, expression })
    const skipsLeases = condition('not-by-nodes', "!('system:nodes' in request.userInfo.groups)")
    await configure(
      'Validating',
      'v',
      hook('ones', { matchConditions: [skipsLeases, condition('ones', "object.data.a == '1'")] }),
      hook('broken', { matchConditions: [condition('b', "object.data.none == '1'")], rules: [rule(['secrets'])] }),
    )
    expect((await create()).status).toBe(201)
    expect((await create({ data: { a: '2' } })).status).toBe(201)
    expect(seen).toHaveLength(1)
    const invalid = hook('invalid', { matchConditions: [condition('c', 'object.data.')] })
    const { status, body } = await http.post(`${group}/validatingwebhookconfigurations`, {
      metadata: { name: 'x' },
      webhooks: [invalid],
    })
    expect(status).toBe(422)
    expect(body.message).toMatch(
      /webhooks\[0\]\.matchConditions\[0\]\.expression: Invalid value: .*compilation failed/s,
    )
    const refused = await http.post('/api/v1/namespaces/default/secrets', { metadata: { name: 's' }, data: {} })
    expect([refused.status, refused.body.reason]).toEqual([403, 'Forbidden'])
  })

  test('dry runs only reach webhooks without side effects', async () => {
    await configure('Validating', 'v', hook('dry'))
    expect((await create({}, '?dryRun=All')).status).toBe(201)
    expect(seen[0]!.request.dryRun).toBe(true)
    await configure('Validating', 'w', hook('wet', { sideEffects: 'NoneOnDryRun' }))
    expect((await create({}, '?dryRun=All')).status).toBe(201)
  })

  test('sees the version it asks for', async () => {
    const rules = [rule(['horizontalpodautoscalers'], { apiGroups: ['autoscaling'], apiVersions: ['v1'] })]
    await configure('Validating', 'v', hook('v1', { rules }), hook('exact', { rules, matchPolicy: 'Exact' }))
    await http.post('/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers', {
      metadata: { name: 'h' },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 3 },
    })
    expect(seen.map(({ path }) => path)).toEqual(['/v1'])
    expect(seen[0]!.request).toMatchObject({
      kind: { version: 'v1' },
      requestKind: { version: 'v2' },
      object: { apiVersion: 'autoscaling/v1', spec: { targetCPUUtilizationPercentage: 80 } },
    })
  })
})

describe('a mutating webhook', () => {
  test('changes what is stored, and defaults follow', async () => {
    await configure('Mutating', 'm', hook('add', { rules: [rule(['configmaps', 'services'])] }))
    respond = ({ object }) =>
      jsonPatch(
        { op: 'add', path: '/metadata/labels', value: { touched: 'yes' } },
        ...(object.kind === 'Service' ? [{ op: 'add', path: '/spec/ports/-', value: { name: 'b', port: 81 } }] : []),
      )
    expect((await create()).body.metadata.labels).toEqual({ touched: 'yes' })
    const spec = { ports: [{ name: 'a', port: 80 }] }
    const service = await http.post('/api/v1/namespaces/default/services', { metadata: { name: 'two' }, spec })
    expect(service.body.spec.ports[1]).toEqual({ name: 'b', port: 81, protocol: 'TCP', targetPort: 81 })
  })

  test('whose patch does not fit', async () => {
    await configure('Mutating', 'm', hook('bad'))
    respond = () => jsonPatch({ op: 'remove', path: '/data/none' })
    expect((await create()).status).toBe(500)
    respond = () => jsonPatch({ op: 'replace', path: '/metadata/name', value: 'NOT VALID' })
    expect((await create()).status).toBe(422)
  })

  test('webhooks are asked in the order of their names, and again when others changed the object', async () => {
    const first = hook('first', { reinvocationPolicy: 'IfNeeded' })
    await configure('Mutating', 'b', hook('second'))
    await configure('Mutating', 'a', first)
    respond = ({ object }, path) => {
      const order = `${object.data.order ?? ''}${path}`
      return jsonPatch({ op: 'add', path: '/data/order', value: order })
    }
    expect((await create()).body.data.order).toBe('/first/second/first')
  })

  test('custom resources, with their own schema', async () => {
    const properties = {
      spec: { type: 'object', properties: { size: { type: 'integer' }, kept: { type: 'string', default: 'd' } } },
    }
    await http.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      metadata: { name: 'boxes.custom.io' },
      spec: {
        group: 'custom.io',
        scope: 'Namespaced',
        names: { plural: 'boxes', kind: 'Box' },
        versions: [
          { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties } } },
        ],
      },
    })
    const boxes = '/apis/custom.io/v1/namespaces/default/boxes'
    await http.until(boxes, answer => answer.status === 200)
    await configure('Mutating', 'm', hook('box', { rules: [rule(['boxes'])] }))
    respond = () => jsonPatch({ op: 'add', path: '/spec', value: { size: 3, unknown: true } })
    const box = { apiVersion: 'custom.io/v1', kind: 'Box', metadata: { name: 'b' } }
    expect((await http.post(boxes, box)).body.spec).toEqual({ size: 3, kept: 'd' })
  })
})
