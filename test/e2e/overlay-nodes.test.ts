/** Pods, services and names across two nodes, in clusters of both IP families and of IPv6 alone. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Node, Pod, Service } from '../../bootstrap/api/types.gen.ts'
import { type Cluster, canRunClusters } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'
import { Network } from '../testbed/network.ts'
import { Nodes } from '../testbed/nodes.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('nodes of both families e2e: skipped, needs root and containerd')

/** Answers HTTP with its name and the client's address, and with a page that needs many packets. */
const server = (name: string, node: string) => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web, on: ${node} } }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 0
  containers:
    - name: web
      image: ${webImage}
      readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }
      volumeMounts: [{ name: cgi, mountPath: /www/cgi-bin }]
  volumes: [{ name: cgi, configMap: { name: cgi, defaultMode: 0755 } }]
---
apiVersion: v1
kind: Pod
metadata: { name: client-${name} }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 0
  containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }]
`
const manifests = (policy: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: cgi }
data:
  who: |
    #!/bin/sh
    printf 'Content-type: text/plain\\r\\n\\r\\n%s %s' "$(hostname)" "$(echo $REMOTE_ADDR | tr -d '[]' | sed 's/^::ffff://')"
  big: |
    #!/bin/sh
    printf 'Content-type: text/plain\\r\\n\\r\\n'; head -c 300000 /dev/zero | tr '\\0' x
${server('a', 'server-1')}${server('b', 'agent-1')}
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  ipFamilyPolicy: ${policy}
  selector: { on: agent-1 }
  ports: [{ name: http, port: 80, nodePort: 30080 }]
---
apiVersion: v1
kind: Service
metadata: { name: local }
spec:
  type: NodePort
  externalTrafficPolicy: Local
  ipFamilyPolicy: ${policy}
  selector: { app: web }
  ports: [{ name: http, port: 80, nodePort: 30081 }]
---
apiVersion: v1
kind: Service
metadata: { name: balanced }
spec:
  type: LoadBalancer
  ipFamilyPolicy: ${policy}
  selector: { on: agent-1 }
  ports: [{ name: http, port: 8088, targetPort: 80 }]
`

const worlds = [
  {
    name: 'both families',
    flags: ['--cluster-cidr=10.42.0.0/16,2001:cafe:42::/56', '--service-cidr=10.43.0.0/16,2001:cafe:43::/112'],
    ips: (host: number) => [`198.51.100.${host}`, `2001:db8:100::${host}`],
    url: 'https://198.51.100.11:6443',
    pods: [/^10\.42\.[01]\.\d+$/, /^2001:cafe:42:0?:?[01]?:/],
    outside: ['198.51.100.1', '2001:db8:100::1'],
    policy: 'PreferDualStack',
    dns: ['10.43.0.10', '2001:cafe:43::a'],
    kubernetes: '10.43.0.1',
  },
  {
    name: 'both families, IPv6 first',
    flags: ['--cluster-cidr=2001:cafe:42::/56,10.42.0.0/16', '--service-cidr=2001:cafe:43::/112,10.43.0.0/16'],
    ips: (host: number) => [`2001:db8:100::${host}`, `198.51.100.${host}`],
    url: 'https://198.51.100.11:6443',
    pods: [/^2001:cafe:42:0?:?[01]?:/, /^10\.42\.[01]\.\d+$/],
    outside: ['2001:db8:100::1', '198.51.100.1'],
    policy: 'PreferDualStack',
    dns: ['2001:cafe:43::a', '10.43.0.10'],
    kubernetes: '2001:cafe:43::1',
  },
  {
    name: 'IPv6 alone',
    flags: [],
    ips: (host: number) => [`2001:db8:100::${host}`],
    url: 'https://[2001:db8:100::11]:6443',
    pods: [/^fd00:42:/],
    outside: ['2001:db8:100::1'],
    policy: 'SingleStack',
    dns: ['fd00:43::a'],
    kubernetes: 'fd00:43::1',
  },
]

const host = (ip: string) => (ip.includes(':') ? `[${ip}]` : ip)
const curl = (ip: string, port: number, path = 'who') => [
  'curl',
  '-sS',
  '-g',
  '-m',
  '3',
  `http://${host(ip)}:${port}/cgi-bin/${path}`,
]

suite.each(worlds)('$name', world => {
  let network: Network
  let nodes: Nodes
  let cluster: Cluster
  const podIps: { [name: string]: string[] } = {}
  const ips = { 'server-1': world.ips(11), 'agent-1': world.ips(12) }

  /** In the client of that name. */
  const inside = (pod: string, script: string) =>
    cluster.kubectl(['exec', `client-${pod}`, '--', 'bash', '-ec', script])
  const fromPod = (pod: string, ip: string, port: number, path = 'who') =>
    inside(
      pod,
      `exec 3<>/dev/tcp/${ip}/${port}; printf 'GET /cgi-bin/${path} HTTP/1.0\\r\\n\\r\\n' >&3; sed '1,/^.$/d' <&3`,
    )
  const clusterIps = async (name: string) => (await cluster.get<Service>(`service ${name}`)).spec!.clusterIPs!

  beforeAll(async () => {
    network = await Network.create()
    nodes = new Nodes(network, { servers: 1, network, flags: world.flags, url: world.url })
    cluster = await nodes.addServer([`--node-ip=${world.ips(11)}`])
    await nodes.addAgent([`--node-ip=${world.ips(12)}`])
    await cluster.apply(manifests(world.policy))
    for (const name of ['a', 'b', 'client-a', 'client-b']) {
      await cluster.waitFor(`--for=condition=Ready pod/${name}`)
      podIps[name] = (await cluster.get<Pod>(`pod ${name}`)).status!.podIPs!.map(({ ip }) => ip!)
    }
    await cluster.waitFor('--for=condition=Available deployment/coredns -n kube-system')
  }, 180_000)
  afterAll(async () => {
    await nodes?.destroy()
    await network?.destroy()
  }, 60_000)

  test('nodes and pods have an address of each family', async () => {
    for (const [name, expected] of Object.entries(ips)) {
      const node = await cluster.get<Node>(`node ${name}`)
      const internal = node.status!.addresses!.filter(({ type }) => type === 'InternalIP')
      expect(internal.map(({ address }) => address)).toEqual(expected)
      expect(node.spec!.podCIDRs).toHaveLength(world.pods.length)
    }
    for (const list of Object.values(podIps)) {
      expect(list).toHaveLength(world.pods.length)
      for (const [at, pattern] of world.pods.entries()) expect(list[at]).toMatch(pattern)
    }
  })

  test('pods reach pods of the other node, with their own address and in large packets', async () => {
    for (const [at, ip] of podIps.b!.entries()) {
      expect(await fromPod('a', ip, 80)).toBe(`b ${podIps['client-a']![at]}`)
      expect(await fromPod('a', ip, 80, 'big')).toHaveLength(300_000)
    }
    for (const ip of podIps.a!) expect(await fromPod('b', ip, 80)).toMatch(/^a /)
  }, 60_000)

  test('nodes reach pods of the other node', async () => {
    for (const ip of podIps.b!) expect(await cluster.exec(curl(ip, 80))).toMatch(/^b /)
  })

  test('a service leads to the other node, from pods and from nodes', async () => {
    const addresses = await clusterIps('web')
    expect(addresses).toHaveLength(world.pods.length)
    for (const [at, ip] of addresses.entries()) {
      expect(await fromPod('a', ip, 80)).toBe(`b ${podIps['client-a']![at]}`)
      expect(await cluster.exec(curl(ip, 80))).toMatch(/^b /)
    }
  }, 60_000)

  test('a node port answers on every node, whoever has the pod; with Local only there, and sees the client', async () => {
    for (const ip of [...ips['server-1'], ...ips['agent-1']])
      expect(await cluster.fromOutside(curl(ip, 30080))).toMatch(/^b /)
    const both = [...ips['server-1'].entries()].flatMap(([at, ip]) => [
      ['a', at, ip] as const,
      ['b', at, ips['agent-1'][at]!] as const,
    ])
    for (const [name, at, ip] of both)
      expect(await cluster.fromOutside(curl(ip, 30081))).toBe(`${name} ${world.outside[at]}`)
    await cluster.kubectl('label pod a app=away --overwrite')
    await cluster.eventually(async () => {
      expect((await cluster.bed.runOutside(curl(ips['server-1'][0]!, 30081))).code).not.toBe(0)
    })
    expect(await cluster.fromOutside(curl(ips['agent-1'][0]!, 30081))).toBe(`b ${world.outside[0]}`)
  }, 60_000)

  test('a load balancer is on both nodes, in both families', async () => {
    const expected = [...ips['server-1'], ...ips['agent-1']].sort()
    await cluster.eventually(async () => {
      const { status } = await cluster.get<Service>('service balanced')
      expect((status!.loadBalancer!.ingress ?? []).map(({ ip }) => ip).sort()).toEqual(expected)
    })
    for (const ip of expected) expect(await cluster.fromOutside(curl(ip, 8088))).toMatch(/^b /)
  }, 60_000)

  test('names have addresses of each family, asked over each', async () => {
    expect(await clusterIps('kube-dns -n kube-system')).toEqual(world.dns)
    const resolver = await inside('b', 'cat /etc/resolv.conf')
    for (const address of world.dns) expect(resolver).toContain(`nameserver ${address}`)
    const addresses = await clusterIps('web')
    for (const ip of addresses) {
      const list = ip.includes(':') ? 'ahostsv6' : 'ahostsv4'
      expect(await inside('b', `getent ${list} web.default.svc.cluster.local`)).toContain(ip)
      expect(await inside('b', `getent hosts ${ip}`)).toContain('web.default.svc.cluster.local')
    }
    expect(await inside('b', 'getent hosts kubernetes.default')).toContain(world.kubernetes)
    for (const address of world.dns)
      expect(await inside('b', `nslookup web.default.svc.cluster.local ${address}`)).toContain(addresses[0])
  }, 60_000)

  test('the API is reached by its service, from the other node', async () => {
    expect(await inside('b', `exec 3<>/dev/tcp/${world.kubernetes}/443 && echo connected`)).toBe('connected\n')
  })

  test('pods leave the cluster with the address of their node in IPv4, with their own in IPv6', async () => {
    const rules = await cluster.exec(['nft', 'list', 'ruleset'])
    expect(rules.includes('table ip flannel-ipv4')).toBe(world.pods.length > 1)
    expect(rules).toContain('table ip6 flannel-ipv6')
    expect(/ip6 saddr \S+\/56 ip6 daddr .*masquerade/.test(rules)).toBe(false)
  })

  test('a node that is removed leaves nothing behind', async () => {
    const left = () =>
      cluster.exec([
        'sh',
        '-c',
        'ip route; ip -6 route; ip neigh show nud permanent; bridge fdb show | grep dst || true',
      ])
    expect(await left()).toMatch(/flannel/)
    await nodes.agents[0]!.bed.powerOff()
    await cluster.kubectl('delete node agent-1 --wait=false')
    await cluster.eventually(async () => expect(await left()).not.toMatch(/via \S+ dev flannel|dst \S+ self/))
  }, 30_000)
})
