import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { chartArchive } from '../chart/testing/pack.ts'
import { type Access, chartSource, fetchChart } from './source.ts'
import { keyPair } from './testing/certificates.ts'
import { type FileServer, serveFiles } from './testing/file-server.ts'
import { helmProgram } from './testing/registry.ts'
import type { TlsSettings, TransportOptions } from './transport.ts'

const folder = mkdtempSync(join(tmpdir(), 'skiff-repo-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const versions = ['1.0.0', '1.1.0', '1.2.0-rc.1', '2.0.0', '2.1.0-beta.1', '1.10.0']
const archives = new Map(
  versions.map(version => [
    version,
    chartArchive('web', { 'Chart.yaml': `apiVersion: v2\nname: web\nversion: ${version}\n` }),
  ]),
)

let server: FileServer
beforeAll(async () => {
  server = await serveFiles()
  for (const [version, archive] of archives) {
    server.files.set(`/charts/web-${version}.tgz`, archive)
    writeFileSync(join(folder, `web-${version}.tgz`), archive)
  }
  execFileSync(helmProgram, ['repo', 'index', folder], { stdio: 'pipe' })
  server.files.set('/charts/index.yaml', readFileSync(join(folder, 'index.yaml')))
})
afterAll(() => server.close())
afterEach(() => {
  server.password = undefined
  server.seen.length = 0
})

const options = (tls: TlsSettings = {}, more: Partial<TransportOptions> = {}): TransportOptions => ({
  tls,
  proxies: {},
  signal: new AbortController().signal,
  ...more,
})
const fetchFrom = (repo: string, version = '', access: Access = {}, using = options()) =>
  fetchChart(chartSource('web', repo, version), access, using)
const credentials = { username: 'user', password: 'pass:word', everywhere: false }

describe('versions, of an index the real helm wrote', () => {
  test.each([
    ['', '2.0.0'],
    ['1.1.0', '1.1.0'],
    ['^1', '1.10.0'],
    ['~1.1', '1.1.0'],
    ['<2', '1.10.0'],
    ['1.2.0-rc.1', '1.2.0-rc.1'],
    ['>0.0.0-0', '2.1.0-beta.1'],
  ])('%s', async (wanted, found) => {
    const { archive, version } = await fetchFrom(`${server.url}/charts`, wanted)
    expect(version).toBe(found)
    expect(archive.equals(archives.get(found)!)).toBe(true)
  })

  test.each([
    ['3.x', 'chart web version 3.x not found in URL/charts/: no chart version found for web-3.x'],
    ['what?', 'chart web version what? not found in URL/charts/: improper constraint: what?'],
  ])('%s: none', async (wanted, message) => {
    await expect(fetchFrom(`${server.url}/charts/`, wanted)).rejects.toThrow(message.replace('URL', server.url))
  })
})

describe('repositories', () => {
  const index = (url: string, digest = '') =>
    `entries:\n  web:\n  - name: web\n    version: 1.0.0\n    digest: ${digest}\n    urls:\n    - ${url}\n`

  test.each([
    ['relative', 'sub/web.tgz'],
    ['from the root', '/r/sub/web.tgz'],
  ])('name archives %s', async (_, url) => {
    server.files.set('/r/index.yaml', index(url))
    server.files.set('/r/sub/web.tgz', 'bytes')
    expect((await fetchFrom(`${server.url}/r?token=t`)).archive.toString()).toBe('bytes')
    expect(server.seen).toEqual(['GET /r/index.yaml?token=t -', 'GET /r/sub/web.tgz?token=t -'])
  })

  test('that name another archive than they serve are not believed', async () => {
    server.files.set('/bad/index.yaml', index('web.tgz', 'a'.repeat(64)))
    server.files.set('/bad/web.tgz', 'bytes')
    const actual = createHash('sha256').update('bytes').digest('hex')
    await expect(fetchFrom(`${server.url}/bad`)).rejects.toThrow(
      `${server.url}/bad/web.tgz: the archive's SHA-256 is ${actual}, the index says ${'a'.repeat(64)}`,
    )
  })

  test.each<[string, () => string, string]>([
    ['without an index', () => `${server.url}/none`, 'failed to fetch URL/none/index.yaml : 404 Not Found'],
    ['without the chart', () => `${server.url}/empty`, 'chart web not found in URL/empty: no chart name found'],
    ['that are no address', () => 'charts', 'repo "charts" is not the'],
    ['that are not there', () => 'http://127.0.0.1:1', 'cannot be reached: Get "http://127.0.0.1:1/index.yaml": '],
  ])('%s', async (_, repo, message) => {
    server.files.set('/empty/index.yaml', 'apiVersion: v1\nentries: {}\n')
    await expect(fetchFrom(repo())).rejects.toThrow(message.replace('URL', server.url))
  })

  test('with a password', async () => {
    server.password = 'user:pass:word'
    await expect(fetchFrom(`${server.url}/charts`)).rejects.toThrow('401 Unauthorized')
    expect((await fetchFrom(`${server.url}/charts`, '', { credentials })).version).toBe('2.0.0')
  })

  test('keep their password to themselves unless told otherwise', async () => {
    const other = await serveFiles()
    try {
      other.files.set('/web.tgz', 'bytes')
      server.files.set('/split/index.yaml', index(`${other.url}/web.tgz`))
      server.password = 'user:pass:word'
      await fetchFrom(`${server.url}/split`, '', { credentials })
      await fetchFrom(`${server.url}/split`, '', { credentials: { ...credentials, everywhere: true } })
      const sent = `Basic ${Buffer.from('user:pass:word').toString('base64')}`
      expect(other.seen).toEqual(['GET /web.tgz -', `GET /web.tgz ${sent}`])
    } finally {
      await other.close()
    }
  })

  test('that redirect elsewhere do not take the password along', async () => {
    const other = await serveFiles()
    try {
      other.files.set('/web.tgz', 'bytes')
      server.files.set('/away/index.yaml', index('web.tgz'))
      server.files.set('/away/web.tgz', `<${other.url}/web.tgz>`)
      expect((await fetchFrom(`${server.url}/away`, '', { credentials })).archive.toString()).toBe('bytes')
      expect(other.seen).toEqual(['GET /web.tgz -'])
    } finally {
      await other.close()
    }
  })

  test('that redirect in circles', async () => {
    server.files.set('/loop/index.yaml', '<index.yaml>')
    await expect(fetchFrom(`${server.url}/loop`)).rejects.toThrow('stopped after 10 redirects')
  })
})

describe('TLS', () => {
  const ca = keyPair(folder, 'ca')
  const ours = keyPair(folder, 'server', ca)
  const client = keyPair(folder, 'client', ca)
  let secure: FileServer
  let strict: FileServer
  beforeAll(async () => {
    secure = await serveFiles({ cert: ours.cert, key: ours.key })
    strict = await serveFiles({
      cert: ours.cert,
      key: ours.key,
      ca: ca.cert,
      requestCert: true,
      rejectUnauthorized: true,
    })
    for (const one of [secure, strict]) one.files.set('/web.tgz', 'bytes')
  })
  afterAll(() => Promise.all([secure.close(), strict.close()]))
  const archiveAt = (at: FileServer, tls: TlsSettings) =>
    fetchChart(chartSource(`${at.url}/web.tgz`, '', '9'), {}, options(tls)).then(({ archive }) => archive.toString())

  test('a certificate nobody vouches for is refused', async () => {
    await expect(archiveAt(secure, {})).rejects.toThrow(/^Get "https:.*": .*(certificate|unable to verify)/)
    await expect(archiveAt(secure, { ca: client.cert })).rejects.toThrow(/certificate/)
  })

  test.each<[string, TlsSettings]>([
    ["the chart's CA", { ca: ca.cert }],
    ["the cluster's CA beside the public ones", { moreCa: ca.cert }],
    ['no check', { insecure: true }],
  ])('%s', async (_, tls) => {
    expect(await archiveAt(secure, tls)).toBe('bytes')
  })

  test('a client certificate', async () => {
    await expect(archiveAt(strict, { ca: ca.cert })).rejects.toThrow('Get "')
    expect(await archiveAt(strict, { ca: ca.cert, cert: client.cert, key: client.key })).toBe('bytes')
  })

  describe('through a proxy', () => {
    let proxy: Server
    const asked: string[] = []
    const tunnels: Duplex[] = []
    beforeAll(async () => {
      proxy = createServer((request, response) => {
        asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? '-'}`)
        response.end('bytes')
      })
      proxy.on('connect', (request, socket) => {
        asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? '-'}`)
        const { port } = new URL(secure.url)
        const target = connect(Number(port), '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
        tunnels.push(socket)
        target.pipe(socket).pipe(target)
        target.on('error', () => socket.destroy())
        socket.on('error', () => target.destroy())
      })
      await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    })
    afterAll(() => {
      for (const tunnel of tunnels) tunnel.destroy()
      return new Promise(resolve => proxy.close(resolve).closeAllConnections())
    })
    const through = (tls: TlsSettings) => {
      const { port } = proxy.address() as AddressInfo
      return options(tls, {
        proxies: { HTTPS_PROXY: `http://me:pw@127.0.0.1:${port}`, http_proxy: `127.0.0.1:${port}` },
      })
    }

    test('https by a tunnel, http by asking it', async () => {
      const tls = { insecure: true }
      const get = (url: string) => fetchChart(chartSource(url, '', ''), {}, through(tls))
      expect((await get('https://charts.test/web.tgz')).archive.toString()).toBe('bytes')
      expect((await get('http://charts.test:81/x.tgz')).archive.toString()).toBe('bytes')
      expect(asked).toEqual([
        `CONNECT charts.test:443 Basic ${Buffer.from('me:pw').toString('base64')}`,
        'GET http://charts.test:81/x.tgz -',
      ])
    })
  })
})

describe('limits', () => {
  test('a server that does not answer', async () => {
    const mute = createServer(() => {})
    await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as AddressInfo
    const url = `http://127.0.0.1:${port}/x.tgz`
    await expect(fetchChart({ kind: 'url', url }, {}, options({}, { timeoutMs: 50 }))).rejects.toThrow(
      `Get "${url}": no answer within 0.05 s`,
    )
    mute.closeAllConnections()
    await new Promise(resolve => mute.close(resolve))
  })

  test('an answer without end', async () => {
    const endless = createServer((_, response) => {
      const chunk = Buffer.alloc(1024 * 1024)
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', more)
      more()
    })
    await new Promise<void>(resolve => endless.listen(0, '127.0.0.1', resolve))
    const { port } = endless.address() as AddressInfo
    await expect(fetchChart({ kind: 'url', url: `http://127.0.0.1:${port}/x.tgz` }, {}, options())).rejects.toThrow(
      'the answer is larger than 100 MiB',
    )
    endless.closeAllConnections()
    await new Promise(resolve => endless.close(resolve))
  })
})

describe('what spec.chart means', () => {
  test.each([
    ['web', 'https://r', '1', { kind: 'repository', repo: 'https://r', chart: 'web', version: '1' }],
    ['https://r/x.tgz', '', '1', { kind: 'url', url: 'https://r/x.tgz' }],
    ['oci://r/web', '', '1', { kind: 'oci', reference: 'oci://r/web', version: '1' }],
    ['web', 'oci://r/charts/', '', { kind: 'oci', reference: 'oci://r/charts/web', version: '' }],
    ['stable/web', '', '', { kind: 'repository', repo: 'https://charts.helm.sh/stable', chart: 'web', version: '' }],
  ])('%s of %j, version %j', (chart, repo, version, source) => {
    expect(chartSource(chart, repo, version)).toEqual(source)
  })

  test('nothing', () => {
    expect(() => chartSource('web', '', '')).toThrow(
      'chart "web" is not a URL and there is no repo: set spec.repo, or spec.chart to https://... or oci://...',
    )
  })
})
