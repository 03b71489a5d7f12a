import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from '@jest/globals'
import { prepareBridge, setSwitches } from './host.ts'

/** A bridge as `ip` tells of it. */
const cni0 = (...addresses: string[]) => ({
  ifname: 'cni0',
  mtu: 1450,
  flags: ['UP'],
  addr_info: addresses.map(address => {
    const [local = '', bits] = address.split('/')
    return { family: local.includes(':') ? 'inet6' : 'inet', local, prefixlen: Number(bits), scope: 'global' }
  }),
})

/** What changes something, on a host with these interfaces and this default route. */
async function changes(interfaces: readonly object[], defaultRoute: string): Promise<string[]> {
  const run: string[] = []
  const exec = async (program: string, args: readonly string[], input = '') => {
    const line = [program, ...args].join(' ')
    if (line === 'ip -j -d addr show') return JSON.stringify([{ ifname: 'lo', flags: [] }, ...interfaces])
    if (/^ip -[46] route show default$/.test(line)) return defaultRoute
    run.push(...(input === '' ? [line] : input.trimEnd().split('\n')))
    return ''
  }
  await prepareBridge(exec, {
    podCidrs: ['10.42.0.0/24', 'fd00:42::/64'],
    serviceCidrs: ['10.43.0.0/16', 'fd00:43::/112'],
    nodeIps: ['192.0.2.1', '2001:db8::1'],
    mtu: 1450,
  })
  return run
}

const elsewhere = 'default via 192.0.2.254 dev eth0\n'

test('a bridge is made where there is none, services get a route where nothing else has one', async () => {
  expect(await changes([], '')).toEqual([
    'link add cni0 type bridge',
    'link set cni0 mtu 1450 up',
    'addr add 10.42.0.1/24 brd + dev cni0',
    'addr add fd00:42::1/64 nodad dev cni0',
    'ip route replace 10.43.0.0/16 dev cni0 src 192.0.2.1',
    'ip route replace fd00:43::/112 dev cni0 src 2001:db8::1',
  ])
})

test('the bridge that is there is kept, and what embedded pods have on it', async () => {
  const right = cni0('10.42.0.1/24', 'fd00:42::1/64', '10.42.0.7/32', 'fd00:42::7/128')
  expect(await changes([right], elsewhere)).toEqual([])
})

test('gateways of another pod network are taken off', async () => {
  expect(await changes([cni0('10.42.5.1/24', 'fd00:42::1/64')], elsewhere)).toEqual([
    'addr del 10.42.5.1/24 dev cni0',
    'addr add 10.42.0.1/24 brd + dev cni0',
  ])
})

test('the switches of a family are set, missing ones are told, and routers are still listened to', () => {
  const root = mkdtempSync(join(tmpdir(), 'skiff-sys-'))
  const conf = 'net/ipv6/conf'
  const files: { [path: string]: string } = {
    [`${conf}/all/forwarding`]: '0',
    [`${conf}/default/accept_ra`]: '1',
    [`${conf}/eth0/accept_ra`]: '1',
    [`${conf}/eth1/accept_ra`]: '0',
    [`${conf}/cni0/accept_ra`]: '1',
    'net/ipv4/ip_forward': '0',
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  expect(setSwitches(['IPv6'], root)).toEqual(['net/bridge/bridge-nf-call-ip6tables'])
  const now = Object.fromEntries(Object.keys(files).map(path => [path, readFileSync(join(root, path), 'utf8')]))
  expect(now).toEqual({ ...files, [`${conf}/all/forwarding`]: '1', [`${conf}/eth0/accept_ra`]: '2' })
  rmSync(root, { recursive: true })
})
