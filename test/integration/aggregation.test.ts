import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type ExtensionServer, extension, extensionServer } from './extension-server.ts'
import { HttpClient, type Json } from './http-client.ts'
import { outermost, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(60_000)

const { group, version } = extension
const root = `/apis/${group}/${version}`
const apiServices = '/apis/apiregistration.k8s.io/v1/apiservices'
const name = `${version}.${group}`
const discoveryV2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

let server: RunningServer
let http: HttpClient
let backend: ExtensionServer

const available = (status: string, reason?: string) => (answer: { body: Json }) => {
  const condition = answer.body.status?.conditions?.[0]
  return condition?.status === status && (reason === undefined || condition.reason === reason)
}
const user = (text: string) => ({ headers: { 'Impersonate-User': text, 'Impersonate-Group': ['devs', 'ops'] } })

beforeAll(async () => {
  server = await startServer()
  http = new HttpClient(server)
  const ca = await readFile(join(server.dataDir, 'server/tls/request-header-ca.crt'), 'utf8')
  backend = await extensionServer(ca, 'sample.default.svc')
})
afterAll(async () => {
  http.close()
  await server.remove()
  await backend.close()
})

test('the groups this server answers have their APIServices', async () => {
  const { body } = await http.until(apiServices, answer => answer.body.items.length > 20)
  const apps = body.items.find((item: Json) => item.metadata.name === 'v1.apps')
  expect(apps).toMatchObject({
    metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
    spec: { group: 'apps', version: 'v1', groupPriorityMinimum: 17_800, versionPriority: 15 },
    status: { conditions: [{ type: 'Available', status: 'True', reason: 'Local' }] },
  })
  const names = body.items.map((item: Json) => item.metadata.name)
  expect(names).toContain('v1.')
  expect(names).not.toContain('v1.apiregistration.k8s.io')
  // Those of custom resources come and go with them, and come back.
  const custom = `${apiServices}/v1.helm.cattle.io`
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.custom.io' },
    spec: {
      group: 'custom.io',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  }
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  await http.post(definitions, crd)
  const thing = `${apiServices}/v1.custom.io`
  const made = await http.until(thing, answer => answer.status === 200)
  expect(made.body).toMatchObject({
    metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': 'true' } },
    spec: { groupPriorityMinimum: 1000, versionPriority: 100 },
  })
  await http.delete(thing)
  await http.until(thing, answer => answer.status === 200 && answer.body.metadata.uid !== made.body.metadata.uid)
  await http.delete(`${definitions}/things.custom.io`)
  await http.until(thing, answer => answer.status === 404)
  expect((await http.get(custom)).status).toBeLessThan(500)
})

test('what aggregated servers trust is published, and restored', async () => {
  const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication'
  const { body } = await http.until(path, answer => answer.status === 200)
  expect(body.data).toMatchObject({
    'requestheader-allowed-names': '["system:auth-proxy"]',
    'requestheader-username-headers': '["X-Remote-User"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
  })
  expect(body.data['client-ca-file']).toContain('BEGIN CERTIFICATE')
  expect(body.data['requestheader-client-ca-file']).toContain('BEGIN CERTIFICATE')
  await http.delete(path)
  await http.until(path, answer => answer.status === 200 && answer.body.metadata.uid !== body.metadata.uid)
})

describe('an APIService with a Service', () => {
  const spec = () => ({
    group,
    version,
    groupPriorityMinimum: 2000,
    versionPriority: 200,
    caBundle: Buffer.from(backend.ca).toString('base64'),
    service: { namespace: 'default', name: 'sample', port: backend.port },
  })

  test('is unavailable until the Service can be reached', async () => {
    const object = { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name }, spec: spec() }
    expect((await http.post(apiServices, object)).body.status).toEqual({})
    const first = await http.until(`${apiServices}/${name}`, available('False', 'ServiceNotFound'))
    expect(first.body.status.conditions[0].message).toBe('service/sample in "default" is not present')
    const refused = await http.get(`${root}/namespaces/default/flunders`)
    expect([refused.status, refused.text, refused.headers['content-type']]).toEqual([
      503,
      'service unavailable\n',
      'text/plain; charset=utf-8',
    ])
    const stale = await http.get('/apis', { accept: discoveryV2 })
    expect(stale.body.items.find((item: Json) => item.metadata.name === group).versions[0].freshness).toBe('Stale')
    const ports = [{ port: 1 }]
    await http.post('/api/v1/namespaces/default/services', { metadata: { name: 'sample' }, spec: { ports } })
    const second = await http.until(`${apiServices}/${name}`, available('False', 'ServicePortError'))
    expect(second.body.status.conditions[0].message).toBe(
      `service/sample in "default" is not listening on port ${backend.port}`,
    )
    const patch = { spec: { ports: [{ port: backend.port }] } }
    await http.patch('/api/v1/namespaces/default/services/sample', 'application/merge-patch+json', patch)
    await http.until(`${apiServices}/${name}`, available('False', 'EndpointsNotFound'))
    const slice = {
      metadata: { name: 'sample-1', labels: { 'kubernetes.io/service-name': 'sample' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: false } }],
      ports: [{ name: '', port: 1 }],
    }
    await http.post('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice)
    const third = await http.until(`${apiServices}/${name}`, available('False', 'MissingEndpoints'))
    expect(third.body.status.conditions[0].message).toBe(
      'endpointslices for service/sample in "default" have no addresses with port name ""',
    )
    await http.delete('/api/v1/namespaces/default/services/sample')
    const external = { type: 'ExternalName', externalName: 'localhost' }
    await http.post('/api/v1/namespaces/default/services', { metadata: { name: 'sample' }, spec: external })
    await http.until(`${apiServices}/${name}`, available('True', 'Passed'))
  })

  test('shows in every form of discovery', async () => {
    const group2 = async () => {
      const { body } = await http.get('/apis', { accept: discoveryV2 })
      return body.items.find((item: Json) => item.metadata.name === group)
    }
    await http.until('/apis', () => true)
    for (let tries = 0; (await group2()).versions[0].freshness !== 'Current' && tries < 1000; tries++)
      await new Promise(resolve => setTimeout(resolve, 20))
    expect(await group2()).toMatchObject({
      versions: [
        {
          version,
          freshness: 'Current',
          resources: [
            { resource: 'flunders', scope: 'Namespaced', shortNames: ['fl'], responseKind: { kind: 'Flunder' } },
          ],
        },
      ],
    })
    expect((await http.get(`/apis/${group}`)).body.preferredVersion.version).toBe(version)
    expect((await http.get(root)).body.resources[0].name).toBe('flunders')
    const { body } = await http.get('/openapi/v3')
    const url = body.paths[`apis/${group}/${version}`].serverRelativeURL
    expect((await http.get(url)).body.components.schemas.Flunder.description).toBe('Flunder flunds.')
    const { paths, definitions } = (await http.get('/openapi/v2')).body
    expect(paths[`${root}/flunders`].get.parameters).toEqual([expect.objectContaining({ name: 'pretty', in: 'query' })])
    expect(paths).not.toHaveProperty(['/apis/apps/v1/stolen'])
    expect(definitions['com.example.wardle.Flunder'].description).toBe('Flunder flunds.')
    expect(definitions['io.k8s.api.core.v1.Pod'].properties).toHaveProperty('spec')
    const packed = await http.get('/openapi/v2', {
      accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
    })
    expect([packed.status, packed.text.includes('com.example.wardle.Flunder')]).toEqual([200, true])
  })

  test('is told who asks, and nothing the client made up', async () => {
    backend.seen.length = 0
    const path = `${root}/namespaces/default/flunders`
    const forbidden = await http.get(path, user('jane'))
    expect([forbidden.status, forbidden.body.message]).toEqual([
      403,
      `flunders.${group} is forbidden: User "jane" cannot list resource "flunders" in API group "${group}" in the namespace "default"`,
    ])
    expect(backend.seen).toEqual([])
    await http.post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'jane' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
    })
    const headers = {
      ...user('jane').headers,
      'Impersonate-Uid': '42',
      'Impersonate-Extra-example.com%2Froles': 'a',
      'X-Remote-User': 'root',
      'X-Remote-Group': 'system:masters',
      'X-Remote-Extra-Scopes': 'all',
      Authorization: 'Bearer ',
    }
    const { status } = await http.get(path, { headers: { ...headers, Authorization: '' } })
    expect(status).toBe(200)
    const [seen] = backend.seen
    expect(seen!.headers).toMatchObject({
      'x-remote-user': 'jane',
      'x-remote-uid': '42',
      'x-remote-extra-example.com%2froles': 'a',
    })
    expect(seen!.repeated).toEqual(['devs', 'ops', 'system:authenticated'])
    for (const gone of ['authorization', 'x-remote-extra-scopes', 'impersonate-user'])
      expect(seen!.headers).not.toHaveProperty([gone])
    expect(seen!.headers['x-forwarded-for']).toMatch(/127\.0\.0\.1$/)
  })

  test('watches stream and end with the client; upgrades go through', async () => {
    const { tls, url } = server
    const events: string[] = []
    const watch = request(`${url}${root}/flunders?watch=1&labelSelector=mine`, tls, response => {
      response.on('data', chunk => events.push(String(chunk)))
    })
    watch.on('error', () => {})
    watch.end()
    await until(() => backend.watches === 1)
    backend.event('a')
    await until(() => events.length === 1)
    expect(JSON.parse(events[0]!).object.metadata.name).toBe('a')
    watch.destroy()
    await until(() => backend.watches === 0)

    const socket = await new Promise<Duplex>((resolve, reject) => {
      const headers = { Connection: 'Upgrade', Upgrade: 'echo' }
      const asked = request(`${url}${root}/namespaces/default/flunders/a/connect`, { ...tls, headers })
      asked.on('upgrade', (_response, upgraded) => resolve(upgraded))
      asked.on('response', response => reject(new Error(`no upgrade but ${response.statusCode}`)))
      asked.on('error', reject)
      asked.end()
    })
    const echoed = new Promise(resolve => socket.once('data', chunk => resolve(String(chunk))))
    socket.write('hello')
    expect(await echoed).toBe('hello')
    socket.destroy()
  })

  test.each(outermost)('kubectl $version creates, lists, explains and deletes', async kubectl => {
    const session = await Session.open(kubectl, server.kubeconfig)
    const flunder = {
      apiVersion: `${group}/${version}`,
      kind: 'Flunder',
      metadata: { name: 'f', namespace: 'default' },
    }
    const created = await session.given([flunder], 'create', '--validate=false', '-f', '-', '-n', 'default')
    expect(created).toBe(`flunder.${group}/f created`)
    expect(await session.ok('get', 'fl', '-n', 'default', '-o', 'name')).toBe(`flunder.${group}/f`)
    expect(await session.ok('explain', 'flunders')).toContain('Flunder flunds.')
    expect(await session.ok('get', 'apiservice', name)).toMatch(new RegExp(`${name} +default/sample +True +`))
    await session.ok('delete', 'fl', 'f', '-n', 'default', '--wait=false')
    await session.close()
  })

  test('namespaces end with their aggregated objects, and wait for a server that is down', async () => {
    await http.post('/api/v1/namespaces', { metadata: { name: 'doomed' } })
    const flunder = { apiVersion: `${group}/${version}`, kind: 'Flunder', metadata: { name: 'x', namespace: 'doomed' } }
    await http.post(`${root}/namespaces/doomed/flunders`, flunder)
    backend.broken = true
    await http.patch(`${apiServices}/${name}`, 'application/merge-patch+json', { metadata: { labels: { a: 'b' } } })
    const down = await http.until(`${apiServices}/${name}`, available('False', 'FailedDiscoveryCheck'))
    expect(down.body.status.conditions[0].message).toMatch(
      /^failing or missing response from https:\/\/localhost:\d+\/apis\/.*: bad status from https:.*: 50\d$/,
    )
    const before = backend.checks
    await new Promise(resolve => setTimeout(resolve, 1000))
    // Back-off, although what is reported changes every time: a few rounds of five, not as many as there is time for.
    expect(backend.checks - before).toBeLessThan(40)
    await http.delete('/api/v1/namespaces/doomed')
    const failing = (answer: { body: Json }) =>
      answer.body.status?.conditions?.some(
        (one: Json) => one.type === 'NamespaceDeletionDiscoveryFailure' && one.status === 'True',
      )
    await http.until('/api/v1/namespaces/doomed', failing)
    backend.broken = false
    await http.until(`${apiServices}/${name}`, available('True', 'Passed'))
    await http.until('/api/v1/namespaces/doomed', answer => answer.status === 404, 40)
    expect((await http.get(`${root}/namespaces/doomed/flunders`)).body.items).toEqual([])
  })

  test('a certificate the bundle does not vouch for is refused, unless told otherwise', async () => {
    const merge = (change: object) =>
      http.patch(`${apiServices}/${name}`, 'application/merge-patch+json', { spec: change })
    await http.until(`${apiServices}/${name}`, available('True', 'Passed'))
    const other = await extensionServer(backend.ca, 'other')
    await merge({ caBundle: Buffer.from(other.ca).toString('base64') })
    await other.close()
    const refused = await http.until(`${root}/flunders`, answer => answer.text.includes('error trying'))
    expect([refused.status, refused.text]).toEqual([503, expect.stringContaining('error trying to reach service')])
    await merge({ caBundle: null, insecureSkipTLSVerify: true })
    await http.until(`${root}/flunders`, answer => answer.status === 200)
  })

  test('goes, and with it its group', async () => {
    await http.delete(`${apiServices}/${name}`)
    await http.until(`${root}/flunders`, answer => answer.status === 404)
    expect((await http.get('/apis')).body.groups.map((one: Json) => one.name)).not.toContain(group)
  })
})

async function until(wanted: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !wanted(); ) {
    if (Date.now() > end) throw new Error('it does not come')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
