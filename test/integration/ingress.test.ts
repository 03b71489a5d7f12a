import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { Resource } from '../../bootstrap/client/client.ts'
import {
  type IngressClass,
  ingressClasses,
  ingresses,
  type Service,
  services,
} from '../../bootstrap/client/resources.ts'
import { certificate, hasHaproxy, IngressBed } from './ingress-fixture.ts'

jest.setTimeout(30_000)

const suite = hasHaproxy ? describe : describe.skip
const to = (name: string, port: unknown = { number: 80 }) => ({ service: { name, port } })
const path = (value: string, name: string, pathType = 'Prefix') => ({ path: value, pathType, backend: to(name) })

suite('Ingress by the real HAProxy', () => {
  let bed: IngressBed

  beforeAll(async () => {
    bed = await IngressBed.start()
    for (const name of ['root', 'foo', 'exact', 'wild', 'any']) await bed.backend(name)
  })
  afterAll(() => bed?.stop())

  test('routes by host and path: exact before prefix, longer before shorter, whole elements', async () => {
    await bed.ingress('paths', {
      rules: [
        {
          host: 'example.com',
          http: { paths: [path('/', 'root'), path('/foo', 'foo'), path('/foo', 'exact', 'Exact')] },
        },
        { host: '*.example.com', http: { paths: [path('/', 'wild')] } },
        { http: { paths: [path('/any', 'any')] } },
      ],
    })
    await bed.untilStatus({}, 200)
    const names: [string, string, string][] = [
      ['example.com', '/', 'root'],
      ['EXAMPLE.com:8080', '/', 'root'],
      ['example.com', '/foo', 'exact'],
      ['example.com', '/foo?x=1', 'exact'],
      ['example.com', '/foo/', 'foo'],
      ['example.com', '/foo/bar', 'foo'],
      ['example.com', '/foobar', 'root'],
      ['example.com', '/bar/../foo/x', 'foo'],
      ['example.com', '//foo/x', 'foo'],
      ['a.example.com', '/x', 'wild'],
      ['other.org', '/any/thing', 'any'],
    ]
    for (const [host, url, name] of names)
      expect([host, url, (await bed.echo({ host, path: url })).name]).toEqual([host, url, name])
    expect(await bed.ask({ host: 'a.b.example.com' })).toMatchObject({ status: 404, body: '404 page not found\n' })
  })

  test('forwards with the headers Traefik adds, and believes none of a stranger', async () => {
    const { headers } = await bed.echo({ headers: { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-proto': 'https' } })
    expect(headers).toMatchObject({
      host: 'example.com',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'example.com',
      'x-forwarded-port': '80',
      'x-forwarded-server': 'traefik-0',
      'x-real-ip': '127.0.0.1',
    })
    const secure = await bed.echo({ tls: true, host: 'example.com:8443' })
    expect(secure.headers).toMatchObject({ 'x-forwarded-proto': 'https', 'x-forwarded-port': '8443' })
  })

  test('takes requests nothing else matches by the default backend', async () => {
    expect((await bed.ask({ host: 'nowhere.org' })).status).toBe(404)
    await bed.ingress('fallback', { defaultBackend: to('root') })
    await bed.untilStatus({ host: 'nowhere.org' }, 200)
    await bed.client.delete(ingresses as Resource, { name: 'fallback', namespace: 'default' })
    await bed.untilStatus({ host: 'nowhere.org' }, 404)
  })

  test('finds ports by name and says what is wrong with a backend', async () => {
    await bed.ingress('ports', {
      rules: [
        {
          host: 'ports.org',
          http: {
            paths: [
              { path: '/named', pathType: 'Prefix', backend: to('root', { name: 'http' }) },
              { path: '/missing', pathType: 'Prefix', backend: to('root', { name: 'grpc' }) },
            ],
          },
        },
      ],
    })
    await bed.ingress('absent', { rules: [{ host: 'absent.org', http: { paths: [path('/', 'nothing')] } }] })
    await bed.ingress('resource', {
      rules: [
        {
          host: 'resource.org',
          http: { paths: [{ path: '/', pathType: 'Prefix', backend: { resource: { kind: 'Bucket', name: 'b' } } }] },
        },
      ],
    })
    await bed.untilStatus({ host: 'ports.org', path: '/named' }, 200)
    for (const asked of [{ host: 'ports.org', path: '/missing' }, { host: 'absent.org' }, { host: 'resource.org' }])
      expect(await bed.ask(asked)).toMatchObject({ status: 503, body: 'no available server\n' })
    await bed.until(
      () => bed.events('ports'),
      list => list.length > 0,
    )
    expect(await bed.events('ports')).toEqual(['PortNotFound: service default/root has no port grpc; it has http (80)'])
    await bed.until(
      () => bed.events('absent'),
      list => list.length > 0,
    )
    expect(await bed.events('absent')).toEqual(['ServiceNotFound: service default/nothing does not exist'])
    await bed.until(
      () => bed.events('resource'),
      list => list.length > 0,
    )
    expect(await bed.events('resource')).toEqual([
      'UnsupportedBackend: backends must be services; Bucket b is a resource',
    ])
  })

  test('an Ingress that HAProxy does not take breaks no other', async () => {
    await bed.ingress('bad', {
      rules: [{ host: 'bad.org', http: { paths: [path('/a b\'\n"}\\', 'root'), path('/ok', 'root')] } }],
    })
    await bed.ingress('good', { rules: [{ host: 'good.org', http: { paths: [path("/it's;{}%25", 'root')] } }] })
    expect((await bed.untilStatus({ host: 'good.org', path: "/it's;{}%25" }, 200)).status).toBe(200)
    expect((await bed.ask({ host: 'bad.org', path: '/ok' })).status).toBe(200)
    await bed.until(
      () => bed.events('bad'),
      list => list[0]?.includes('Unsupported: path') === true,
    )
  })

  test('only classes of its own', async () => {
    await bed.client.create(ingressClasses, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'traefik' },
      spec: { controller: 'traefik.io/ingress-controller' },
    } as IngressClass)
    const rules = (host: string) => [{ host, http: { paths: [path('/', 'root')] } }]
    await bed.ingress('nginx', { ingressClassName: 'nginx', rules: rules('nginx.org') })
    await bed.ingress('annotated', { rules: rules('annotated.org') }, { 'kubernetes.io/ingress.class': 'nginx' })
    await bed.ingress('legacy', { rules: rules('legacy.org') }, { 'kubernetes.io/ingress.class': 'traefik' })
    await bed.ingress('classy', { ingressClassName: 'traefik', rules: rules('classy.org') })
    await bed.untilStatus({ host: 'classy.org' }, 200)
    expect(
      await Promise.all(
        ['nginx.org', 'annotated.org', 'legacy.org'].map(async host => (await bed.ask({ host })).status),
      ),
    ).toEqual([404, 404, 200])
  })

  test('shows the addresses of the published service', async () => {
    await bed.client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'traefik', namespace: 'kube-system' },
      spec: { type: 'LoadBalancer' },
    } as Service)
    await bed.client.patch(
      services,
      { name: 'traefik', namespace: 'kube-system' },
      { status: { loadBalancer: { ingress: [{ ip: '198.51.100.10' }] } } },
      { type: 'merge', subresource: 'status' },
    )
    const status = () =>
      bed.client
        .get(ingresses, { name: 'paths', namespace: 'default' })
        .then(object => object.status?.loadBalancer?.ingress)
    await bed.until(status, value => JSON.stringify(value) === '[{"ip":"198.51.100.10"}]')
    expect((await bed.client.get(ingresses, { name: 'nginx', namespace: 'default' })).status).toBeUndefined()
  })

  test('terminates TLS by name, takes up a new certificate and falls back to its own, all without a reload', async () => {
    const [first, second] = [certificate('tls.org', '*.tls.org'), certificate('tls.org')]
    await bed.ingress('tls', {
      tls: [{ hosts: ['tls.org'], secretName: 'tls-org' }],
      rules: [{ host: 'tls.org', http: { paths: [path('/', 'root')] } }],
    })
    await bed.until(
      () => bed.events('tls'),
      list => list.length === 1,
    )
    expect(await bed.events('tls')).toEqual([
      'SecretNotFound: secret default/tls-org does not exist; the default certificate is used',
    ])
    expect(await bed.peer('tls.org')).toContain('TRAEFIK DEFAULT CERT')
    const { reloads } = bed.service.counts
    await bed.secret('tls-org', { 'tls.crt': first.crt, 'tls.key': first.key })
    await bed.until(
      () => bed.peerPem('tls.org'),
      pem => pem === first.fingerprint,
    )
    expect(await bed.peerPem('deep.tls.org')).toBe(first.fingerprint)
    expect((await bed.echo({ host: 'tls.org', tls: true })).name).toBe('root')
    await bed.secret('tls-org', { 'tls.crt': second.crt, 'tls.key': second.key })
    await bed.until(
      () => bed.peerPem('tls.org'),
      pem => pem === second.fingerprint,
    )
    expect(await bed.peer('deep.tls.org')).toContain('TRAEFIK DEFAULT CERT')
    await bed.secret('tls-org', { 'tls.crt': second.crt, 'tls.key': first.key })
    await bed.until(
      () => bed.events('tls'),
      list => list.some(text => text.includes('the key does not belong to the certificate')),
    )
    await bed.until(
      () => bed.peer('tls.org'),
      subject => subject.includes('TRAEFIK DEFAULT CERT'),
    )
    expect(bed.service.counts.reloads).toBe(reloads)
  })

  test('a change of endpoints or of routes to known backends needs no reload', async () => {
    const { reloads } = bed.service.counts
    const other = await bed.listen((_, response) => response.end('{"name":"other"}'))
    await bed.endpoints('root', [other])
    await bed.until(
      () => bed.echo({}),
      ({ name }) => name === 'other',
    )
    await bed.ingress('more', { rules: [{ host: 'more.org', http: { paths: [path('/x', 'foo')] } }] })
    await bed.untilStatus({ host: 'more.org', path: '/x' }, 200)
    await bed.endpoints('root', [])
    await bed.untilStatus({}, 503)
    expect(bed.service.counts.reloads).toBe(reloads)
  })
})
