import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { gatewayClasses, gateways, httpRoutes, middlewares, referenceGrants } from '../../operators/ingress/kinds.ts'
import { certificate, hasHaproxy, IngressBed } from './ingress-fixture.ts'

jest.setTimeout(30_000)

const suite = hasHaproxy ? describe : describe.skip
const backend = (name: string, more: object = {}) => ({ name, port: 80, ...more })

suite('the Gateway API by the real HAProxy', () => {
  let bed: IngressBed

  beforeAll(async () => {
    bed = await IngressBed.start(['--providers.kubernetesgateway'], bed => bed.crds())
    for (const name of ['a', 'b', 'c']) await bed.backend(name)
    await bed.backend('far', { namespace: 'other' })
    const pair = certificate('gw.org', '*.gw.org')
    await bed.secret('gw', { 'tls.crt': pair.crt, 'tls.key': pair.key })
    await bed.create(gatewayClasses, 'traefik', { controllerName: 'traefik.io/gateway-controller' })
    await bed.create(gateways, 'gw', {
      gatewayClassName: 'traefik',
      listeners: [
        { name: 'web', port: bed.ports.web, protocol: 'HTTP' },
        {
          name: 'secure',
          port: bed.ports.websecure,
          protocol: 'HTTPS',
          hostname: '*.gw.org',
          tls: { certificateRefs: [{ name: 'gw' }] },
        },
        { name: 'odd', port: 81, protocol: 'HTTP' },
      ],
    })
  })
  afterAll(() => bed?.stop())

  const route = (name: string, spec: object) => bed.create(httpRoutes, name, { parentRefs: [{ name: 'gw' }], ...spec })
  const conditionsOf = async (name: string) => {
    const { status } = await bed.client.get(httpRoutes, { name, namespace: 'default' })
    return (status?.parents ?? []).flatMap(({ conditions }) =>
      conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`),
    )
  }

  test('matches by the precedence of the API', async () => {
    await route('match', {
      hostnames: ['m.gw.org', '*.wild.org'],
      rules: [
        { backendRefs: [backend('a')] },
        { matches: [{ path: { type: 'PathPrefix', value: '/b' } }], backendRefs: [backend('b')] },
        { matches: [{ path: { type: 'Exact', value: '/b/exact' } }], backendRefs: [backend('c')] },
        { matches: [{ headers: [{ name: 'version', value: 'two' }] }], backendRefs: [backend('b')] },
        { matches: [{ method: 'PUT' }, { queryParams: [{ name: 'q', value: '1' }] }], backendRefs: [backend('c')] },
      ],
    })
    await bed.untilStatus({ host: 'm.gw.org' }, 200)
    const cases: [object, string][] = [
      [{}, 'a'],
      [{ path: '/b/x' }, 'b'],
      [{ path: '/bx' }, 'a'],
      [{ path: '/b/exact' }, 'c'],
      [{ headers: { version: 'two' } }, 'b'],
      [{ path: '/b/exact', headers: { version: 'two' } }, 'c'],
      [{ method: 'PUT' }, 'c'],
      [{ method: 'PUT', headers: { version: 'two' } }, 'c'],
      [{ path: '/?q=1' }, 'c'],
      [{ host: 'x.y.wild.org' }, 'a'],
      [{ tls: true }, 'a'],
    ]
    for (const [asked, name] of cases)
      expect([asked, (await bed.echo({ host: 'm.gw.org', ...asked })).name]).toEqual([asked, name])
    expect((await bed.ask({ host: 'x.wild.org', tls: true })).status).toBe(404)
    expect(await bed.peer('m.gw.org')).toContain('gw.org')
    await bed.until(
      () => conditionsOf('match'),
      list => list.length > 0,
    )
    expect(await conditionsOf('match')).toEqual(['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs'])
  })

  test('filters', async () => {
    await route('filters', {
      hostnames: ['f.gw.org'],
      rules: [
        {
          matches: [{ path: { value: '/redirect' } }],
          filters: [
            {
              type: 'RequestRedirect',
              requestRedirect: {
                scheme: 'https',
                hostname: 'new.org',
                path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/to' },
                statusCode: 301,
              },
            },
          ],
        },
        {
          matches: [{ path: { value: '/rewrite' } }],
          filters: [
            {
              type: 'URLRewrite',
              urlRewrite: { hostname: 'in.org', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
            },
          ],
          backendRefs: [backend('a')],
        },
        {
          matches: [{ path: { value: '/headers' } }],
          filters: [
            {
              type: 'RequestHeaderModifier',
              requestHeaderModifier: {
                set: [{ name: 'x-set', value: 's' }],
                add: [{ name: 'x-add', value: '2' }],
                remove: ['x-gone'],
              },
            },
            { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-out', value: 'o' }] } },
          ],
          backendRefs: [backend('a')],
        },
        {
          matches: [{ path: { value: '/ext' } }],
          filters: [{ type: 'ExtensionRef', extensionRef: { group: 'traefik.io', kind: 'Middleware', name: 'pre' } }],
          backendRefs: [backend('a')],
        },
      ],
    })
    await bed.create(middlewares, 'pre', { addPrefix: { prefix: '/pre' } })
    const host = 'f.gw.org'
    await bed.untilStatus({ host, path: '/ext' }, 200)
    expect(await bed.ask({ host, path: '/redirect/x?y' })).toMatchObject({
      status: 301,
      headers: { location: 'https://new.org/to/x?y' },
    })
    expect(await bed.echo({ host, path: '/rewrite/x' })).toMatchObject({ url: '/x', headers: { host: 'in.org' } })
    expect((await bed.echo({ host, path: '/rewrite' })).url).toBe('/')
    const seen = await bed.ask({ host, path: '/headers', headers: { 'x-gone': '1', 'x-add': '1', 'x-set': 'old' } })
    expect(seen.headers['x-out']).toBe('o')
    expect(JSON.parse(seen.body).headers).toMatchObject({ 'x-set': 's', 'x-add': '1, 2' })
    expect(JSON.parse(seen.body).headers['x-gone']).toBeUndefined()
    expect((await bed.echo({ host, path: '/ext/x' })).url).toBe('/pre/ext/x')
  })

  test('weights; references to nowhere answer 500 for their share; other namespaces need a grant', async () => {
    await route('weights', {
      hostnames: ['w.gw.org'],
      rules: [
        { backendRefs: [backend('a', { weight: 9 }), backend('b', { weight: 1 })] },
        { matches: [{ path: { value: '/far' } }], backendRefs: [backend('far', { namespace: 'other' })] },
        { matches: [{ path: { value: '/none' } }], backendRefs: [backend('missing')] },
      ],
    })
    const host = 'w.gw.org'
    await bed.untilStatus({ host }, 200)
    const counts: { [name: string]: number } = {}
    for (let index = 0; index < 40; index++) {
      const { name } = await bed.echo({ host })
      counts[name] = (counts[name] ?? 0) + 1
    }
    expect(counts).toEqual({ a: 36, b: 4 })
    expect((await bed.ask({ host, path: '/far' })).status).toBe(500)
    expect((await bed.ask({ host, path: '/none' })).status).toBe(500)
    await bed.until(
      () => conditionsOf('weights'),
      list => list.includes('ResolvedRefs=False RefNotPermitted'),
    )
    await bed.create(
      referenceGrants,
      'far',
      {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }],
        to: [{ group: '', kind: 'Service' }],
      },
      'other',
    )
    await bed.untilStatus({ host, path: '/far' }, 200)
    await bed.until(
      () => conditionsOf('weights'),
      list => list.includes('ResolvedRefs=False BackendNotFound'),
    )
  })

  test('statuses of class, Gateway and routes that do not attach', async () => {
    await route('elsewhere', {
      parentRefs: [{ name: 'gw', sectionName: 'secure' }],
      hostnames: ['not.there'],
      rules: [{ backendRefs: [backend('a')] }],
    })
    await route('mirror', {
      hostnames: ['mi.gw.org'],
      rules: [{ filters: [{ type: 'RequestMirror', requestMirror: {} }], backendRefs: [backend('a')] }],
    })
    await bed.until(
      () => conditionsOf('elsewhere'),
      list => list[0] === 'Accepted=False NoMatchingListenerHostname',
    )
    await bed.until(
      () => conditionsOf('mirror'),
      list => list[0] === 'Accepted=False UnsupportedValue',
    )
    expect((await bed.ask({ host: 'mi.gw.org' })).status).toBe(500)
    const key = { name: 'gw', namespace: 'default' }
    const gateway = await bed.until(
      () => bed.client.get(gateways, key),
      ({ status }) => status?.listeners?.[0]?.attachedRoutes === 4,
    )
    expect(gateway.status?.conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual([
      'Accepted=True',
      'Programmed=True',
    ])
    expect(gateway.status?.listeners?.map(({ name, conditions }) => `${name} ${conditions[0]?.reason}`)).toEqual([
      'web Accepted',
      'secure Accepted',
      'odd PortUnavailable',
    ])
    const { status } = await bed.client.get(gatewayClasses, { name: 'traefik' })
    expect(status?.conditions?.[0]).toMatchObject({ type: 'Accepted', status: 'True', reason: 'Accepted' })
  })
})
