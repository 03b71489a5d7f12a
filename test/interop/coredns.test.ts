/**
 * Our DNS server against upstream's CoreDNS: the same Corefile, the same API server, some thousand questions. Runs where
 * SKIFF_COREDNS names a coredns program (`go install github.com/coredns/coredns@v1.12.4`); what may differ is listed below.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { loadKubeconfig } from '../../bootstrap/client/kubeconfig.ts'
import { remoteClient } from '../../bootstrap/client/remote.ts'
import { endpointSlices, namespaces, services } from '../../bootstrap/client/resources.ts'
import { freeUdpPort } from '../../bootstrap/client/testing/ports.ts'
import { queryBytes, readable, type TestAnswer } from '../../operators/coredns/testing.ts'
import { flags, types } from '../../operators/coredns/wire/constants.ts'
import { decode, encode } from '../../operators/coredns/wire/message.ts'
import { addressRecord, record, soaRecord } from '../../operators/coredns/wire/records.ts'
import { type RunningServer, startServer } from '../integration/server.ts'

const coredns = process.env.SKIFF_COREDNS
const testOrSkip = coredns === undefined ? test.skip : test
if (coredns === undefined) console.log('coredns: skipped, SKIFF_COREDNS names no coredns program')

const folder = join(tmpdir(), `skiff-coredns-${process.pid}`)
const upstream = createSocket('udp4')
const children: ChildProcess[] = []
let server: RunningServer | undefined
const ports = { real: 0, ours: 0 }

const corefile = (port: number, up: number, more: string) => `.:${port} {
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      ${more}
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts ${folder}/NodeHosts {
      ttl 60
      fallthrough
    }
    cache 30
    rewrite name exact old.example.com web.shop.svc.cluster.local
    rewrite name suffix .auto.example .shop.svc.cluster.local answer auto
    rewrite name regex (.*)\\.reg\\.example {1}.shop.svc.cluster.local answer auto
    template IN A tmpl.example {
      match "^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]tmpl[.]example[.]$"
      answer "{{ .Name }} 60 IN A 10.9.{{ .Group.a }}.{{ .Group.b }}"
      fallthrough
    }
    forward . 127.0.0.1:${up}
}
stub.example:${port} {
    hosts {
      192.0.2.9 a.stub.example
      fallthrough
    }
    forward . 127.0.0.1:${up} {
      except no.stub.example
    }
}
`

beforeAll(async () => {
  if (coredns === undefined) return
  mkdirSync(folder)
  server = await startServer(['--disable', 'coredns'])
  await fill(server.kubeconfig)
  writeFileSync(join(folder, 'NodeHosts'), '192.0.2.2 node-1 node-1.lan\nfd00::2 node-1\n')
  upstream.on('message', (packet, peer) => upstream.send(elsewhere(packet), peer.port, peer.address))
  await new Promise<void>(resolve => upstream.bind(0, '127.0.0.1', resolve))
  for (const name of ['real', 'ours'] as const) ports[name] = await freeUdpPort()
  const up = upstream.address().port
  writeFileSync(join(folder, 'real'), corefile(ports.real, up, `kubeconfig ${server.kubeconfig}`))
  mkdirSync(join(folder, 'ours'))
  writeFileSync(join(folder, 'ours/Corefile'), corefile(ports.ours, up, ''))
  run(coredns, ['-conf', join(folder, 'real')])
  run(process.execPath, [join(import.meta.dirname, '../bench/dns-process.ts'), join(folder, 'ours'), server.kubeconfig])
  for (const port of Object.values(ports))
    while ((await ask(port, queryBytes('web.shop.svc.cluster.local.', 'A')))?.answers.length !== 1)
      await new Promise(resolve => setTimeout(resolve, 200))
}, 60_000)

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  if (coredns !== undefined) upstream.close()
  await server?.remove()
  rmSync(folder, { recursive: true, force: true })
})

function run(program: string, args: readonly string[]): void {
  children.push(spawn(program, args, { stdio: 'ignore' }))
}

const inService = ['web', 'plain', 'db', 'none', 'empty', 'out', 'alias', 'circle', 'lost', 'nope'].flatMap(name =>
  ['', '_http._tcp.', '_sql._tcp.', 'x.', '10-42-0-15.', 'db-0.', 'a.b.c.', '_tcp.'].map(
    prefix => `${prefix}${name}.shop.svc.cluster.local.`,
  ),
)
const others = [
  'cluster.local.',
  'svc.cluster.local.',
  'shop.svc.cluster.local.',
  'nope.svc.cluster.local.',
  'shop.pod.cluster.local.',
  'nope.pod.cluster.local.',
  'dns-version.cluster.local.',
  'x.cluster.local.',
  '10-42-0-5.shop.pod.cluster.local.',
  '10-42-0-5.nope.pod.cluster.local.',
  '1-2-3.shop.pod.cluster.local.',
  'fd00--1.shop.pod.cluster.local.',
  '999-1-1-1.shop.pod.cluster.local.',
  'fd00-42--0.db.shop.svc.cluster.local.',
  '20.0.43.10.in-addr.arpa.',
  '5.0.42.10.in-addr.arpa.',
  '7.0.42.10.in-addr.arpa.',
  '2.2.0.192.in-addr.arpa.',
  'node-1.',
  'node-1.lan.',
  'node-2.',
  'www.example.org.',
  'alias.example.org.',
  'nx.example.org.',
  'old.example.com.',
  'web.auto.example.',
  'db.auto.example.',
  'out.auto.example.',
  'nope.auto.example.',
  'web.reg.example.',
  'ip-1-2.tmpl.example.',
  'ip-1.tmpl.example.',
  'a.stub.example.',
  'c.stub.example.',
  'x.no.stub.example.',
]
const asked = ['A', 'AAAA', 'SRV', 'TXT', 'CNAME', 'PTR', 'NS', 'SOA', 'ANY', 'HTTPS']

/** Where ours is meant to be another answer, and why. */
const explained: readonly (readonly [why: string, applies: (name: string, type: string) => boolean])[] = [
  [
    'a name that exists is not denied (RFC 8020)',
    (name, type) => type === 'TXT' && /^(svc\.|(shop\.(svc|pod)\.)?)cluster\.local\.$/.test(name),
  ],
  [
    'the addresses of the name server are those it listens on',
    (name, type) => type === 'NS' && name === 'cluster.local.',
  ],
]

testOrSkip(
  'the same answers',
  async () => {
    const different: string[] = []
    for (const name of [...inService, ...others])
      for (const type of asked)
        for (const options of [{}, { edns: { udpSize: 1232, dnssecOk: true } }]) {
          if (explained.some(([, applies]) => applies(name, type))) continue
          const packet = queryBytes(name, type, options)
          const [real, ours] = await Promise.all([ask(ports.real, packet), ask(ports.ours, packet)])
          if (JSON.stringify(comparable(real)) === JSON.stringify(comparable(ours))) continue
          different.push(
            `${name} ${type}\n  CoreDNS ${JSON.stringify(comparable(real))}\n  ours    ${JSON.stringify(comparable(ours))}`,
          )
        }
    expect(different.join('\n')).toBe('')
  },
  300_000,
)

/** Without what depends on the moment: TTLs, which age, and the serial. */
function comparable(answer: TestAnswer | undefined) {
  if (!answer) return 'silence'
  const plain = (lines: readonly string[]) =>
    lines.map(line => line.replace(/^(\S+) \d+ /, '$1 ').replace(/(SOA \S+ \S+).*/, '$1')).sort()
  const { rcode, answers, authorities, additionals, flags: bits, question, edns } = answer
  return {
    rcode,
    answers: plain(answers),
    authorities: plain(authorities),
    additionals: plain(additionals),
    bits,
    question,
    size: edns?.udpSize,
    dnssecOk: edns?.dnssecOk,
  }
}

async function ask(port: number, packet: Buffer): Promise<TestAnswer | undefined> {
  const socket = createSocket('udp4')
  try {
    socket.send(packet, port, '127.0.0.1')
    const [bytes] = (await Promise.race([
      once(socket, 'message'),
      new Promise(resolve => setTimeout(resolve, 3000, [undefined])),
    ])) as [Buffer?]
    return bytes && readable(bytes)
  } catch {
    return undefined
  } finally {
    socket.close()
  }
}

/** The rest of the world: made up, and the same each time. */
function elsewhere(packet: Buffer): Buffer {
  const { id, questions } = decode(packet)
  const [question] = questions
  const { name, type } = question!
  const rcode = name.toLowerCase().startsWith('nx.') ? 3 : 0
  const isAlias = name.toLowerCase().startsWith('alias.')
  const answers =
    rcode !== 0 || type !== types.A
      ? []
      : isAlias
        ? [record(name, types.CNAME, 90, 'www.example.org.'), addressRecord('www.example.org.', 40, '198.51.100.8')]
        : [addressRecord(name, 300, '198.51.100.7')]
  const authorities = answers.length === 0 ? [soaRecord('example.org.', 60, 1, 60)] : []
  const word = flags.response | flags.recursionDesired | flags.recursionAvailable | rcode
  return encode({ id, flags: word, question, answers, authorities, additionals: [], edns: undefined }, 65_535).bytes
}

async function fill(kubeconfig: string): Promise<void> {
  const client = remoteClient((await loadKubeconfig(kubeconfig)).remote)
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as never)
  const service = (name: string, spec: object) =>
    client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'shop' },
      spec,
    } as KubeObject as never)
  const slice = (name: string, addressType: string, endpoints: readonly object[], ports: readonly object[]) => {
    const metadata = {
      name: `${name}-${addressType.toLowerCase()}`,
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': name },
    }
    return client.create(endpointSlices, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata,
      addressType,
      endpoints,
      ports,
    } as KubeObject as never)
  }
  const conditions = { ready: true }
  const sql = { name: 'sql', port: 5432, protocol: 'TCP' }
  await service('web', {
    clusterIP: '10.43.0.20',
    selector: { app: 'x' },
    ports: [
      { name: 'http', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  })
  await service('plain', { clusterIP: '10.43.0.21', ports: [{ port: 8080 }] })
  await slice('plain', 'IPv4', [{ addresses: ['10.42.0.15'], conditions }], [{ port: 8080, protocol: 'TCP' }])
  await service('db', { clusterIP: 'None', ports: [sql] })
  const members = [
    { addresses: ['10.42.0.5'], hostname: 'db-0', conditions },
    { addresses: ['10.42.0.6'], conditions },
    { addresses: ['10.42.0.7'], conditions: { ready: false } },
  ]
  await slice('db', 'IPv4', members, [sql])
  await slice('db', 'IPv6', [{ addresses: ['fd00:42::'], conditions }], [sql])
  await service('none', { clusterIP: 'None' })
  await slice('none', 'IPv4', [{ addresses: ['10.42.0.25'], conditions }], [])
  await service('empty', { clusterIP: 'None', ports: [{ port: 1 }] })
  const alias = (name: string, externalName: string) => service(name, { type: 'ExternalName', externalName })
  await alias('out', 'www.example.org')
  await alias('alias', 'web.shop.svc.cluster.local')
  await alias('circle', 'circle.shop.svc.cluster.local')
  await alias('lost', 'nope.shop.svc.cluster.local')
  client.close()
}
