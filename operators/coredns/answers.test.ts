import { afterEach, describe, expect, test } from '@jest/globals'
import { endpointSlices, namespaces, pods, services } from '../../bootstrap/client/resources.ts'
import { queryBytes, startServer, type TestServer } from './testing.ts'

let server: TestServer
afterEach(() => server.stop())

const cluster = (options = '', more = '') => `. {
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    ${options}
  }
  ${more}
}`

const namespace = (name: string, labels = {}) =>
  [namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels }, spec: {} }] as const
const service = (name: string, spec: object, labels = {}) =>
  [services, { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop', labels }, spec }] as const
const slice = (name: string, endpoints: readonly object[], ports: readonly object[], addressType = 'IPv4') =>
  [
    endpointSlices,
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-${addressType}`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
      addressType,
      endpoints,
      ports,
    },
  ] as const
const ready = { conditions: { ready: true } }
const sql = { name: 'sql', port: 5432, protocol: 'TCP' }

const objects = [
  namespace('shop', { team: 'blue' }),
  service(
    'web',
    {
      clusterIP: '10.43.0.20',
      clusterIPs: ['10.43.0.20', 'fd00:43::20'],
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    },
    { app: 'web' },
  ),
  slice(
    'web',
    [{ addresses: ['10.42.0.15'], targetRef: { kind: 'Pod', name: 'web-abc' }, ...ready }],
    [{ name: 'http', port: 8080, protocol: 'TCP' }],
  ),
  service('db', { clusterIP: 'None', clusterIPs: ['None'], ports: [sql] }),
  slice(
    'db',
    [
      { addresses: ['10.42.0.5'], hostname: 'db-0', ...ready },
      { addresses: ['10.42.0.6'], ...ready },
    ],
    [sql],
  ),
  slice('db', [{ addresses: ['fd00:42::'], ...ready }], [sql], 'IPv6'),
  service('idle', { clusterIP: '10.43.0.21', clusterIPs: ['10.43.0.21'], ports: [{ port: 1 }] }),
  service('out', { type: 'ExternalName', externalName: 'www.example.org' }),
]

describe('the names of the cluster', () => {
  test.each([
    ['web.shop.svc.cluster.local', 'A', ['web.shop.svc.cluster.local. 5 A 10.43.0.20']],
    ['WEB.shop.svc.Cluster.local', 'AAAA', ['WEB.shop.svc.Cluster.local. 5 AAAA fd00:43::20']],
    [
      '_http._tcp.web.shop.svc.cluster.local',
      'SRV',
      ['_http._tcp.web.shop.svc.cluster.local. 5 SRV 0 50 80 web.shop.svc.cluster.local.'],
    ],
    ['10-42-0-15.web.shop.svc.cluster.local', 'A', ['10-42-0-15.web.shop.svc.cluster.local. 5 A 10.42.0.15']],
    ['db-0.db.shop.svc.cluster.local', 'A', ['db-0.db.shop.svc.cluster.local. 5 A 10.42.0.5']],
    ['fd00-42--0.db.shop.svc.cluster.local', 'AAAA', ['fd00-42--0.db.shop.svc.cluster.local. 5 AAAA fd00:42::']],
    ['out.shop.svc.cluster.local', 'CNAME', ['out.shop.svc.cluster.local. 5 CNAME www.example.org.']],
    ['dns-version.cluster.local', 'TXT', ['dns-version.cluster.local. 28800 TXT "1.1.0"']],
    ['20.0.43.10.in-addr.arpa', 'PTR', ['20.0.43.10.in-addr.arpa. 5 PTR web.shop.svc.cluster.local.']],
    ['5.0.42.10.in-addr.arpa', 'PTR', ['5.0.42.10.in-addr.arpa. 5 PTR db-0.db.shop.svc.cluster.local.']],
    ['10-42-0-77.shop.pod.cluster.local', 'A', ['10-42-0-77.shop.pod.cluster.local. 5 A 10.42.0.77']],
    ['ns.dns.cluster.local', 'A', ['ns.dns.cluster.local. 5 A 10.42.0.2']],
  ])('%s %s', async (name, type, answers) => {
    server = await startServer(cluster('pods insecure'), { objects })
    const found = await server.ask(`${name}.`, type)
    expect(found).toMatchObject({ rcode: 'NOERROR', answers, question: `${name}. ${type}` })
    expect(found.flags).toEqual(['response', 'authoritative', 'recursionDesired'])
    // The second time it is a ready answer: the same but for the id.
    expect(await server.ask(`${name}.`, type)).toEqual(found)
  })

  test.each([
    ['a name that does not exist', 'nope.shop.svc.cluster.local.', 'A', 'NXDOMAIN'],
    ['a namespace that does not exist', 'web.nope.svc.cluster.local.', 'A', 'NXDOMAIN'],
    ['a port that does not exist', '_ftp._tcp.web.shop.svc.cluster.local.', 'SRV', 'NXDOMAIN'],
    ['another type of a name that exists', 'web.shop.svc.cluster.local.', 'MX', 'NOERROR'],
    ['a namespace itself', 'shop.svc.cluster.local.', 'A', 'NOERROR'],
    ['the zone itself', 'cluster.local.', 'A', 'NOERROR'],
    ['pods when they are disabled', '10-42-0-77.shop.pod.cluster.local.', 'A', 'NXDOMAIN'],
  ])('%s: the answer is negative, with the SOA', async (_, name, type, rcode) => {
    server = await startServer(cluster(), { objects })
    const found = await server.ask(name, type)
    expect(found).toMatchObject({ rcode, answers: [] })
    expect(found.authorities[0]).toMatch(
      /^cluster\.local\. 5 SOA ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. /,
    )
  })

  test('SRV of a headless service: its members, with their addresses alongside', async () => {
    server = await startServer(cluster(), { objects })
    const found = await server.ask('_sql._tcp.db.shop.svc.cluster.local.', 'SRV')
    expect(found.answers).toHaveLength(3)
    expect(found.answers).toContain(
      '_sql._tcp.db.shop.svc.cluster.local. 5 SRV 0 33 5432 db-0.db.shop.svc.cluster.local.',
    )
    expect([...found.additionals].sort()).toEqual([
      '10-42-0-6.db.shop.svc.cluster.local. 5 A 10.42.0.6',
      'db-0.db.shop.svc.cluster.local. 5 A 10.42.0.5',
      'fd00-42--0.db.shop.svc.cluster.local. 5 AAAA fd00:42::',
    ])
  })

  test('a change is seen at once, also where a ready answer said otherwise', async () => {
    server = await startServer(cluster('', 'cache 30'), { objects })
    expect((await server.ask('new.shop.svc.cluster.local.')).rcode).toBe('NXDOMAIN')
    await server.client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'new', namespace: 'shop' },
      spec: { clusterIP: '10.43.0.99', clusterIPs: ['10.43.0.99'] },
    })
    await new Promise(resolve => setImmediate(resolve))
    expect((await server.ask('new.shop.svc.cluster.local.')).answers).toEqual([
      'new.shop.svc.cluster.local. 5 A 10.43.0.99',
    ])
  })
})

describe('options of kubernetes', () => {
  const rcodeWith = async (options: string, name: string, type = 'A') => {
    server = await startServer(cluster(options), { objects })
    return (await server.ask(name, type)).rcode
  }
  test.each([
    ['pods verified', '10-42-0-77.shop.pod.cluster.local.', 'NXDOMAIN'],
    ['namespaces other', 'web.shop.svc.cluster.local.', 'NXDOMAIN'],
    ['namespace_labels team=blue', 'web.shop.svc.cluster.local.', 'NOERROR'],
    ['namespace_labels team=red', 'web.shop.svc.cluster.local.', 'NXDOMAIN'],
    ['labels app in (web)', 'web.shop.svc.cluster.local.', 'NOERROR'],
    ['labels app in (web)', 'idle.shop.svc.cluster.local.', 'NXDOMAIN'],
    ['ignore empty_service', 'idle.shop.svc.cluster.local.', 'NXDOMAIN'],
    ['ignore empty_service', 'web.shop.svc.cluster.local.', 'NOERROR'],
    ['noendpoints', 'db.shop.svc.cluster.local.', 'NXDOMAIN'],
    ['endpoint_pod_names', 'web-abc.web.shop.svc.cluster.local.', 'NOERROR'],
    ['', 'web-abc.web.shop.svc.cluster.local.', 'NXDOMAIN'],
    // Without a plugin that takes it, a name that is passed on is a failure.
    ['fallthrough', 'nope.shop.svc.cluster.local.', 'SERVFAIL'],
    ['fallthrough in-addr.arpa', 'nope.shop.svc.cluster.local.', 'NXDOMAIN'],
    ['fallthrough in-addr.arpa', '1.2.3.4.in-addr.arpa.', 'SERVFAIL'],
  ])('"%s": %s is %s', async (options, name, rcode) => {
    expect(await rcodeWith(options, name)).toBe(rcode)
  })

  test('pods verified: a pod that runs has a name', async () => {
    server = await startServer(cluster('pods verified'), { objects })
    const metadata = { name: 'p', namespace: 'shop' }
    const pod = await server.client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [] } })
    const status = { phase: 'Running', podIPs: [{ ip: '10.42.0.9' }] }
    await server.client.update(pods, { ...pod, status }, { subresource: 'status' })
    await new Promise(resolve => setImmediate(resolve))
    expect((await server.ask('10-42-0-9.shop.pod.cluster.local.')).rcode).toBe('NOERROR')
  })

  test('ttl', async () => {
    server = await startServer(cluster('ttl 77'), { objects })
    expect((await server.ask('web.shop.svc.cluster.local.')).answers).toEqual([
      'web.shop.svc.cluster.local. 77 A 10.43.0.20',
    ])
  })
})

describe('the protocol', () => {
  const many = Array.from({ length: 60 }, (_, at) => ({ addresses: [`10.42.9.${at + 1}`], ...ready }))
  const big = [
    namespace('shop'),
    service('big', { clusterIP: 'None', clusterIPs: ['None'], ports: [sql] }),
    slice('big', many, [sql]),
  ]

  test.each([
    ['without EDNS', {}, 512, true],
    ['with a small buffer', { edns: { udpSize: 100 } }, 512, true],
    ['with a large buffer', { edns: { udpSize: 4096 } }, 4096, false],
    ['over TCP', { overTcp: true }, 65_535, false],
  ])('%s an answer is cut to fit', async (_, options, limit, truncated) => {
    server = await startServer(cluster(), { objects: big })
    const found = await server.ask('big.shop.svc.cluster.local.', 'A', options)
    expect(found.size).toBeLessThanOrEqual(limit)
    expect(found.flags.includes('truncated')).toBe(truncated)
    if (!truncated) expect(found.answers).toHaveLength(60)
    else expect(found.answers.length).toBeGreaterThan(15)
  })

  test('EDNS: size and DO come back, another version is BADVERS', async () => {
    server = await startServer(cluster(), { objects })
    const found = await server.ask('web.shop.svc.cluster.local.', 'A', { edns: { udpSize: 1400, dnssecOk: true } })
    expect(found.edns).toMatchObject({ udpSize: 1400, dnssecOk: true, version: 0 })
    expect((await server.ask('web.shop.svc.cluster.local.', 'A', { edns: { version: 1 } })).rcode).toBe('BADVERS')
    expect((await server.ask('web.shop.svc.cluster.local.', 'A')).edns).toBeUndefined()
  })

  test('loadbalance: another order each time, of ready answers too', async () => {
    server = await startServer(cluster('', 'loadbalance'), { objects: big })
    const orders = new Set<string>()
    for (let round = 0; round < 12; round++) {
      const { answers } = await server.ask('big.shop.svc.cluster.local.', 'A', { edns: { udpSize: 4096 } })
      expect(new Set(answers).size).toBe(60)
      orders.add(answers.join())
    }
    expect(orders.size).toBeGreaterThan(3)
  })

  test('what belongs to nobody is refused; the longest zone answers', async () => {
    const block = (zone: string, ip: string) => `${zone} {\n hosts {\n  ${ip} a.example.org\n }\n}\n`
    server = await startServer(block('example.org', '192.0.2.1') + block('a.example.org', '192.0.2.2'))
    expect((await server.ask('www.example.com.')).rcode).toBe('REFUSED')
    expect((await server.ask('a.example.org.')).answers).toEqual(['a.example.org. 3600 A 192.0.2.2'])
    expect((await server.ask('a.example.org.', 'A', { class: 3 })).rcode).toBe('REFUSED')
  })

  test('packets that are no queries: FORMERR, NOTIMP or silence', async () => {
    server = await startServer(cluster(), { objects })
    const query = queryBytes('web.shop.svc.cluster.local.', 'A')
    const changed = (change: (packet: Buffer) => void) => {
      const packet = Buffer.from(query)
      change(packet)
      return packet
    }
    const rcodeOf = async (packet: Buffer) => (await server.send(packet, true))?.[3]
    expect(await rcodeOf(query.subarray(0, 11))).toBeUndefined()
    expect(await rcodeOf(changed(packet => packet.writeUInt16BE(0x8100, 2)))).toBeUndefined()
    expect(await rcodeOf(changed(packet => packet.writeUInt16BE(0x2800, 2)))).toBe(4)
    expect(await rcodeOf(changed(packet => packet.writeUInt16BE(2, 4)))).toBe(1)
    expect(await rcodeOf(changed(packet => (packet[12] = 200)))).toBe(1)
    expect(await rcodeOf(query.subarray(0, 20))).toBe(1)
  })

  test('mutated packets never break it, and what is answered is a message with the id that was sent', async () => {
    server = await startServer(
      cluster('pods insecure', 'cache 30\n loadbalance\n any\n rewrite name suffix .x.org .cluster.local answer auto'),
      { objects },
    )
    let seed = 20_261
    const random = () => (seed = (seed * 48_271) % 0x7fffffff) / 0x7fffffff
    const int = (below: number) => Math.floor(random() * below)
    const seeds = ['web.shop.svc.cluster.local.', 'db.shop.svc.x.org.', '5.0.42.10.in-addr.arpa.'].flatMap(name =>
      ['A', 'SRV', 'PTR', 'ANY'].flatMap(type => [
        queryBytes(name, type),
        queryBytes(name, type, { edns: { options: [{ code: 10, data: Buffer.alloc(8, 7) }] } }),
      ]),
    )
    for (let round = 0; round < 6000; round++) {
      let packet = Buffer.from(seeds[int(seeds.length)]!)
      if (round % 3 === 0) packet = packet.subarray(0, int(packet.length))
      for (let changes = int(5); changes > 0 && packet.length > 0; changes--) packet[int(packet.length)] = int(256)
      if (round % 7 === 0) packet = Buffer.concat([packet, Buffer.from([int(256), int(256), int(256)])])
      const answer = await server.send(packet, true)
      if (!answer) continue
      expect(answer.subarray(0, 2)).toEqual(packet.subarray(0, 2))
      expect(answer.readUInt16BE(2) & 0x8000).toBe(0x8000)
    }
    expect(server.log.filter(line => line.includes('cannot answer'))).toEqual([])
    expect((await server.ask('web.shop.svc.cluster.local.')).answers).toHaveLength(1)
  })
})
