/** What changes under a running cluster of two nodes: the overlay's backend, the nodes' addresses, somebody else's network. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { EndpointSlice, Node, Pod, Service } from '../../bootstrap/api/types.gen.ts'
import { Bed } from '../testbed/bed.ts'
import { Cluster, canRunClusters } from '../testbed/cluster.ts'
import { writeImages } from '../testbed/images.ts'
import { Network } from '../testbed/network.ts'
import { Nodes } from '../testbed/nodes.ts'
import { podOn, sleepContainers, webContainers } from '../testbed/pods.ts'
import { hasPrograms } from './overlay-fixture.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('changes of the overlay e2e: skipped, needs root and containerd')

const balanced = `
apiVersion: v1
kind: Service
metadata: { name: balanced }
spec:
  type: LoadBalancer
  selector: { app: b }
  ports: [{ port: 8088, targetPort: 80 }]
`
suite('a cluster whose overlay changes', () => {
  let network: Network
  let nodes: Nodes
  let server: Cluster
  let agent: Cluster
  const started: { [pod: string]: string } = {}

  const addressOf = async (name: string) => (await server.get<Pod>(`pod ${name}`)).status!.podIP!
  /** What a pod on the server's node gets from the one on the agent's. */
  const across = async () => {
    const ip = await addressOf('b')
    return server.kubectl(['exec', 'a', '-c', 'main', '--', 'fetch', ip])
  }
  const devices = async (cluster: Cluster) =>
    (await cluster.exec(['sh', '-c', "ip -o link | cut -d: -f2 | tr -d ' '"]))
      .split('\n')
      .filter(name => name.startsWith('flannel'))
  const startTime = async (name: string) =>
    (await server.get<Pod>(`pod ${name}`)).status!.containerStatuses![0]!.state!.running!.startedAt!

  beforeAll(async () => {
    network = await Network.create()
    nodes = new Nodes(network, { servers: 1, network })
    server = await nodes.addServer()
    agent = await nodes.addAgent()
    const onHost = `hostNetwork: true\n  ${sleepContainers}`
    await server.apply(
      podOn('server-1', 'a', sleepContainers) + podOn('agent-1', 'b', webContainers) + podOn('agent-1', 'host', onHost),
    )
    await server.apply(balanced)
    for (const name of ['a', 'b', 'host']) {
      await server.waitFor(`--for=condition=Ready pod/${name}`)
      started[name] = await startTime(name)
    }
  }, 120_000)
  afterAll(async () => {
    await nodes?.destroy()
    await network?.destroy()
  }, 60_000)

  test('a restart of both loses no packet between pods', async () => {
    const ip = await addressOf('b')
    await server.eventually(async () => expect(await across()).toBe('web\n'))
    const pings = server.bed.run(['sh', '-c', `exec nsenter -t "$(pgrep -xo sleep)" --net ping -q -i 0.02 -w 8 ${ip}`])
    await server.stopServer()
    await server.restart()
    await agent.stopServer()
    await agent.restart()
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec((await pings).stdout)!
    expect(Number(sent)).toBeGreaterThan(100)
    expect(received).toBe(sent)
  }, 60_000)

  const backends = [
    ['host-gw', []],
    ...(hasPrograms('wg', 'wireguard-go') ? ([['wireguard-native', ['flannel-wg']]] as const) : []),
    ['vxlan', ['flannel.1']],
  ] as const

  test.each(backends)(
    '--flannel-backend=%s from the next start on; pods run on, what was there before is gone',
    async (name, expected) => {
      await server.eventually(async () => expect(await across()).toBe('web\n'))
      await server.stopServer()
      writeFileSync(join(server.bed.dir, 'rancher/k3s/config.yaml'), `flannel-backend: ${name}\n`)
      await server.restart()
      await agent.stopServer()
      await agent.restart()
      await server.eventually(async () => {
        expect(await devices(server)).toEqual(expected)
        expect(await devices(agent)).toEqual(expected)
        expect(await across()).toBe('web\n')
      })
      for (const name of ['a', 'b']) expect(await startTime(name)).toBe(started[name])
      const { metadata } = await server.get<Node>('node agent-1')
      expect(metadata.annotations!['flannel.alpha.coreos.com/backend-type']).toBe(name.replace('-native', ''))
    },
    120_000,
  )

  const move = (cluster: Cluster, from: string, to: string) =>
    cluster.exec([
      'sh',
      '-ec',
      `ip addr del ${from}/24 dev eth0; ip addr add ${to}/24 dev eth0; ip route replace default via 198.51.100.1`,
    ])

  test('the address of an agent: node, overlay, pods on its network and certificate follow', async () => {
    await move(agent, '198.51.100.12', '198.51.100.22')
    await server.eventually(async () => {
      const { metadata, status } = await server.get<Node>('node agent-1')
      expect(status!.addresses!.find(({ type }) => type === 'InternalIP')!.address).toBe('198.51.100.22')
      expect(metadata.annotations!['flannel.alpha.coreos.com/public-ip']).toBe('198.51.100.22')
      expect((await server.get<Pod>('pod host')).status).toMatchObject({
        hostIP: '198.51.100.22',
        podIP: '198.51.100.22',
      })
      expect(await across()).toBe('web\n')
      const { items } = await server.get<{ items: Service[] }>('services --field-selector metadata.name=balanced')
      const published = items[0]!.status!.loadBalancer!.ingress!.map(({ ip }) => ip)
      expect(published.sort()).toEqual(['198.51.100.11', '198.51.100.22'])
      const shown = await server.exec([
        'sh',
        '-c',
        'openssl s_client -connect 198.51.100.22:10250 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName',
      ])
      expect(shown).toContain('198.51.100.22')
    })
    expect(await startTime('b')).toBe(started.b)
  }, 60_000)

  test('the address of a server: its node and the service of the API follow', async () => {
    await move(server, '198.51.100.11', '198.51.100.21')
    await server.eventually(async () => {
      const { items } = await server.get<{ items: EndpointSlice[] }>(
        'endpointslices -l kubernetes.io/service-name=kubernetes',
      )
      expect(items[0]!.endpoints!.map(({ addresses }) => addresses)).toEqual([['198.51.100.21']])
      const { status } = await server.get<Node>('node server-1')
      expect(status!.addresses!.find(({ type }) => type === 'InternalIP')!.address).toBe('198.51.100.21')
      const connect = 'exec 3<>/dev/tcp/10.43.0.1/443 && echo connected'
      expect(await server.kubectl(['exec', 'a', '--', 'bash', '-c', connect])).toBe('connected\n')
    })
  }, 60_000)
})

suite('nodes that reach each other at external addresses, and leave the cluster as themselves', () => {
  let network: Network
  let nodes: Nodes
  const external = (host: number) => [`203.0.113.${host}`, `2001:db8:200::${host}`]

  beforeAll(async () => {
    network = await Network.create()
    await network.run([
      'sh',
      '-c',
      'ip addr add 203.0.113.1/24 dev bridge; ip addr add 2001:db8:200::1/64 dev bridge nodad',
    ])
    const flags = [
      '--cluster-cidr=10.42.0.0/16,2001:cafe:42::/56',
      '--service-cidr=10.43.0.0/16,2001:cafe:43::/112',
      '--flannel-external-ip',
      '--flannel-ipv6-masq',
    ]
    nodes = new Nodes(network, { servers: 1, network, flags })
    const own = (host: number) => [
      `--node-ip=198.51.100.${host},2001:db8:100::${host}`,
      `--node-external-ip=${external(host)}`,
    ]
    await nodes.addServer(own(11))
    await nodes.addAgent([...own(12), '--flannel-iface=eth0'])
    for (const [at, cluster] of nodes.all.entries()) {
      const [ipv4, ipv6] = external(11 + at)
      await cluster.exec(['sh', '-ec', `ip addr add ${ipv4}/24 dev eth0; ip addr add ${ipv6}/64 dev eth0 nodad`])
    }
    await nodes.first.apply(podOn('server-1', 'a', sleepContainers) + podOn('agent-1', 'b', webContainers))
    for (const name of ['a', 'b']) await nodes.first.waitFor(`--for=condition=Ready pod/${name}`)
  }, 120_000)
  afterAll(async () => {
    await nodes?.destroy()
    await network?.destroy()
  }, 60_000)

  test('they say so in K3s’ words, and packets go there', async () => {
    const { metadata } = await nodes.first.get<Node>('node agent-1')
    expect(metadata.annotations).toMatchObject({
      'flannel.alpha.coreos.com/public-ip': '203.0.113.12',
      'flannel.alpha.coreos.com/public-ip-overwrite': '203.0.113.12',
      'flannel.alpha.coreos.com/public-ipv6': '2001:db8:200::12',
    })
    const forwarding = await nodes.first.exec(['sh', '-c', 'bridge fdb show | grep dst'])
    expect(forwarding).toContain('dst 203.0.113.12')
    expect(forwarding).toContain('dst 2001:db8:200::12')
    const { status } = await nodes.first.get<Pod>('pod b')
    for (const { ip = '' } of status!.podIPs!) {
      const get = `exec 3<>/dev/tcp/${ip}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`
      expect(await nodes.first.kubectl(['exec', 'a', '--', 'bash', '-c', get])).toContain('web')
    }
  }, 30_000)

  test('pods leave the cluster with the address of their node in both families', async () => {
    const program = `require('http').createServer((q, r) => r.end(q.socket.remoteAddress)).listen(8000, '::', () => console.log('up'))`
    const outside = network.spawn([process.execPath, '-e', program])
    await new Promise(resolve => outside.stdout!.once('data', resolve))
    const ask = async (ip: string) => {
      const get = `exec 3<>/dev/tcp/${ip}/8000; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`
      return (await nodes.first.kubectl(['exec', 'a', '--', 'bash', '-c', get])).split('\r\n\r\n')[1]
    }
    expect(await ask('198.51.100.1')).toBe('::ffff:198.51.100.11')
    expect(await ask('2001:db8:100::1')).toBe('2001:db8:100::11')
    outside.kill()
  }, 30_000)
})

/** What an installer of another network drops, e.g. Calico's. */
const conflist = {
  cniVersion: '0.4.0',
  name: 'others',
  plugins: [
    {
      type: 'bridge',
      bridge: 'other0',
      isDefaultGateway: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.99.0.0/24' }]] },
    },
  ],
}

suite('--flannel-backend=none', () => {
  let cluster: Cluster
  beforeAll(async () => {
    const bed = await Bed.create()
    cluster = new Cluster(bed, { flags: ['--flannel-backend=none'] })
    for (const folder of ['agent/images', 'server/manifests']) mkdirSync(cluster.file(folder), { recursive: true })
    await writeImages(cluster.file('agent/images'))
    const { up, ended } = cluster.launch()
    await Promise.race([up, ended.then(message => Promise.reject(new Error(message)))])
  }, 60_000)
  afterAll(() => cluster?.destroy())

  test('nothing is configured and the node is not Ready, until another network comes', async () => {
    await cluster.apply(podOn(cluster.nodeName, 'a', sleepContainers))
    await cluster.waitFor(`--for=condition=Ready=false node/${cluster.nodeName}`)
    const { spec, status } = await cluster.get<Node>(`node ${cluster.nodeName}`)
    expect(spec!.podCIDR).toBe('10.42.0.0/24')
    expect(status!.conditions!.find(({ type }) => type === 'Ready')!.message).toMatch(/network not ready.*cni/i)
    expect((await cluster.get<Pod>('pod a')).status!.phase).toBe('Pending')
    const left = await cluster.exec(['sh', '-c', 'ip link; nft list tables; ls /etc/cni/net.d'])
    expect(left).not.toMatch(/flannel|cni0/)

    await cluster.exec(['sh', '-c', 'mount -t tmpfs tmpfs /opt && mkdir /opt/cni && ln -s /usr/lib/cni /opt/cni/bin'])
    await cluster.exec(['tee', '/etc/cni/net.d/10-others.conflist'], { input: JSON.stringify(conflist) })
    await cluster.waitFor(`--for=condition=Ready node/${cluster.nodeName}`)
    await cluster.waitFor('--for=condition=Ready pod/a')
    expect((await cluster.get<Pod>('pod a')).status!.podIP).toMatch(/^10\.99\.0\./)
  }, 60_000)
})
