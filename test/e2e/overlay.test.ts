/** The overlay's backends between real network namespaces, followed through the lives of nodes. */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { Backend, BackendDeps } from '../../bootstrap/agent/network/overlay/backend.ts'
import { hostGateway } from '../../bootstrap/agent/network/overlay/host-gw.ts'
import { vxlan } from '../../bootstrap/agent/network/overlay/vxlan.ts'
import { wireguard } from '../../bootstrap/agent/network/overlay/wireguard.ts'
import { nodes } from '../../bootstrap/client/resources.ts'
import { eventually, hasPrograms, type Machine, Machines } from './overlay-fixture.ts'

jest.setTimeout(60_000)
const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('overlay e2e: skipped, needs root')
const hasWireguard = hasPrograms('wg', 'wireguard-go')
if (!hasWireguard) console.log('overlay e2e: wireguard-native skipped, needs wg and wireguard-go')
const suite = isRoot ? describe : describe.skip

const backends: readonly (readonly [string, (deps: BackendDeps) => Backend, number])[] = [
  ['vxlan', vxlan, 1430],
  ['host-gw', hostGateway, 1500],
  ...(hasWireguard ? ([['wireguard', wireguard, 1420]] as const) : []),
]

const ping = (from: Machine, to: string, size: number) =>
  from.pod.sh(`ping -c 1 -W 1 -M do -s ${size - (to.includes(':') ? 48 : 28)} ${to}`)

/** What a node at 192.0.2.9 with 10.42.9.0/24 would have left. */
const leftover: { readonly [backend: string]: string } = {
  vxlan: 'ip route add 10.42.9.0/24 via 10.42.9.0 dev flannel.1 onlink',
  'host-gw': 'ip route add 10.42.9.0/24 via 192.0.2.9',
  wireguard: 'wg set flannel-wg peer "$(wg genkey | wg pubkey)" endpoint 192.0.2.9:51820 allowed-ips 10.42.9.0/24',
}

/** Every kind of entry that a node has for others. */
const entries = (machine: Machine) =>
  machine.net.sh(`ip route show proto boot; ip -6 route show proto boot
    ip neigh show nud permanent; ip -6 neigh show nud permanent; bridge fdb show | grep dst || true
    { wg show all endpoints; wg show all allowed-ips; } 2>/dev/null | sed 's/^flannel-wg\\S*\\t//' | sort || true`)

suite.each(backends)('%s', (name, backendOf, mtu) => {
  const machines = new Machines(backendOf, 2)
  const at = (index: number) => machines.all[index - 1]!

  beforeAll(() => machines.build(2, mtu))
  afterAll(() => machines.destroy())

  test('pods reach pods of another node with packets as large as their MTU, of both families', async () => {
    for (const ip of at(2).podIps) await eventually(() => ping(at(1), ip, mtu))
    for (const ip of at(1).podIps) await ping(at(2), ip, mtu)
    await expect(ping(at(1), at(2).podIps[0]!, mtu + 1)).rejects.toThrow()
  })

  test('nodes reach pods of another node', async () => {
    for (const ip of at(2).podIps) await at(1).net.sh(`ping -c 1 -W 1 ${ip}`)
  })

  test('pods keep their address towards pods of the cluster, and leave it with the address of their node', async () => {
    const seenBy = async (server: { sh(script: string): Promise<string> }, target: string) => {
      const seen = server.sh(`timeout 5 socat -T 2 TCP-LISTEN:7777,reuseaddr SYSTEM:'echo $SOCAT_PEERADDR >&2' 2>&1`)
      await eventually(() => at(1).pod.sh(`socat -u OPEN:/dev/null TCP:${target}:7777`))
      return seen
    }
    expect(await seenBy(at(2).pod, at(2).podIps[0]!)).toBe(`${at(1).podIps[0]}\n`)
    expect(await seenBy(at(2).net, at(2).ips[0]!)).toBe(`${at(1).ips[0]}\n`)
  })

  test('the node announces what flannel would', async () => {
    const { metadata } = await machines.client.get(nodes, { name: 'n1' })
    expect(metadata.annotations).toMatchObject({
      'flannel.alpha.coreos.com/backend-type': name,
      'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
      'flannel.alpha.coreos.com/public-ip': '192.0.2.1',
      'flannel.alpha.coreos.com/public-ipv6': '2001:db8::1',
    })
  })

  test('a node that joins is reached; once it is gone nothing of it is left', async () => {
    const before = await entries(at(1))
    const late = await machines.add(3, mtu)
    for (const ip of late.podIps) await eventually(() => ping(at(1), ip, mtu))
    expect(await entries(at(1))).toContain('10.42.3.')
    await late.end()
    await machines.client.delete(nodes, { name: 'n3' })
    await eventually(async () => expect(await entries(at(1))).toBe(before))
    for (const ip of at(2).podIps) await ping(at(1), ip, mtu)
  })

  test('a restart adopts what is there: not a packet is lost, nothing is written again', async () => {
    const pings = at(1).pod.sh(`ping -q -i 0.02 -c 100 ${at(2).podIps[0]}`)
    at(1).stop()
    at(1).commands.length = 0
    await machines.start(at(1))
    await eventually(async () => expect(at(1).commands.some(line => /route show|syncconf/.test(line))).toBe(true))
    expect(await pings).toContain('100 received')
    expect(
      at(1).commands.filter(line =>
        /link (add|del)|route (replace|del) \S+ via|neigh (replace|del)|fdb (replace|del)/.test(line),
      ),
    ).toEqual([])
  })

  test('what was made for a node that went while the program did not run is removed at its start', async () => {
    at(1).stop()
    await at(1).net.sh(leftover[name]!)
    expect(await entries(at(1))).toContain('10.42.9.')
    await machines.start(at(1))
    await eventually(async () => expect(await entries(at(1))).not.toContain('10.42.9.'))
    await ping(at(1), at(2).podIps[0]!, mtu)
  })

  test('a node whose address changes is reached at the new one', async () => {
    await at(2).net.sh('ip addr del 192.0.2.2/24 dev eth0; ip addr add 192.0.2.20/24 dev eth0')
    at(2).ips[0] = '192.0.2.20'
    at(2).overlay.recheck()
    await eventually(async () => expect(await entries(at(1))).toContain('192.0.2.20'))
    await eventually(() => ping(at(1), at(2).podIps[0]!, mtu))
  })

  test('a node that cannot be reached, or claims what is not its own, holds none of the others back', async () => {
    const claim = (node: string, podCIDR: string, publicIp: string) =>
      machines.client.create(nodes, {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: {
          name: node,
          creationTimestamp: '2099-01-01T00:00:00Z',
          annotations: {
            'flannel.alpha.coreos.com/backend-type': name,
            'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
            'flannel.alpha.coreos.com/public-ip': publicIp,
            'flannel.alpha.coreos.com/backend-data': JSON.stringify({
              VtepMAC: '02:00:00:00:00:09',
              PublicKey: Buffer.alloc(32, 9).toString('base64'),
            }),
          },
        },
        spec: { podCIDR, podCIDRs: [podCIDR] },
      })
    await claim('astray', '0.0.0.0/0', '192.0.2.66')
    await claim('thief', at(1).subnets[0]!, '192.0.2.66')
    await claim('far', '10.42.66.0/24', '203.0.113.66')
    const late = await machines.add(4, mtu)
    for (const ip of late.podIps) await eventually(() => ping(at(1), ip, mtu))
    expect(await entries(at(1))).not.toContain('192.0.2.66')
    await late.end()
    for (const node of ['astray', 'thief', 'far', 'n4']) await machines.client.delete(nodes, { name: node })
    await eventually(async () => expect(await entries(at(1))).not.toMatch(/10\.42\.(66|4)\./))
  })

  test('a node whose object is made anew announces itself again', async () => {
    const { spec } = await machines.client.get(nodes, { name: 'n2' })
    await machines.client.delete(nodes, { name: 'n2' })
    await eventually(async () => expect(await entries(at(1))).not.toContain('10.42.2.'))
    await machines.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n2' }, spec })
    for (const ip of at(2).podIps) await eventually(() => ping(at(1), ip, mtu))
  })

  test('a node with another backend is left out, and said once', async () => {
    const annotations = {
      'flannel.alpha.coreos.com/backend-type': 'udp',
      'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
      'flannel.alpha.coreos.com/public-ip': '192.0.2.9',
    }
    const before = await entries(at(1))
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n9', annotations },
      spec: { podCIDRs: ['10.42.9.0/24'] },
    }
    await machines.client.create(nodes, node)
    await eventually(async () => expect(at(1).warnings.join()).toContain('another overlay backend'))
    expect(await entries(at(1))).toBe(before)
    await machines.client.delete(nodes, { name: 'n9' })
  })
})

suite('vxlan devices', () => {
  const machines = new Machines(vxlan, 1)
  const at = (index: number) => machines.all[index - 1]!
  beforeAll(() => machines.build(2, 1450))
  afterAll(() => machines.destroy())

  test('a device that somebody removed is made again, with the MAC the others know', async () => {
    await eventually(() => ping(at(1), at(2).podIps[0]!, 1450))
    const mac = () => at(2).net.sh("ip -o link show flannel.1 | grep -o 'ether [0-9a-f:]*'")
    const before = await mac()
    await at(2).net.sh('ip link del flannel.1')
    at(2).overlay.recheck()
    await eventually(() => ping(at(1), at(2).podIps[0]!, 1450))
    expect(await mac()).toBe(before)
  })

  test('a device of that name that is none of ours is replaced', async () => {
    at(2).stop()
    await at(2).net.sh('ip link del flannel.1; ip link add flannel.1 type vxlan id 7 dstport 4789')
    await machines.start(at(2))
    await eventually(() => ping(at(1), at(2).podIps[0]!, 1450))
  })
})
