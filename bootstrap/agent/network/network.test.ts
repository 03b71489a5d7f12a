import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { createInformers } from '../../client/informers.ts'
import { endpointSlices, type Service, services } from '../../client/resources.ts'
import { FakeClock, turns } from '../../client/testing/fake-clock.ts'
import { MemoryClient } from '../../client/testing/memory-client.ts'
import { createLogger } from '../../log.ts'
import { conflist, writeConflist } from './cni.ts'
import { gatewayOf } from './host.ts'
import { ServiceProxy } from './services/proxy.ts'

const silent = createLogger({
  debug: false,
  stream: { write: () => true } as unknown as NodeJS.WritableStream,
  pretty: false,
})

const service = (name: string, ip: string, protocol = 'TCP') =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'ns' },
    spec: { clusterIP: ip, clusterIPs: [ip], ports: [{ port: 53, protocol }] },
  }) as Service

const slice = (name: string, protocol: string, ...ips: string[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'ns', labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  endpoints: ips.map(ip => ({ addresses: [ip] })),
  ports: [{ port: 53, protocol }],
})

/** A proxy over the memory client whose nft fails while `broken`. */
async function startProxy() {
  const client = new MemoryClient()
  const clock = new FakeClock()
  const stop = new AbortController()
  const state = { broken: false, scripts: [] as string[], commands: [] as string[] }
  const informers = createInformers(client, { clock, log: silent, signal: stop.signal, random: () => 0 })
  const proxy = new ServiceProxy({
    services: informers.get(services),
    slices: informers.get(endpointSlices),
    node: 'n1',
    clusterCidrs: ['10.42.0.0/16'],
    exec: async (program, args, input = '') => {
      if (program === 'nft' && state.broken) throw new Error('no memory')
      if (program === 'nft') state.scripts.push(input)
      else state.commands.push([program, ...args].join(' '))
      return ''
    },
    clock,
    log: silent,
    random: () => 0,
  })
  await proxy.start(stop.signal)
  return { client, clock, stop, state }
}

test('the first table is whole, later ones are differences', async () => {
  const { client, stop, state } = await startProxy()
  expect(state.scripts).toHaveLength(1)
  expect(state.scripts[0]).toMatch(/^add table ip skiff-services\ndelete table ip skiff-services\n/)
  await client.create(services, service('web', '10.43.0.9'))
  await turns(20)
  expect(state.scripts).toHaveLength(2)
  expect(state.scripts[1]).toBe('add element ip skiff-services refused-ips { 10.43.0.9 . tcp . 53 : goto refuse }\n')
  stop.abort()
})

test('after a failure the table is written whole again, once nft works', async () => {
  const { client, clock, stop, state } = await startProxy()
  state.broken = true
  await client.create(services, service('web', '10.43.0.9'))
  await turns(20)
  expect(state.scripts).toHaveLength(1)
  state.broken = false
  await clock.advance(60_000)
  await turns(20)
  expect(state.scripts).toHaveLength(2)
  expect(state.scripts[1]).toContain('delete table ip skiff-services')
  stop.abort()
})

test('UDP flows to an endpoint that is gone are forgotten', async () => {
  const { client, stop, state } = await startProxy()
  await client.create(services, service('dns', '10.43.0.10', 'UDP'))
  await client.create(endpointSlices, slice('dns', 'UDP', '10.42.0.2', '10.42.0.3'))
  await turns(20)
  const current = await client.get(endpointSlices, { name: 'dns', namespace: 'ns' })
  await client.update(endpointSlices, { ...current, endpoints: [{ addresses: ['10.42.0.3'] }] })
  await turns(20)
  expect(state.commands).toContain('conntrack -D -p udp --orig-dst 10.43.0.10 --dst-nat 10.42.0.2')
  stop.abort()
})

test('the CNI configuration is the bridge with the portmap plugin, and is written only when it changes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-cni-'))
  const options = { podCidrs: ['10.42.3.0/24'], mtu: 1450 }
  writeConflist(folder, options)
  const path = join(folder, '10-flannel.conflist')
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
    name: 'cbr0',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        mtu: 1450,
        hairpinMode: true,
        ipam: { ranges: [[{ subnet: '10.42.3.0/24' }]] },
      },
      { type: 'portmap' },
    ],
  })
  const { ino } = statSync(path)
  writeConflist(folder, options)
  expect(statSync(path).ino).toBe(ino)
  writeConflist(folder, { ...options, mtu: 1500 })
  expect(readFileSync(path, 'utf8')).toBe(conflist({ ...options, mtu: 1500 }))
  writeFileSync(join(folder, 'own.conflist'), '{}')
  writeConflist(folder, options, join(folder, 'own.conflist'))
  expect(readFileSync(path, 'utf8')).toBe('{}')
  rmSync(folder, { recursive: true })
})

test('the bridge has the first address of the pod network', () => {
  expect(gatewayOf('10.42.3.0/24')).toBe('10.42.3.1/24')
})
