import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { expect, test } from '@jest/globals'
import { Metrics } from '../metrics.ts'
import { AddressIndex, kubeletAddressOf } from './addresses.ts'
import { createEgress } from './egress.ts'
import { NoSessionError, type Tunnels } from './tunnels.ts'

function node(name: string, ip: string, labels: { [key: string]: string } = {}, port = 10250) {
  const status = {
    addresses: [
      { type: 'InternalIP', address: ip },
      { type: 'Hostname', address: name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  }
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {}, status }
}

function pod(uid: string, nodeName: string, ip: string, more: object = {}, phase = 'Running') {
  const spec = { nodeName, containers: [], ...more }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: uid, uid }, spec, status: { phase, podIPs: [{ ip }] } }
}

const egressLabel = { 'egress.k3s.io/cluster': 'true' }

function indexed(): AddressIndex {
  const index = new AddressIndex()
  index.nodes.set(node('own', '192.0.2.1', egressLabel))
  index.nodes.set(node('far', '192.0.2.2', egressLabel, 10251))
  index.nodes.set(node('closed', '192.0.2.3'))
  index.pods.set(pod('a', 'far', '10.42.1.1'))
  index.pods.set(pod('b', 'closed', '10.42.2.1'))
  index.pods.set(pod('c', 'own', '10.42.0.1'))
  index.pods.set(pod('d', 'far', '192.0.2.2', { hostNetwork: true }))
  return index
}

type Dial = (node: string, host: string, port: number) => Promise<PassThrough>

function egress(mode: string, dial: Dial, index = indexed()) {
  const warnings: string[] = []
  const tunnels = { dial, counts: () => [['far', 2]] } as unknown as Tunnels
  const log = { warn: (fields: object, message: string) => warnings.push(`${message} ${JSON.stringify(fields)}`) }
  return { warnings, ...createEgress({ mode, localNode: 'own', port: 6443, tunnels, index, log }) }
}

test.each([
  // target, mode, what the tunnel is asked for
  ['10.42.1.1', 443, 'cluster', 'far 10.42.1.1:443'],
  ['10.42.2.1', 443, 'cluster', undefined],
  ['10.42.0.1', 443, 'cluster', undefined],
  ['10.42.9.9', 443, 'cluster', undefined],
  ['example.com', 443, 'cluster', undefined],
  ['192.0.2.2', 10251, 'agent', 'far 127.0.0.1:10251'],
  ['192.0.2.2', 10010, 'agent', 'far 127.0.0.1:10010'],
  ['192.0.2.2', 9100, 'cluster', 'far 192.0.2.2:9100'],
  ['192.0.2.3', 10250, 'agent', 'closed 127.0.0.1:10250'],
  ['192.0.2.3', 9100, 'cluster', undefined],
  ['192.0.2.1', 10250, 'agent', undefined],
  ['10.42.1.1', 443, 'disabled', undefined],
  ['192.0.2.2', 10251, 'disabled', undefined],
])('%s:%i in mode %s: %s', async (host, port, mode, asked) => {
  const dialled: string[] = []
  const { through } = egress(mode, async (name, target, at) => {
    dialled.push(`${name} ${target}:${at}`)
    return new PassThrough()
  })
  await through(host, port)
  expect(dialled).toEqual(asked === undefined ? [] : [asked])
})

test('no session: a kubelet is out of reach in the words of K3s, all else is dialled directly', async () => {
  const { through, toKubelet, warnings, metrics } = egress('cluster', async name => {
    throw new NoSessionError(name)
  })
  const words = 'proxy error from 127.0.0.1:6443 while dialing 192.0.2.2:10251, code 502: 502 Bad Gateway'
  await expect(through('192.0.2.2', 10251)).rejects.toThrow(words)
  await expect(toKubelet('far', { host: '192.0.2.2', port: 10251 })).rejects.toThrow(words)
  expect(warnings[0]).toContain('failed to find Session for client far')
  expect(toKubelet('own', { host: '192.0.2.1', port: 10250 })).toBeUndefined()

  const server = createServer(socket => socket.end('direct')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const index = indexed()
  index.pods.set(pod('e', 'far', '127.0.0.1'))
  const past = await egress('pod', async name => Promise.reject(new NoSessionError(name)), index).through(
    '127.0.0.1',
    port,
  )
  expect(String((await once(past!, 'data'))[0])).toBe('direct')
  past!.destroy()
  await new Promise(resolve => server.close(resolve))

  const all = new Metrics()
  all.register(...metrics)
  expect(all.text()).toContain('apiserver_egress_dialer_dial_start_total{protocol="http_connect",transport="tcp"} 2')
  expect(all.text()).toContain(
    'apiserver_egress_dialer_dial_failure_count{protocol="http_connect",stage="proxy",transport="tcp"} 2',
  )
  expect(all.text()).toContain('skiff_tunnel_sessions{node="far"} 2')
})

test('addresses move, and go', () => {
  const index = indexed()
  index.nodes.set(node('far', '192.0.2.9'))
  expect(index.locate('192.0.2.2')).toBeUndefined()
  expect(index.locate('192.0.2.9')).toEqual({ node: 'far', kubeletPort: 10250 })
  expect(index.allowsEgress('far')).toBe(false)
  index.nodes.delete(node('far', '192.0.2.9'))
  expect(index.locate('192.0.2.9')).toBeUndefined()

  index.pods.set(pod('new', 'own', '10.42.1.1'))
  index.pods.delete(pod('a', 'far', '10.42.1.1'))
  expect(index.locate('10.42.1.1')).toEqual({ node: 'own' })
  index.pods.set(pod('new', 'own', '10.42.1.1', {}, 'Succeeded'))
  expect(index.locate('10.42.1.1')).toBeUndefined()
  index.pods.clear()
  expect(index.locate('10.42.2.1')).toBeUndefined()
})

test('the address of a kubelet', () => {
  const addresses = (...list: string[][]) => ({
    status: { addresses: list.map(([type = '', address = '']) => ({ type, address })) },
  })
  expect(kubeletAddressOf(addresses(['ExternalIP', 'e'], ['InternalIP', 'i']))).toBe('i')
  expect(kubeletAddressOf(addresses(['Hostname', 'h'], ['ExternalIP', 'e']))).toBe('e')
  expect(kubeletAddressOf(addresses(['Hostname', 'h']))).toBe('h')
  expect(kubeletAddressOf({ status: {} })).toBeUndefined()
})
