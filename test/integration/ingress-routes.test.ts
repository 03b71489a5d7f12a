import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { Resource } from '../../bootstrap/client/client.ts'
import { ingressRoutes, middlewares, tlsOptions, tlsStores, traefikServices } from '../../operators/ingress/kinds.ts'
import { certificate, hasHaproxy, IngressBed } from './ingress-fixture.ts'

jest.setTimeout(30_000)

const suite = hasHaproxy ? describe : describe.skip
const service = (name: string, more: object = {}) => ({ name, port: 80, ...more })
const base64 = (text: string) => Buffer.from(text).toString('base64')

suite('IngressRoute and Middleware by the real HAProxy', () => {
  let bed: IngressBed

  beforeAll(async () => {
    bed = await IngressBed.start([], bed => bed.crds())
    for (const name of ['a', 'b', 'c']) await bed.backend(name)
  })
  afterAll(() => bed?.stop())

  let hosts = 0
  /** A host of its own whose requests pass these middlewares to service a. */
  async function through(...specs: readonly object[]): Promise<string> {
    const host = `m${++hosts}.org`
    const names = specs.map((_, index) => ({ name: `m${hosts}-${index}` }))
    for (const [index, spec] of specs.entries()) await bed.create(middlewares, names[index]!.name, spec)
    const route = { match: `Host(\`${host}\`)`, kind: 'Rule', middlewares: names, services: [service('a')] }
    await bed.create(ingressRoutes, `r${hosts}`, { routes: [route] })
    await bed.until(
      () => bed.ask({ host, path: '/probe' }),
      ({ status }) => status !== 404,
    )
    return host
  }

  test('rules: the longest wins, a priority overrides', async () => {
    const rule = (match: string, name: string, more: object = {}) => ({
      kind: 'Rule',
      match,
      services: [service(name)],
      ...more,
    })
    await bed.create(ingressRoutes, 'rules', {
      entryPoints: ['web'],
      routes: [
        rule('Host(`r.org`)', 'a'),
        rule('Host(`r.org`) && PathPrefix(`/b`)', 'b'),
        rule('Host(`r.org`) && Header(`X-To`, `c`) && !Method(`POST`)', 'c'),
        rule('(Host(`r.org`) && Query(`to`, `b`)) || HostRegexp(`^b[0-9]+\\.r\\.org$`)', 'b'),
        rule('Host(`r.org`) && PathRegexp(`^/v[0-9]+/x$`)', 'c'),
        rule('PathPrefix(`/`)', 'c', { priority: 1 }),
        rule('Host(`r.org`) && PathPrefix(`/b/never`)', 'a', { priority: 1000 }),
        rule('Host(`r.org`) && ClientIP(`10.0.0.0/8`) && PathPrefix(`/ip`)', 'b'),
      ],
    })
    await bed.untilStatus({ host: 'r.org' }, 200)
    const cases: [object, string][] = [
      [{ path: '/' }, 'a'],
      [{ path: '/bx' }, 'b'],
      [{ path: '/b/never' }, 'a'],
      [{ headers: { 'x-to': 'c' } }, 'c'],
      [{ headers: { 'x-to': 'c' }, method: 'POST' }, 'a'],
      [{ path: '/?to=b' }, 'b'],
      [{ host: 'b12.r.org' }, 'b'],
      [{ host: 'bx.r.org' }, 'c'],
      [{ path: '/v1/x' }, 'c'],
      [{ path: '/ip' }, 'a'],
    ]
    for (const [asked, name] of cases)
      expect([asked, (await bed.echo({ host: 'r.org', ...asked })).name]).toEqual([asked, name])
    expect((await bed.ask({ host: 'r.org', tls: true })).status).toBe(404)
    await bed.client.delete(ingressRoutes as Resource, { name: 'rules', namespace: 'default' })
  })

  test('a rule that makes no sense is reported and matches nothing', async () => {
    await bed.create(ingressRoutes, 'broken', {
      routes: [{ kind: 'Rule', match: 'Host(`x.org`) & Path(`/`)', services: [service('a')] }],
    })
    await bed.until(
      () => bed.events('broken'),
      list => list.length > 0,
    )
    expect(await bed.events('broken')).toEqual([
      'InvalidRule: unexpected "&" at position 15 of rule Host(`x.org`) & Path(`/`); the route is ignored',
    ])
  })

  test('a pattern HAProxy refuses is blamed on its owner alone', async () => {
    await bed.create(ingressRoutes, 'pattern', {
      routes: [
        { kind: 'Rule', match: 'Host(`p.org`) && PathRegexp(`(`)', services: [service('a')] },
        { kind: 'Rule', match: 'Host(`p.org`)', services: [service('a')] },
      ],
    })
    await bed.until(
      () => bed.events('pattern'),
      list => list.length > 0,
    )
    expect((await bed.events('pattern'))[0]).toMatch(
      /^Refused: HAProxy does not accept it: .*missing closing parenthesis/,
    )
    expect((await bed.ask({ host: 'p.org' })).status).toBe(503)
    await bed.create(ingressRoutes, 'fine', {
      routes: [{ kind: 'Rule', match: 'Host(`fine.org`)', services: [service('b')] }],
    })
    await bed.untilStatus({ host: 'fine.org' }, 200)
    const { items } = await bed.client.list(ingressRoutes, {})
    const broken = items.find(({ metadata }) => metadata.name === 'pattern')!
    await bed.client.update(ingressRoutes, {
      ...broken,
      spec: { routes: [{ match: 'Host(`p.org`)', services: [service('a')] }] },
    })
    await bed.untilStatus({ host: 'p.org' }, 200)
  })

  const paths: [string, object[], string, { url: string; headers?: object }][] = [
    [
      'stripPrefix',
      [{ stripPrefix: { prefixes: ['/api', '/a b'] } }],
      '/api/x?y=1',
      { url: '/x?y=1', headers: { 'x-forwarded-prefix': '/api' } },
    ],
    ['stripPrefix to nothing', [{ stripPrefix: { prefixes: ['/api'] } }], '/api', { url: '/' }],
    ['stripPrefix elsewhere', [{ stripPrefix: { prefixes: ['/api'] } }], '/other', { url: '/other' }],
    ['stripPrefixRegex', [{ stripPrefixRegex: { regex: ['/v[0-9]+/'] } }], '/v12/x', { url: '/x' }],
    ['addPrefix', [{ addPrefix: { prefix: '/pre%' } }], '/x?y', { url: '/pre%/x?y' }],
    [
      'replacePath',
      [{ replacePath: { path: '/new' } }],
      '/old?q=1',
      { url: '/new?q=1', headers: { 'x-replaced-path': '/old' } },
    ],
    [
      'replacePathRegex',
      [{ replacePathRegex: { regex: '^/foo/(.*)', replacement: '/bar/$1' } }],
      '/foo/x',
      { url: '/bar/x', headers: { 'x-replaced-path': '/foo/x' } },
    ],
    [
      'replacePathRegex in the middle',
      [{ replacePathRegex: { regex: 'o+', replacement: '0' } }],
      '/foo/x',
      { url: '/f0/x' },
    ],
    ['chain', [{ stripPrefix: { prefixes: ['/api'] } }, { addPrefix: { prefix: '/v1' } }], '/api/x', { url: '/v1/x' }],
    [
      'request headers',
      [{ headers: { customRequestHeaders: { 'X-Own': "it's 100%", 'X-Real-Ip': '' } } }],
      '/',
      { url: '/', headers: { 'x-own': "it's 100%", 'x-real-ip': undefined } },
    ],
  ]
  test.each(paths)('%s', async (_, specs, path, wanted) => {
    const seen = await bed.echo({ host: await through(...specs), path })
    expect(seen.url).toBe(wanted.url)
    for (const [name, value] of Object.entries(wanted.headers ?? {}))
      expect([name, seen.headers[name]]).toEqual([name, value])
  })

  test('redirects', async () => {
    const scheme = await through({ redirectScheme: { scheme: 'https', permanent: true, port: '8443' } })
    expect(await bed.ask({ host: `${scheme}:80`, path: '/x?y=1' })).toMatchObject({
      status: 301,
      headers: { location: `https://${scheme}:8443/x?y=1` },
    })
    expect((await bed.ask({ host: scheme, method: 'POST' })).status).toBe(308)
    expect((await bed.ask({ host: scheme, tls: true })).status).toBe(200)
    const regex = await through({
      redirectRegex: { regex: '^http://([^/]+)/old/(.*)', replacement: 'https://new.$1/$2' },
    })
    expect(await bed.ask({ host: regex, path: '/old/x?q=%20' })).toMatchObject({
      status: 302,
      headers: { location: `https://new.${regex}/x?q=%20` },
    })
    expect((await bed.ask({ host: regex, path: '/other' })).status).toBe(200)
  })

  test('response headers and CORS', async () => {
    const host = await through({
      headers: {
        customResponseHeaders: { 'X-Own': 'yes', 'Content-Type': '' },
        frameDeny: true,
        stsSeconds: 60,
        stsIncludeSubdomains: true,
        accessControlAllowOriginList: ['https://ok.org'],
        accessControlAllowMethods: ['GET', 'PUT'],
        accessControlMaxAge: 100,
        addVaryHeader: true,
      },
    })
    const answer = await bed.ask({ host, headers: { origin: 'https://ok.org' } })
    expect(answer.headers).toMatchObject({
      'x-own': 'yes',
      'x-frame-options': 'DENY',
      'strict-transport-security': 'max-age=60; includeSubDomains',
      'access-control-allow-origin': 'https://ok.org',
      vary: 'Origin',
    })
    expect(answer.headers['content-type']).toBeUndefined()
    const preflight = {
      host,
      method: 'OPTIONS',
      headers: { origin: 'https://ok.org', 'access-control-request-method': 'PUT' },
    }
    expect((await bed.ask(preflight)).headers).toMatchObject({
      'access-control-allow-methods': 'GET,PUT',
      'access-control-max-age': '100',
    })
    expect(
      (await bed.ask({ host, headers: { origin: 'https://evil.org' } })).headers['access-control-allow-origin'],
    ).toBeUndefined()
  })

  test('basicAuth in every format of htpasswd', async () => {
    const formats = ['-m', '-s', '-B', '-2', '-5', '-d'].map(flag =>
      execFileSync('htpasswd', ['-nb', flag, `u${flag.slice(1)}`, 'secret'], { stdio: ['ignore', 'pipe', 'ignore'] })
        .toString()
        .trim(),
    )
    await bed.secret('users', { users: base64(formats.join('\n')) }, 'Opaque')
    const host = await through({
      basicAuth: { secret: 'users', headerField: 'X-User', removeHeader: true, realm: "it's mine" },
    })
    const ask = (user: string, password: string) =>
      bed.ask({ host, headers: { authorization: `Basic ${base64(`${user}:${password}`)}` } })
    expect(await bed.ask({ host })).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="it\'s mine"' },
    })
    for (const user of ['um', 'us', 'uB', 'u2', 'u5', 'ud']) {
      expect([user, (await ask(user, 'secret')).status]).toEqual([user, 200])
      expect([user, (await ask(user, 'wrong')).status]).toEqual([user, 401])
      expect([user, (await ask(user, '')).status]).toEqual([user, 401])
    }
    const seen = JSON.parse((await ask('um', 'secret')).body)
    expect([seen.headers['x-user'], seen.headers.authorization]).toEqual(['um', undefined])
    await bed.secret('plain', { username: base64('p'), password: base64('q w') }, 'kubernetes.io/basic-auth')
    const other = await through({ basicAuth: { secret: 'plain' } })
    expect((await bed.ask({ host: other, headers: { authorization: `Basic ${base64('p:q w')}` } })).status).toBe(200)
    expect((await bed.ask({ host: other, headers: { authorization: `Basic ${base64('p:q')}` } })).status).toBe(401)
  })

  test('rateLimit, ipAllowList, compress, retry', async () => {
    const limited = await through({ rateLimit: { average: 1, period: '10s', burst: 3 } })
    const statuses: number[] = []
    for (let count = 0; count < 4; count++) statuses.push((await bed.ask({ host: limited })).status)
    // One request was the probe.
    expect(statuses).toEqual([200, 200, 429, 429])
    const byHeader = await through({
      rateLimit: { average: 1, period: '10s', burst: 1, sourceCriterion: { requestHeaderName: 'X-Key' } },
    })
    const keyed = async (key: string) => (await bed.ask({ host: byHeader, headers: { 'x-key': key } })).status
    expect([await keyed('a'), await keyed('a'), await keyed('b')]).toEqual([200, 429, 200])
    const denied = await through({ ipAllowList: { sourceRange: ['10.0.0.0/8', 'fd00::/8'] } })
    expect((await bed.ask({ host: denied })).status).toBe(403)
    const allowed = await through({ ipWhiteList: { sourceRange: ['127.0.0.0/8'] } }, { retry: { attempts: 4 } })
    expect((await bed.ask({ host: allowed })).status).toBe(200)
    const packed = await through({ compress: {} })
    expect((await bed.ask({ host: packed, headers: { 'accept-encoding': 'gzip' } })).headers['content-encoding']).toBe(
      'gzip',
    )
    expect((await bed.ask({ host: packed })).headers['content-encoding']).toBeUndefined()
  })

  test('what is not supported answers 503 and says so', async () => {
    const host = await through({ forwardAuth: { address: 'http://auth' } })
    expect((await bed.ask({ host })).status).toBe(503)
    await bed.until(
      () => bed.events(`r${hosts}`),
      list => list.length > 0,
    )
    expect(await bed.events(`r${hosts}`)).toEqual([
      `UnsupportedMiddleware: middleware default/m${hosts}-0: forwardAuth is not supported here; the route answers 503`,
    ])
    await bed.create(ingressRoutes, 'nomw', {
      routes: [{ match: 'Host(`nomw.org`)', middlewares: [{ name: 'missing' }], services: [service('a')] }],
    })
    await bed.untilStatus({ host: 'nomw.org' }, 503)
    await bed.create(middlewares, 'missing', { addPrefix: { prefix: '/late' } })
    expect(JSON.parse((await bed.untilStatus({ host: 'nomw.org' }, 200)).body).url).toBe('/late/')
  })

  test('middlewares of an Ingress by annotation', async () => {
    await bed.create(middlewares, 'strip-it', { stripPrefix: { prefixes: ['/s'] } })
    const rules = [
      {
        host: 'ann.org',
        http: {
          paths: [{ path: '/s', pathType: 'Prefix', backend: { service: { name: 'a', port: { number: 80 } } } }],
        },
      },
    ]
    await bed.ingress(
      'ann',
      { rules },
      {
        'traefik.ingress.kubernetes.io/router.middlewares': 'default-strip-it@kubernetescrd',
        'traefik.ingress.kubernetes.io/router.entrypoints': 'websecure',
        'traefik.ingress.kubernetes.io/router.tls': 'true',
      },
    )
    await bed.untilStatus({ host: 'ann.org', path: '/s/x', tls: true }, 200)
    expect((await bed.echo({ host: 'ann.org', path: '/s/x', tls: true })).url).toBe('/x')
    expect((await bed.ask({ host: 'ann.org', path: '/s/x' })).status).toBe(404)
  })

  test('weights, and a cookie that stays with its endpoint', async () => {
    await bed.create(traefikServices, 'split', {
      weighted: { services: [service('a', { weight: 3 }), service('b', { weight: 1 })] },
    })
    await bed.create(ingressRoutes, 'split', {
      routes: [{ match: 'Host(`split.org`)', services: [{ name: 'split', kind: 'TraefikService' }] }],
    })
    await bed.untilStatus({ host: 'split.org' }, 200)
    const counts: { [name: string]: number } = {}
    for (let index = 0; index < 40; index++) {
      const { name } = await bed.echo({ host: 'split.org' })
      counts[name] = (counts[name] ?? 0) + 1
    }
    expect(counts.a! / counts.b!).toBeGreaterThan(2)
    expect(counts.a! / counts.b!).toBeLessThan(4)
    await bed.create(ingressRoutes, 'sticky', {
      routes: [
        {
          match: 'Host(`sticky.org`)',
          services: [service('a', { sticky: { cookie: { name: 'lvl', httpOnly: true } } }), service('b')],
        },
      ],
    })
    await bed.untilStatus({ host: 'sticky.org' }, 200)
    const first = await bed.ask({ host: 'sticky.org' })
    expect(first.headers['set-cookie']?.[0]).toMatch(/^lvl=[0-9a-f]+; path=\/; HttpOnly/i)
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]!
    const name = JSON.parse(first.body).name
    for (let index = 0; index < 5; index++)
      expect((await bed.echo({ host: 'sticky.org', headers: { cookie } })).name).toBe(name)
  })

  test('TLSStore and TLSOption', async () => {
    const [standard, own] = [certificate('standard.org'), certificate('opt.org')]
    await bed.secret('standard', { 'tls.crt': standard.crt, 'tls.key': standard.key })
    await bed.secret('own', { 'tls.crt': own.crt, 'tls.key': own.key })
    await bed.create(tlsStores, 'default', { defaultCertificate: { secretName: 'standard' } })
    await bed.until(
      () => bed.peerPem('whatever.org'),
      print => print === standard.fingerprint,
    )
    await bed.create(tlsOptions, 'strict', { minVersion: 'VersionTLS13' })
    await bed.create(ingressRoutes, 'opt', {
      entryPoints: ['websecure'],
      routes: [{ match: 'Host(`opt.org`)', services: [service('a')] }],
      tls: { secretName: 'own', options: { name: 'strict' } },
    })
    await bed.until(
      () => bed.peerPem('opt.org'),
      print => print === own.fingerprint,
    )
    await expect(bed.peerPem('opt.org', 'TLSv1.2')).rejects.toThrow()
    expect(await bed.peerPem('whatever.org', 'TLSv1.2')).toBe(standard.fingerprint)
  })

  test('no text of a route becomes configuration or an entry of another', async () => {
    const evil = ['a.org\nvictim.org/ default-b-80', 'a.org victim.org', '%[env(HOME)]', "a'\n  server x 1.2.3.4:80"]
    for (const [index, host] of evil.entries())
      await bed.create(ingressRoutes, `evil${index}`, {
        routes: [{ match: `Host(\`${host}\`) && PathPrefix(\`/\`)`, services: [service('a')] }],
      })
    await bed.create(middlewares, 'evil', {
      headers: { customRequestHeaders: { 'X-A': "'; http-request deny\n", 'X-B': '%[env(HOME)]' } },
    })
    await bed.create(ingressRoutes, 'evilmw', {
      routes: [{ match: 'Host(`evil.org`)', middlewares: [{ name: 'evil' }], services: [service('a')] }],
    })
    await bed.untilStatus({ host: 'evil.org' }, 503)
    for (const index of evil.keys())
      await bed.until(
        () => bed.events(`evil${index}`),
        list => list[0]?.startsWith('Unsupported: host') === true,
      )
    expect((await bed.ask({ host: 'victim.org' })).status).toBe(404)
    expect(
      (await bed.echo({ host: await through({ headers: { customRequestHeaders: { 'X-B': '%[env(HOME)]' } } }) }))
        .headers['x-b'],
    ).toBe('%[env(HOME)]')
  })
})
