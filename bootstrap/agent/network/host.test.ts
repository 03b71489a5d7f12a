import { expect, test } from '@jest/globals'
import { prepareBridge } from './host.ts'

/** The `ip` commands that change something, on a host with these interfaces and this default route. */
async function changes(interfaces: readonly string[], defaultRoute: string): Promise<string[]> {
  const run: string[] = []
  const exec = async (program: string, args: readonly string[]) => {
    const line = [program, ...args].join(' ')
    if (line === 'ip -j link show') return JSON.stringify(interfaces.map(ifname => ({ ifname })))
    if (line === 'ip -4 route show default') return defaultRoute
    run.push(line)
    return ''
  }
  await prepareBridge(exec, {
    podCidrs: ['10.42.0.0/24'],
    serviceCidrs: ['10.43.0.0/16'],
    nodeIps: ['192.0.2.1'],
    mtu: 1450,
  })
  return run
}

const settings = ['ip link set cni0 mtu 1450 up', 'ip addr replace 10.42.0.1/24 brd + dev cni0']

test('a bridge is made where there is none, services get a route where nothing else has one', async () => {
  expect(await changes(['lo', 'eth0'], '')).toEqual([
    'ip link add cni0 type bridge',
    ...settings,
    'ip route replace 10.43.0.0/16 dev cni0 src 192.0.2.1',
  ])
})

test('the bridge that is there is kept', async () => {
  expect(await changes(['lo', 'cni0'], 'default via 192.0.2.254 dev eth0\n')).toEqual(settings)
})
