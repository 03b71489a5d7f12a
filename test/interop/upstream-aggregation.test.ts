/** Aggregation as upstream's API server does it and as ours does: the same objects, answers and requests. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { type ExtensionServer, extension, extensionServer } from '../integration/extension-server.ts'
import { type Answer, HttpClient, type Json } from '../integration/http-client.ts'
import { type RunningServer, startServer } from '../integration/server.ts'
import { missing, startUpstream, type UpstreamServer } from './upstream.ts'

jest.setTimeout(120_000)

const { group, version } = extension
const root = `/apis/${group}/${version}`
const apiServices = '/apis/apiregistration.k8s.io/v1/apiservices'
const name = `${version}.${group}`
const discoveryV2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

if (missing !== undefined) test.skip(`no upstream API server (scripts/oracles.sh builds one): ${missing}`, () => {})
else {
  let backend: ExtensionServer
  let upstream: UpstreamServer
  let ours: RunningServer
  let theirs: HttpClient
  let own: HttpClient
  beforeAll(async () => {
    ;[upstream, ours] = await Promise.all([startUpstream(), startServer(['--disable', 'metrics-server'])])
    theirs = upstream.api
    own = new HttpClient(ours)
    const proxyCas = [join(upstream.folder, 'ca.crt'), join(ours.dataDir, 'server/tls/request-header-ca.crt')]
    backend = await extensionServer(proxyCas.map(path => readFileSync(path, 'utf8')).join(''), 'sample.default.svc')
  })
  afterAll(async () => {
    theirs.close()
    own.close()
    await Promise.all([upstream.remove(), ours.remove()])
    await backend.close()
  })

  /** The same question to both, one after the other; what differs by nature is taken out. */
  async function same<T>(ask: (api: HttpClient) => Promise<T>): Promise<T> {
    const wanted = await ask(theirs)
    expect(await ask(own)).toEqual(wanted)
    return wanted
  }
  const answered = ({ status, headers, body, text }: Answer) => {
    const { managedFields, uid, resourceVersion, creationTimestamp, ...metadata } = body?.metadata ?? {}
    const said = body ? { ...body, metadata } : text
    return { status, type: headers['content-type'], said }
  }
  const condition = async (api: HttpClient, reason: string) => {
    const { body } = await api.until(
      `${apiServices}/${name}`,
      ({ body }) => body.status?.conditions?.[0]?.reason === reason,
    )
    const { lastTransitionTime, ...rest } = body.status.conditions[0]
    return rest
  }

  test('the same APIServices for the groups both serve', async () => {
    const listed = async (api: HttpClient) => {
      const { body } = await api.until(apiServices, ({ body }) => body.items.length > 20)
      return new Map<string, Json>(
        body.items.map((item: Json) => [
          item.metadata.name,
          {
            spec: item.spec,
            labels: item.metadata.labels,
            conditions: item.status.conditions.map((one: Json) => one.reason),
          },
        ]),
      )
    }
    const [wanted, found] = [await listed(theirs), await listed(own)]
    for (const [service, value] of wanted) expect([service, found.get(service)]).toEqual([service, value])
    const extra = [...found.keys()].filter(service => !wanted.has(service))
    expect(extra.every(service => service.endsWith('.cattle.io'))).toBe(true)
  })

  test('the same trust for aggregated servers', () =>
    same(async api => {
      const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication'
      const { body } = await api.until(path, ({ status }) => status === 200)
      const { 'client-ca-file': ca, 'requestheader-client-ca-file': proxyCa, ...data } = body.data
      return { data, cas: [ca, proxyCa].every(text => text.startsWith('-----BEGIN CERTIFICATE')) }
    }))

  test('an APIService whose Service is not there', async () => {
    const spec = {
      group,
      version,
      groupPriorityMinimum: 2000,
      versionPriority: 200,
      caBundle: Buffer.from(backend.ca).toString('base64'),
      service: { namespace: 'default', name: 'sample', port: backend.port },
    }
    const object = { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name }, spec }
    await same(async api => answered(await api.post(apiServices, object)))
    await same(api => condition(api, 'ServiceNotFound'))
    await same(async api => answered(await api.get(root)))
    await same(async api => answered(await api.get(`${root}/namespaces/default/flunders`)))
    await same(async api => {
      const { body } = await api.until('/apis', ({ body }) => body.groups.some((one: Json) => one.name === group))
      return body.groups.find((one: Json) => one.name === group)
    })
    await same(async api => answered(await api.get(`/apis/${group}`)))
  })

  test.each([
    ['without a port', { ports: [{ port: 1 }] }, 'ServicePortError'],
    ['without endpoints', { ports: [{ port: 0 }] }, 'EndpointsNotFound'],
  ])('a Service %s', async (_, spec, reason) => {
    const ports = spec.ports.map(({ port }) => ({ port: port || backend.port }))
    await same(async api => {
      await api.delete('/api/v1/namespaces/default/services/sample')
      await api.post('/api/v1/namespaces/default/services', { metadata: { name: 'sample' }, spec: { ports } })
      return await condition(api, reason)
    })
  })

  test('endpoints that are not ready', () =>
    same(async api => {
      await api.post('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
        metadata: { name: 'sample-1', labels: { 'kubernetes.io/service-name': 'sample' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: false } }],
        ports: [{ name: '', port: 1 }],
      })
      return await condition(api, 'MissingEndpoints')
    }))

  test('a Service that answers: discovery in all forms', async () => {
    await same(async api => {
      await api.delete('/api/v1/namespaces/default/services/sample')
      const spec = { type: 'ExternalName', externalName: 'localhost' }
      await api.post('/api/v1/namespaces/default/services', { metadata: { name: 'sample' }, spec })
      return await condition(api, 'Passed')
    })
    await same(async api => {
      const current = async () => {
        const { body } = await api.get('/apis', { accept: discoveryV2 })
        return body.items.find((item: Json) => item.metadata.name === group)
      }
      for (let tries = 0; (await current()).versions[0].freshness !== 'Current' && tries < 1000; tries++)
        await new Promise(resolve => setTimeout(resolve, 50))
      const { metadata, versions } = await current()
      return { name: metadata.name, versions }
    })
    await same(async api => answered(await api.get(root)))
    await same(async api =>
      (await api.get('/apis')).body.groups
        .map((one: Json) => one.name)
        .filter((one: string) => !one.endsWith('.cattle.io')),
    )
  })

  test.each<[string, (api: HttpClient) => Promise<Answer>]>([
    ['a list', api => api.get(`${root}/flunders?limit=5&labelSelector=a%3Db`)],
    ['nothing there', api => api.get(`${root}/namespaces/default/flunders/gone`)],
    ['a creation', api => api.post(`${root}/namespaces/default/flunders`, { metadata: { name: 'f' } })],
    ['a deletion', api => api.delete(`${root}/namespaces/default/flunders/f`)],
    [
      'somebody else',
      api =>
        api.get(`${root}/flunders`, {
          headers: {
            'Impersonate-User': 'admin',
            'Impersonate-Group': ['system:masters', 'devs'],
            'Impersonate-Uid': 'u-1',
            'Impersonate-Extra-example.com%2FRoles': 'a',
            'X-Remote-Extra-Scopes': 'all',
          },
        }),
    ],
    [
      'somebody who may not',
      api => api.get(`${root}/namespaces/default/flunders`, { headers: { 'Impersonate-User': 'jane' } }),
    ],
  ])('%s: the same answer, and the same request behind it', async (_, ask) => {
    await same(async api => {
      backend.seen.length = 0
      const answer = answered(await ask(api))
      const identity = Object.fromEntries(
        Object.entries(backend.seen[0]?.headers ?? {}).filter(([header]) => header.startsWith('x-remote-')),
      )
      const known = ['admin', 'system:admin'].includes(identity['x-remote-user'] as string)
      if (known && !identity['x-remote-uid']) identity['x-remote-user'] = 'admin'
      const groups = backend.seen[0]?.repeated.toSorted()
      const credential = 'x-remote-extra-authentication.kubernetes.io%2fcredential-id'
      if (identity[credential]) identity[credential] = String(identity[credential]).slice(0, 11)
      const { method, path } = backend.seen[0] ?? {}
      return { answer, method, path, identity: { ...identity, 'x-remote-group': undefined }, groups }
    })
  })

  test('gone', () =>
    same(async api => {
      await api.delete(`${apiServices}/${name}`)
      await api.until(`${root}/flunders`, ({ status }) => status === 404)
      const { body } = await api.get('/apis')
      return body.groups.some((one: Json) => one.name === group)
    }))
}
