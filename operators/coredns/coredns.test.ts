import { createSocket, type Socket } from 'node:dgram'
import { Resolver as DnsClient } from 'node:dns/promises'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import * as codec from 'dns-packet'
import { configMaps, endpointSlices, events, namespaces, services } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { corednsModule } from './module.ts'
import { listenDns } from './server/listener.ts'

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

describe('the module, asked by a real client', () => {
  let folder: string
  let upstream: Socket
  let dns: DnsClient
  let ended: Promise<number>
  let port: number
  let client: MemoryClient
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
    mkdirSync(join(folder, 'custom'))
    writeFileSync(join(folder, 'custom/broken.override'), 'rewrite nonsense\n')
    client = new MemoryClient()
    await fill(client)
    const metadata = { name: 'coredns-custom', namespace: 'kube-system' }
    await client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: {} })
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
    await until(() => output.some(line => line.includes('Running configuration')))
    dns = new DnsClient({ timeout: 2000, tries: 1 })
    dns.setServers([`127.0.0.1:${port}`])
  })

  afterAll(async () => {
    stop.abort()
    expect(await ended).toBe(0)
    upstream.close()
    rmSync(folder, { recursive: true })
  })

  const told = async () =>
    (await client.list(events)).items.map(
      ({ reason, involvedObject: { kind, name }, message }) => `${kind}/${name} ${reason}: ${message}`,
    )

  test("a user's broken file costs that file at the start, not the DNS, and is told about", async () => {
    expect(output.join('')).toContain(
      '[ERROR] plugin/reload: custom/broken.override:1: plugin/rewrite: invalid rule type "nonsense"',
    )
    await untilAsync(async () => (await told()).length >= 2)
    expect((await told()).join()).toContain('InvalidConfiguration: custom/broken.override:1: plugin/rewrite')
    expect((await told()).map(text => text.split(' ')[0]).sort()).toEqual(['ConfigMap/coredns-custom', 'Pod/coredns'])
  })

  test('changes are taken up while running; with a mistake in them the last good configuration stays', async () => {
    const custom = (name: string, text: string) => writeFileSync(join(folder, 'custom', name), text)
    const own = `own.example:${port} {\n hosts {\n 192.0.2.77 a.own.example\n }\n}\n`
    rmSync(join(folder, 'custom/broken.override'))
    custom('own.server', own)
    await untilAsync(async () => (await dns.resolve4('a.own.example'))[0] === '192.0.2.77')
    custom('own.server', `${own}other.example {\n nonsense\n}\n`)
    await until(() =>
      output.some(
        line =>
          line.includes('custom/own.server:7: unknown plugin "nonsense"') ||
          line.includes('custom/own.server:6: unknown plugin "nonsense"'),
      ),
    )
    expect(await dns.resolve4('a.own.example')).toEqual(['192.0.2.77'])
    custom('own.server', own.replace('192.0.2.77', '192.0.2.78'))
    custom('add.override', 'rewrite name old.example a.own.example\n')
    await untilAsync(async () => (await dns.resolve4('a.own.example'))[0] === '192.0.2.78')
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
    await expect(dns.resolve4('circle.shop.svc.cluster.local')).rejects.toMatchObject({ code: 'ENODATA' })
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
  const first = await listenDns('127.0.0.1', 0, silent)
  await expect(listenDns('127.0.0.1', first.port, silent)).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
  await first.close()
})

const silent = { udp: () => {}, tcp: async () => undefined }

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

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}

async function untilAsync(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 10))
}
