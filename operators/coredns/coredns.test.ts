import { createSocket, type Socket } from 'node:dgram'
import { Resolver as DnsClient } from 'node:dns/promises'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import * as codec from 'dns-packet'
import { endpointSlices, namespaces, services } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { AnswerCache } from './cache.ts'
import { zoneServers } from './config.ts'
import { CorefileError, parseCorefile } from './corefile.ts'
import { resolvConfServers } from './forward.ts'
import { parseHosts } from './hosts.ts'
import { encodeReply, parseQuery, zoneReply } from './message.ts'
import { corednsModule } from './module.ts'
import { reversedAddress } from './records.ts'
import { listenDns } from './server.ts'

/** K3s' own Corefile on some port, forwarding to another. */
const corefile = (port: number, upstream: number) => `.:${port} {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    cache 30
    loop
    reload
    loadbalance
    import /etc/coredns/custom/*.override
    forward . 127.0.0.1:${upstream}
}
import /etc/coredns/custom/*.server
`

describe('Corefile', () => {
  const none = () => []

  test("K3s' is understood", () => {
    const [server] = zoneServers(parseCorefile(corefile(53, 5300), 'Corefile', none), 'Corefile')
    expect(server).toMatchObject({
      zones: ['.'],
      port: 53,
      kubernetes: {
        zones: ['cluster.local.', 'in-addr.arpa.', 'ip6.arpa.'],
        pods: 'insecure',
        ttl: 5,
        fallthrough: ['in-addr.arpa.', 'ip6.arpa.'],
      },
      hosts: { file: '/etc/coredns/NodeHosts', ttl: 60, fallthrough: true },
      forward: { zone: '.', to: ['127.0.0.1:5300'] },
      cacheSeconds: 30,
      loadbalance: true,
    })
  })

  test('imports bring directives and whole servers', () => {
    const read = (pattern: string) =>
      pattern.endsWith('.server')
        ? [{ name: 's', text: 'example.org:53 {\n forward . 192.0.2.1\n}' }]
        : [{ name: 'o', text: 'log' }]
    const servers = zoneServers(parseCorefile(corefile(53, 1), 'Corefile', read), 'Corefile')
    expect(servers.map(server => [server.zones, server.log])).toEqual([
      [['.'], true],
      [['example.org.'], false],
    ])
  })

  test.each([
    ['.:53 {\n  errors\n', 'Corefile:2: a closing brace is missing'],
    ['.:53 {\n  route53 x\n}', 'Corefile:2: unknown plugin "route53"'],
    ['.:53', 'Corefile:1: a server block needs an opening brace'],
    ['.:53 {\n  forward .\n}', 'Corefile:2: forward wants a zone and at least one server'],
  ])('%j is refused', (text, message) => {
    const load = () => zoneServers(parseCorefile(text, 'Corefile', none), 'Corefile')
    expect(load).toThrow(CorefileError)
    expect(load).toThrow(message)
  })
})

test('files: resolv.conf and hosts', () => {
  expect(
    resolvConfServers('# x\nsearch a\nnameserver 192.0.2.1\nnameserver junk\n nameserver 2001:db8::1\n').map(
      server => server.host,
    ),
  ).toEqual(['192.0.2.1', '2001:db8::1'])
  expect(parseHosts('192.0.2.2 box Box.lan # me\n\n#c\n')).toEqual([
    { ip: '192.0.2.2', name: 'box' },
    { ip: '192.0.2.2', name: 'box.lan' },
  ])
})

test('reverse names', () => {
  expect(reversedAddress('5.0.42.10.in-addr.arpa.')).toBe('10.42.0.5')
  expect(reversedAddress(`${'0.'.repeat(31)}1.ip6.arpa.`)).toBe('1000:0:0:0:0:0:0:0')
  expect(reversedAddress('example.org.')).toBeUndefined()
})

test('an answer too large for UDP is cut off and marked', () => {
  const raw = codec.encode({
    id: 7,
    type: 'query',
    flags: codec.RECURSION_DESIRED,
    questions: [{ name: 'Big.svc', type: 'A' }],
  })
  const query = parseQuery(raw)!
  const answers = Array.from({ length: 100 }, (_, at) => ({
    type: 'A' as const,
    name: 'big.svc.',
    data: `10.42.0.${at}`,
  }))
  const bytes = encodeReply(query, zoneReply({ kind: 'found', answers, additionals: [] }, query, 'svc.', 5, 1), 512)
  const packet = codec.decode(bytes)
  expect(bytes.length).toBeLessThanOrEqual(512)
  expect(packet.flag_tc).toBe(true)
  expect(packet.answers!.length).toBeGreaterThan(10)
  expect(packet.answers![0]!.name).toBe('Big.svc')
})

test('the cache ages TTLs, forgets in time, and never keeps failures', () => {
  let now = 0
  const cache = new AnswerCache(30, () => now)
  const answer = (flags: number) =>
    codec.encode({
      id: 1,
      type: 'response',
      flags,
      questions: [{ name: 'a', type: 'A' }],
      answers: [{ type: 'A', name: 'a', ttl: 20, data: '192.0.2.1' }],
    })
  cache.set('a', answer(0))
  now = 5000
  const hit = codec.decode(cache.get('a', 99)!)
  expect([hit.id, (hit.answers![0] as codec.StringAnswer).ttl]).toEqual([99, 15])
  now = 20_000
  expect(cache.get('a', 1)).toBeUndefined()
  cache.set('b', answer(2))
  expect(cache.get('b', 1)).toBeUndefined()
})

test('garbage is no query', () => {
  let seed = 1
  const random = () => (seed = (seed * 48271) % 0x7fffffff) / 0x7fffffff
  for (let round = 0; round < 2000; round++) {
    const raw = Buffer.from(Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * 256)))
    expect(() => parseQuery(raw)).not.toThrow()
  }
})

describe('the module, asked by a real client', () => {
  let folder: string
  let upstream: Socket
  let dns: DnsClient
  let ended: Promise<number>
  let port: number
  const stop = new AbortController()
  const output: string[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'skiff-dns-'))
    upstream = createSocket('udp4')
    upstream.on('message', (raw, peer) => {
      const query = codec.decode(raw)
      const [{ name, type }] = query.questions as [codec.Question]
      const answer = { type: 'A' as const, name, ttl: 30, data: '198.51.100.7' }
      const answers: codec.Answer[] = type === 'A' ? Array(name.startsWith('big.') ? 100 : 1).fill(answer) : []
      upstream.send(
        codec.encode({ id: query.id!, type: 'response', questions: query.questions!, answers }),
        peer.port,
        peer.address,
      )
    })
    await new Promise<void>(resolve => upstream.bind(0, '127.0.0.1', resolve))
    port = await freePort()
    writeFileSync(join(folder, 'Corefile'), corefile(port, upstream.address().port))
    writeFileSync(join(folder, 'NodeHosts'), '192.0.2.2 node-1\n')
    const client = new MemoryClient()
    await fill(client)
    ended = corednsModule.run({
      args: ['-conf', '/etc/coredns/Corefile'],
      env: {},
      pod: { name: 'coredns', namespace: 'kube-system', uid: 'u', nodeName: 'n', ips: ['127.0.0.1'] },
      client,
      certificate: () => ({ cert: '', key: '' }),
      hostPath: path => path.replace('/etc/coredns', folder),
      stdout: text => output.push(text),
      stderr: text => output.push(text),
      signal: stop.signal,
    })
    await until(() => output.some(line => line.includes('serving')))
    dns = new DnsClient({ timeout: 2000, tries: 1 })
    dns.setServers([`127.0.0.1:${port}`])
  })

  afterAll(async () => {
    stop.abort()
    expect(await ended).toBe(0)
    upstream.close()
    rmSync(folder, { recursive: true })
  })

  test('services: addresses, ports, headless members, aliases', async () => {
    expect(await dns.resolve4('web.shop.svc.cluster.local')).toEqual(['10.43.0.20'])
    expect(await dns.resolve4('WEB.shop.svc.cluster.LOCAL')).toEqual(['10.43.0.20'])
    expect(await dns.resolveSrv('_http._tcp.web.shop.svc.cluster.local')).toMatchObject([
      { name: 'web.shop.svc.cluster.local', port: 80, priority: 0, weight: 100 },
    ])
    expect((await dns.resolve4('db.shop.svc.cluster.local')).sort()).toEqual(['10.42.0.5', '10.42.0.6'])
    expect(await dns.resolve4('db-0.db.shop.svc.cluster.local')).toEqual(['10.42.0.5'])
    expect(await dns.resolve4('10-42-0-6.db.shop.svc.cluster.local')).toEqual(['10.42.0.6'])
    expect(await dns.resolveCname('out.shop.svc.cluster.local')).toEqual(['example.org'])
    expect(await dns.resolveTxt('dns-version.cluster.local')).toEqual([['1.1.0']])
  })

  test.each([
    ['of our own', 'alias', '10.43.0.20'],
    ['of anybody else', 'out', '198.51.100.7'],
  ])('an alias comes with the address of its target, %s', async (_, name, address) => {
    expect(await dns.resolve4(`${name}.shop.svc.cluster.local`)).toEqual([address])
  })

  test('an alias of itself ends', async () => {
    expect(await dns.resolveCname('circle.shop.svc.cluster.local')).toEqual(['circle.shop.svc.cluster.local'])
    expect(await dns.resolve4('circle.shop.svc.cluster.local')).toEqual([])
  })

  test('pods, reverse names and nodes', async () => {
    expect(await dns.resolve4('10-42-0-9.shop.pod.cluster.local')).toEqual(['10.42.0.9'])
    expect(await dns.reverse('10.43.0.20')).toEqual(['web.shop.svc.cluster.local'])
    expect(await dns.reverse('10.42.0.5')).toEqual(['db-0.db.shop.svc.cluster.local'])
    expect(await dns.resolve4('node-1')).toEqual(['192.0.2.2'])
    expect(await dns.reverse('192.0.2.2')).toEqual(['node-1'])
  })

  test.each([
    ['no such service', 'nope.shop.svc.cluster.local', 'ENOTFOUND'],
    ['no such namespace', 'web.nope.svc.cluster.local', 'ENOTFOUND'],
    ['not-ready members have no name', 'db-2.db.shop.svc.cluster.local', 'ENOTFOUND'],
    ['the namespace itself exists, without address', 'shop.svc.cluster.local', 'ENODATA'],
  ])('%s', async (_, name, code) => {
    await expect(dns.resolve4(name)).rejects.toMatchObject({ code })
  })

  test('everything else is forwarded', async () => {
    expect(await dns.resolve4('www.example.org')).toEqual(['198.51.100.7'])
    await expect(dns.resolveMx('www.example.org')).rejects.toMatchObject({ code: 'ENODATA' })
  })

  test('what others answer beyond the size of UDP is had over TCP', async () => {
    expect(await dns.resolve4('big.example.org')).toHaveLength(100)
  })

  test('TCP answers several questions on one connection', async () => {
    const { connect } = await import('node:net')
    const socket = connect(port, '127.0.0.1')
    const query = (id: number) =>
      codec.streamEncode({ id, type: 'query', questions: [{ name: 'web.shop.svc.cluster.local', type: 'A' }] })
    socket.write(Buffer.concat([query(1), query(2)]))
    let received = Buffer.alloc(0)
    await new Promise<void>(resolve =>
      socket.on('data', data => {
        received = Buffer.concat([received, data])
        if (received.length >= 2 * (2 + received.readUInt16BE(0))) resolve()
      }),
    )
    socket.destroy()
    expect(codec.streamDecode(received).id).toBe(1)
  })
})

test('a port in use is an error, not half a server', async () => {
  const first = await listenDns('127.0.0.1', 0, async () => Buffer.alloc(0))
  await expect(listenDns('127.0.0.1', first.port, async () => Buffer.alloc(0))).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
  await first.close()
})

async function fill(client: MemoryClient): Promise<void> {
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' }, spec: {} })
  const service = (name: string, spec: object) =>
    client.create(services, { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec })
  await service('web', {
    clusterIP: '10.43.0.20',
    clusterIPs: ['10.43.0.20'],
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  })
  await service('db', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'sql', port: 5432 }] })
  await service('out', { type: 'ExternalName', externalName: 'example.org' })
  await service('alias', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' })
  await service('circle', { type: 'ExternalName', externalName: 'circle.shop.svc.cluster.local' })
  const endpoint = (ip: string, hostname?: string, ready = true) => ({
    addresses: [ip],
    conditions: { ready },
    ...(hostname === undefined ? {} : { hostname }),
  })
  await client.create(endpointSlices, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'db-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'db' } },
    addressType: 'IPv4',
    endpoints: [endpoint('10.42.0.5', 'db-0'), endpoint('10.42.0.6'), endpoint('10.42.0.7', 'db-2', false)],
    ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}
