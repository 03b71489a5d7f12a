/** Pods of two nodes over each overlay backend, beside the nodes' own link: bytes per second of one TCP connection, and pings. */
import type { Backend, BackendDeps } from '../../bootstrap/agent/network/overlay/backend.ts'
import { hostGateway } from '../../bootstrap/agent/network/overlay/host-gw.ts'
import { vxlan } from '../../bootstrap/agent/network/overlay/vxlan.ts'
import { wireguard } from '../../bootstrap/agent/network/overlay/wireguard.ts'
import { eventually, hasPrograms, Machines } from '../e2e/overlay-fixture.ts'
import { report } from './row.ts'

const seconds = 4
const pings = 1000

type Namespace = { sh(script: string): Promise<string> }

/** Megabytes per second of one connection. */
async function throughput(from: Namespace, to: Namespace, address: string): Promise<number> {
  const server = to.sh('exec timeout 28 iperf3 -s -1 >/dev/null')
  const text = await eventually(() => from.sh(`iperf3 --connect-timeout 1000 -J -t ${seconds} -c ${address}`))
  await server
  const { end } = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } }
  return end.sum_received.bits_per_second / 8e6
}

/** Microseconds of the mean round trip. */
async function roundTrip(from: Namespace, address: string): Promise<number> {
  const text = await from.sh(`ping -q -i 0.002 -c ${pings} ${address}`)
  return Number(/= [\d.]+\/([\d.]+)\//.exec(text)![1]) * 1000
}

async function measure(name: string, backendOf: (deps: BackendDeps) => Backend, mtu: number): Promise<void> {
  const machines = new Machines(backendOf, 1)
  try {
    await machines.build(2, mtu)
    const [one, other] = machines.all
    const [node, pod] = [other!.ips[0]!, other!.podIps[0]!]
    await eventually(() => one!.pod.sh(`ping -c 1 -W 1 ${pod}`))
    const link = "the nodes' own link"
    const bytes = { value: await throughput(one!.net, other!.net, node), what: link }
    report({
      figure: `pod to pod, ${name}`,
      unit: 'MB/s',
      skiff: await throughput(one!.pod, other!.pod, pod),
      floor: bytes,
    })
    const trip = { value: await roundTrip(one!.net, node), what: link }
    report({ figure: `pod to pod, ${name}, ping`, unit: 'µs', skiff: await roundTrip(one!.pod, pod), floor: trip })
  } finally {
    await machines.destroy()
  }
}

if (!hasPrograms('iperf3', 'ping')) console.error('bench: overlay needs iperf3 and ping')
else {
  await measure('vxlan', vxlan, 1450)
  await measure('host-gw', hostGateway, 1500)
  if (hasPrograms('wg', 'wireguard-go')) await measure('wireguard-native', wireguard, 1420)
}
