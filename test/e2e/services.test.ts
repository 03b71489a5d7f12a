/** The service table in a real kernel: network namespaces as pods, node and outside client; real connections through nftables. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { serviceRules } from '../../bootstrap/agent/network/services/rules.ts'
import { nftScript } from '../../bootstrap/agent/network/services/script.ts'
import { serviceTable, type Table } from '../../bootstrap/agent/network/services/table.ts'
import type { EndpointSlice, Service } from '../../bootstrap/client/resources.ts'

const execute = promisify(execFile)
const id = `st${process.pid}`
const inNet = (name: string, ...command: string[]) =>
  ['nsenter', [`--net=/run/netns/${id}${name}`, ...command]] as const
const runIn = (name: string, ...command: string[]) => execute(...inNet(name, ...command), { timeout: 10_000 })

/** The same machines in both families. */
const worlds = {
  IPv4: {
    family: 'IPv4',
    pods: { a: '10.42.0.2', b: '10.42.0.3' },
    cluster: '10.42.0.0/16',
    gateway: '10.42.0.1',
    node: '198.51.100.1',
    client: '198.51.100.9',
    web: '10.43.0.5',
    dns: '10.43.0.10',
  },
  IPv6: {
    family: 'IPv6',
    pods: { a: 'fd00:42::2', b: 'fd00:42::3' },
    cluster: 'fd00:42::/56',
    gateway: 'fd00:42::1',
    node: '2001:db8::1',
    client: '2001:db8::9',
    web: 'fd00:43::5',
    dns: 'fd00:43::a',
  },
} as const
type World = (typeof worlds)[keyof typeof worlds]

const servers: ChildProcess[] = []

const udp = (address: string) => (address.includes(':') ? 'udp6' : 'udp4')

/** Answers every connection with the pod's name and the address it saw. */
const serverCode = (name: string, address: string) =>
  `require('net').createServer(s=>{s.end('${name} '+s.remoteAddress);s.on('error',()=>{})}).listen(8080,'${address}',()=>console.log('up'));
   const u=require('dgram').createSocket('${udp(address)}');u.on('message',(m,r)=>u.send('${name} '+r.address,r.port,r.address));u.bind(8080,'${address}')`

const clientCode = (host: string, port: number) =>
  `const s=require('net').connect(${port},'${host}');s.setTimeout(1500,()=>{console.log('timeout');s.destroy()});s.on('data',d=>console.log(String(d)));s.on('error',e=>console.log(e.code))`

const udpCode = (host: string, port: number) =>
  `const u=require('dgram').createSocket('${udp(host)}');u.connect(${port},'${host}',()=>u.send('x'));u.on('message',m=>{console.log(String(m));u.close()});
   u.on('error',e=>{console.log(e.code);u.close()});setTimeout(()=>{console.log('timeout');process.exit()},1500).unref()`

async function ask(from: string, host: string, port: number, code = clientCode): Promise<string> {
  const { stdout } = await runIn(from, process.execPath, '-e', code(host, port))
  return stdout.trim()
}

async function apply({ family, cluster }: World, from: Table | undefined, services: object[], slices: object[]) {
  const rules = serviceRules(services as Service[], slices as EndpointSlice[], 'node', new Set(), family)
  const to = serviceTable(rules, { family, clusterCidr: cluster })
  const [program, args] = inNet('node', 'nft', '-f', '-')
  await new Promise<void>((resolve, reject) => {
    const child = execFile(program, args, (error, _, stderr) => (error ? reject(new Error(stderr)) : resolve()))
    child.stdin!.end(nftScript(from, to))
  })
  return to
}

const service = (spec: object, name = 'web') => ({ metadata: { namespace: 'ns', name }, spec })
const ports = [{ port: 80, protocol: 'TCP', nodePort: 30080 }]

const possible = process.getuid?.() === 0
const suite = possible ? describe : describe.skip
if (!possible) console.log('services e2e: skipped, needs root for network namespaces')

suite('service table', () => {
  beforeAll(async () => {
    const sh = (script: string) => execute('sh', ['-ec', script])
    await sh(`
      for n in node a b out; do ip netns add ${id}$n; ip -n ${id}$n link set lo up; done
      ip -n ${id}node link add cni0 type bridge
      ip -n ${id}node addr add 10.42.0.1/24 dev cni0
      ip -n ${id}node addr add fd00:42::1/64 dev cni0 nodad
      ip -n ${id}node link set cni0 up
      n=2
      for p in a b; do
        ip -n ${id}node link add v$p type veth peer name eth0 netns ${id}$p
        ip -n ${id}node link set v$p master cni0 up
        bridge -n ${id}node link set dev v$p hairpin on
        ip -n ${id}$p addr add 10.42.0.$n/24 dev eth0
        ip -n ${id}$p addr add fd00:42::$n/64 dev eth0 nodad
        ip -n ${id}$p link set eth0 up
        ip -n ${id}$p route add default via 10.42.0.1
        ip -n ${id}$p route add default via fd00:42::1
        n=$((n+1))
      done
      ip -n ${id}node link add ext type veth peer name eth0 netns ${id}out
      ip -n ${id}node addr add 198.51.100.1/24 dev ext
      ip -n ${id}node addr add 2001:db8::1/64 dev ext nodad
      ip -n ${id}node link set ext up
      ip -n ${id}out addr add 198.51.100.9/24 dev eth0
      ip -n ${id}out addr add 2001:db8::9/64 dev eth0 nodad
      ip -n ${id}out link set eth0 up
      ip -n ${id}node route add default dev ext
      ip -n ${id}node -6 route add default dev ext
      nsenter --net=/run/netns/${id}node sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; echo 1 > /proc/sys/net/bridge/bridge-nf-call-ip6tables'
    `)
    const pods = Object.values(worlds).flatMap(world => Object.entries(world.pods))
    for (const [name, address] of pods) {
      const server = spawn(...inNet(name, process.execPath, '-e', serverCode(name, address)), {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      servers.push(server)
      await new Promise(resolve => server.stdout!.once('data', resolve))
    }
  }, 30_000)

  afterAll(async () => {
    for (const server of servers) server.kill('SIGKILL')
    for (const name of ['node', 'a', 'b', 'out'])
      await execute('ip', ['netns', 'delete', `${id}${name}`]).catch(() => {})
  })

  describe.each(Object.values(worlds))('$family', world => {
    const { client, dns: dnsIp, family, gateway, node, pods, web } = world
    const both = [
      { addresses: [pods.a], nodeName: 'node' },
      { addresses: [pods.b], nodeName: 'other' },
    ]
    const slice = (endpoints: object[], name = 'web', protocol = 'TCP') => ({
      metadata: { namespace: 'ns', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: family,
      endpoints,
      ports: [{ port: 8080, protocol }],
    })
    const applyTable = (from: Table | undefined, services: object[], slices: object[]) =>
      apply(world, from, services, slices)

    test('cluster address: from a pod, from the node, and a pod to itself', async () => {
      const table = await applyTable(undefined, [service({ clusterIPs: [web], ports })], [slice([both[1]!])])
      expect(await ask('a', web, 80)).toBe(`b ${pods.a}`)
      expect(await ask('node', web, 80)).toBe(`b ${gateway}`)
      expect(await ask('b', web, 80)).toBe(`b ${gateway}`)
      const none = await applyTable(table, [service({ clusterIPs: [web], ports })], [])
      expect(await ask('a', web, 80)).toBe('ECONNREFUSED')
      await applyTable(none, [service({ clusterIPs: [web], ports })], [slice(both)])
      const answers = new Set<string>()
      for (let round = 0; round < 30 && answers.size < 2; round++)
        answers.add((await ask('out', node, 30080)).slice(0, 1))
      expect([...answers].sort()).toEqual(['a', 'b'])
    }, 60_000)

    test('node port: from outside, from a pod and on loopback; Local keeps the client address', async () => {
      const spec = { clusterIPs: [web], ports }
      const table = await applyTable(undefined, [service(spec)], [slice(both)])
      expect([`a ${gateway}`, `b ${gateway}`]).toContain(await ask('out', node, 30080))
      // Nothing leads IPv6 packets to loopback: kube-proxy has no node ports there either.
      if (family === 'IPv4') expect(await ask('node', '127.0.0.1', 30080)).toMatch(/^[ab] /)
      expect(await ask('a', node, 30080)).toMatch(/^[ab] /)
      const local = await applyTable(table, [service({ ...spec, externalTrafficPolicy: 'Local' })], [slice(both)])
      for (let round = 0; round < 5; round++) expect(await ask('out', node, 30080)).toBe(`a ${client}`)
      await applyTable(local, [service({ ...spec, externalTrafficPolicy: 'Local' })], [slice([both[1]!])])
      expect(await ask('out', node, 30080)).toBe('timeout')
      expect(await ask('a', node, 30080)).toMatch(/^b /)
    }, 60_000)

    test('external addresses and UDP', async () => {
      const dns = service({ clusterIPs: [dnsIp], ports: [{ port: 53, protocol: 'UDP' }] }, 'dns')
      const site = service({
        clusterIPs: [web],
        externalIPs: [node],
        ports: [{ port: 80, protocol: 'TCP' }],
      })
      await applyTable(undefined, [dns, site], [slice([both[0]!]), slice([both[1]!], 'dns', 'UDP')])
      expect(await ask('out', node, 80)).toBe(`a ${gateway}`)
      expect(await ask('a', dnsIp, 53, udpCode)).toBe(`b ${pods.a}`)
      expect(await ask('node', dnsIp, 53, udpCode)).toMatch(/^b /)
    }, 60_000)

    test('session affinity keeps a client on its endpoint', async () => {
      await applyTable(undefined, [service({ clusterIPs: [web], ports, sessionAffinity: 'ClientIP' })], [slice(both)])
      const first = await ask('out', node, 30080)
      for (let round = 0; round < 8; round++) expect(await ask('out', node, 30080)).toBe(first)
    }, 60_000)
  })
})
