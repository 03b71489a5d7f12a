import { execFileSync } from 'node:child_process'
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { chartArchive } from '../chart/testing/pack.ts'
import { parseDockerConfig } from './docker-config.ts'
import { parseReference } from './oci.ts'
import { type Access, chartSource, fetchChart } from './source.ts'
import { keyPair } from './testing/certificates.ts'
import { canRunRegistry, helmPush, type Registry, startRegistry } from './testing/registry.ts'
import type { TlsSettings } from './transport.ts'

const folder = mkdtempSync(join(tmpdir(), 'skiff-oci-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const withRegistry = canRunRegistry ? describe : describe.skip
if (!canRunRegistry) console.warn('skipping OCI tests: docker-registry is not installed')

const archiveOf = (version: string) =>
  chartArchive('web', { 'Chart.yaml': `apiVersion: v2\nname: web\nversion: ${version}\n` })
const plain: Access = { plainHttp: true }

function fetchFrom(reference: string, version = '', access: Access = plain, tls: TlsSettings = {}) {
  const options = { tls, proxies: {}, signal: new AbortController().signal }
  return fetchChart(chartSource(reference, '', version), access, options)
}

/** helm 3.10 speaks TLS with no registry on loopback: the chart is there before the registry gets its locks. */
async function filled(name: string): Promise<string> {
  const storage = join(folder, name)
  const open = await startRegistry({ storage })
  try {
    await helmPush(archiveOf('1.0.0'), `oci://${open.host}/charts`)
    return storage
  } finally {
    await open.close()
  }
}
const dockerConfig = (host: string, user: string, password: string): string =>
  JSON.stringify({ auths: { [host]: { auth: Buffer.from(`${user}:${password}`).toString('base64') } } })

withRegistry('a registry open to all, filled by the real helm', () => {
  let registry: Registry
  let reference: string
  beforeAll(async () => {
    registry = await startRegistry()
    reference = `oci://${registry.host}/charts/web`
    for (const version of ['1.0.0', '1.1.0', '2.0.0', '2.1.0-rc.1', '1.2.0+build.5'])
      await helmPush(archiveOf(version), `oci://${registry.host}/charts`)
  }, 60_000)
  afterAll(() => registry.close())

  test.each([
    ['', '2.0.0'],
    ['1.0.0', '1.0.0'],
    ['^1.0', '1.2.0+build.5'],
    ['1.2.0+build.5', '1.2.0+build.5'],
    ['>=2.0.1-0', '2.1.0-rc.1'],
  ])('version %j is %s', async (wanted, found) => {
    const { version, archive } = await fetchFrom(reference, wanted)
    expect(version).toBe(found)
    expect(archive.equals(archiveOf(found))).toBe(true)
  })

  test('by tag and by digest', async () => {
    const { digest } = await fetchFrom(`${reference}:1.1.0`)
    expect(digest).toMatch(/^sha256:/)
    expect((await fetchFrom(`${reference}@${digest}`)).archive.equals(archiveOf('1.1.0'))).toBe(true)
  })

  test.each([
    [':1.1.0', '1.0.0', 'chart reference and version mismatch: 1.0.0 is not 1.1.0'],
    ['', '9.9.9', '/manifests/9.9.9": 404 Not Found (manifest unknown)'],
    ['', '9.x', 'could not locate a version matching provided version string 9.x among the tags of '],
    [`@sha256:${'0'.repeat(64)}`, '', '404 Not Found'],
    ['-not-there', '', '404 Not Found'],
  ])('%s %s: refused', async (suffix, version, message) => {
    await expect(fetchFrom(`${reference}${suffix}`, version)).rejects.toThrow(message)
  })

  test('https where there is none', async () => {
    await expect(fetchFrom(reference, '', {})).rejects.toThrow(/^Get "https:/)
  })
})

withRegistry('a registry with TLS and passwords', () => {
  const ca = keyPair(folder, 'ca')
  let registry: Registry
  beforeAll(async () => {
    const users = join(folder, 'users')
    writeFileSync(users, execFileSync('htpasswd', ['-Bbn', 'me', 'secret']))
    const auth = { htpasswd: { realm: 'charts', path: users } }
    registry = await startRegistry({ tls: keyPair(folder, 'registry', ca), auth, storage: await filled('tls') })
  }, 60_000)
  afterAll(() => registry.close())
  const get = (access: Access, tls: TlsSettings = { ca: ca.cert }) =>
    fetchFrom(`oci://${registry.host}/charts/web`, '1.0.0', access, tls)

  test('lets in who has both', async () => {
    const docker = parseDockerConfig(dockerConfig(registry.host, 'me', 'secret'))
    expect((await get({ docker })).archive.equals(archiveOf('1.0.0'))).toBe(true)
    expect((await get({ docker }, { insecure: true })).version).toBe('1.0.0')
  })

  test('nobody else', async () => {
    await expect(get({})).rejects.toThrow('wants a user and password: name them in spec.dockerRegistrySecret')
    const wrong = parseDockerConfig(dockerConfig(registry.host, 'me', 'wrong'))
    await expect(get({ docker: wrong })).rejects.toThrow('401 Unauthorized (authentication required)')
    await expect(get({ docker: wrong }, {})).rejects.toThrow(/certificate/)
  })
})

withRegistry('a registry that wants tokens from elsewhere', () => {
  const issuer = keyPair(folder, 'issuer')
  const asked: string[] = []
  let tokens: Server
  let registry: Registry
  beforeAll(async () => {
    tokens = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const body = Buffer.concat(chunks).toString()
      asked.push(`${request.method} ${request.headers.authorization ?? '-'} ${body}`)
      const url = new URL(request.url ?? '', 'http://x')
      const parameters = request.method === 'POST' ? new URLSearchParams(body) : url.searchParams
      const known =
        request.headers.authorization === 'Basic bWU6c2VjcmV0' || parameters.get('refresh_token') === 'fresh'
      if (!known && url.pathname === '/strict') return void response.writeHead(401).end()
      const token = tokenFor(parameters.get('service') ?? '', parameters.get('scope') ?? '', issuer)
      response.end(JSON.stringify(request.method === 'POST' ? { access_token: token } : { token }))
    })
    await new Promise<void>(resolve => tokens.listen(0, '127.0.0.1', resolve))
    const { port } = tokens.address() as AddressInfo
    const realm = `http://127.0.0.1:${port}/strict`
    const token = { realm, service: 'charts', issuer: 'tests', rootcertbundle: issuer.certFile }
    registry = await startRegistry({ auth: { token }, storage: await filled('token') })
  }, 60_000)
  afterAll(async () => {
    await registry.close()
    tokens.closeAllConnections()
    await new Promise(resolve => tokens.close(resolve))
  })
  const get = (docker?: string) => {
    asked.length = 0
    const access = { ...plain, ...(docker ? { docker: parseDockerConfig(docker) } : {}) }
    return fetchFrom(`oci://${registry.host}/charts/web`, '', access)
  }

  test('for a password: one token serves all requests', async () => {
    expect((await get(dockerConfig(registry.host, 'me', 'secret'))).version).toBe('1.0.0')
    expect(asked).toEqual(['GET Basic bWU6c2VjcmV0 '])
  })

  test('for a refresh token', async () => {
    const auths = { [`https://${registry.host}/v2/`]: { identitytoken: 'fresh' } }
    expect((await get(JSON.stringify({ auths }))).version).toBe('1.0.0')
    expect(asked[0]).toMatch(/^POST - grant_type=refresh_token&service=charts&/)
  })

  test('for nothing: refused', async () => {
    await expect(get()).rejects.toThrow('401 Unauthorized, no token for')
  })
})

/** What a registry accepts: a JSON web token whose header carries the certificate of its signer. */
function tokenFor(service: string, scope: string, issuer: { readonly cert: string; readonly key: string }): string {
  const access = scope.split(' ').map(one => {
    const [type, name, actions = ''] = one.split(':')
    return { type, name, actions: actions.split(',') }
  })
  const now = Math.floor(Date.now() / 1000)
  const x5c = [issuer.cert.replace(/-----[A-Z ]+-----|\s/g, '')]
  const header = { typ: 'JWT', alg: 'ES256', x5c }
  const claims = { iss: 'tests', sub: 'me', aud: service, iat: now, nbf: now - 10, exp: now + 60, jti: scope, access }
  const text = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const key = { key: createPrivateKey(issuer.key), dsaEncoding: 'ieee-p1363' } as const
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}

describe('what a registry serves is not believed blindly', () => {
  let server: Server
  let reference: string
  let manifest: object
  const blob = Buffer.from('archive')
  const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`
  const config = { mediaType: 'application/vnd.cncf.helm.config.v1+json' }
  const layer = { mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip', digest, size: 7 }
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url?.includes('/manifests/')) response.end(JSON.stringify(manifest))
      else if (request.url === '/v2/web/tags/list')
        response.writeHead(200, { link: '</v2/web/tags/list?last=b>; rel="next"' }).end('{"tags":["1.0.0"]}')
      else if (request.url?.startsWith('/v2/web/tags/list')) response.end('{"tags":["1.1.0","latest"]}')
      else response.end(blob)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    reference = `oci://127.0.0.1:${(server.address() as AddressInfo).port}/web`
  })
  afterAll(() => new Promise(resolve => server.close(resolve).closeAllConnections()))

  test('tags come in pages', async () => {
    manifest = { config, layers: [layer] }
    expect((await fetchFrom(reference)).version).toBe('1.1.0')
  })

  test.each([
    [
      'another archive',
      { config, layers: [{ ...layer, digest: `sha256:${'0'.repeat(64)}` }] },
      'the manifest says sha256:000',
    ],
    [
      'an image',
      { config: { mediaType: 'application/vnd.oci.image.config.v1+json' } },
      'is not a chart: its config is of type',
    ],
    [
      'no chart layer',
      { config, layers: [] },
      'manifest does not contain a layer with mediatype application/vnd.cncf.helm',
    ],
    ['an odd digest', { config, layers: [{ ...layer, digest: 'md5:1' }] }, 'unusable digest "md5:1"'],
  ])('%s', async (_, served, message) => {
    manifest = served
    await expect(fetchFrom(reference, '1.0.0')).rejects.toThrow(message)
  })

  test('another manifest than asked for', async () => {
    manifest = { config, layers: [layer] }
    const wanted = `sha256:${'1'.repeat(64)}`
    await expect(fetchFrom(`${reference}@${wanted}`)).rejects.toThrow(`not ${wanted}`)
  })
})

test.each(['oci://', 'oci://host', 'oci://host/', 'oci://host/UPPER', 'oci://host/a:b:c', 'oci://host/a@md5:0'])(
  'no reference: %s',
  text =>
    expect(() => parseReference(text)).toThrow('is not a registry reference, want oci://HOST/PATH without capitals'),
)
