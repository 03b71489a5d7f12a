import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { ignoreNotFound } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Resource } from '../../client/client.ts'
import { assembledPeers, type TestPeers } from '../testing-assembled.ts'

const endpoints: Resource = { group: '', version: 'v1', resource: 'endpoints', kind: 'Endpoints', namespaced: true }
const slices: Resource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  resource: 'endpointslices',
  kind: 'EndpointSlice',
  namespaced: true,
}
const name = { name: 'kubernetes', namespace: 'default' }
let peers: TestPeers

beforeEach(async () => {
  peers = await assembledPeers(2)
})
afterEach(() => peers.stop())

interface Published extends KubeObject {
  readonly subsets?: readonly { readonly addresses: readonly { readonly ip: string }[] }[]
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[]
}

/** The last digits of the addresses in Endpoints and EndpointSlice. */
async function published(): Promise<string> {
  const client = peers.servers[0]!.client()
  const old = ((await client.get(endpoints, name).catch(ignoreNotFound)) ?? {}) as Published
  const slice = ((await client.get(slices, name).catch(ignoreNotFound)) ?? {}) as Published
  const digits = (ips: readonly string[]) =>
    ips
      .map(ip => ip.at(-1))
      .toSorted()
      .join('')
  return [
    digits(old.subsets?.flatMap(subset => subset.addresses.map(({ ip }) => ip)) ?? []),
    digits(slice.endpoints?.flatMap(({ addresses }) => addresses) ?? []),
  ].join(' ')
}

async function until(expected: string): Promise<void> {
  while ((await published()) !== expected) await new Promise(resolve => setTimeout(resolve, 20))
}

test('the Service kubernetes leads to all servers that are alive', async () => {
  await until('12 12')
  // They agree: nobody writes any more.
  const { resourceVersion } = (await peers.servers[0]!.client().get(endpoints, name)).metadata
  await peers.servers[0]!.client().delete(endpoints, name)
  await until('12 12')
  expect((await peers.servers[0]!.client().get(endpoints, name)).metadata.resourceVersion).not.toBe(resourceVersion)
  await peers.servers[1]!.leave()
  await until('1 1')
})

test('one that is cut off is taken out, and put back when it returns', async () => {
  await until('12 12')
  peers.ways[1]!.cut('refused')
  await until('1 1')
  peers.ways[1]!.mend()
  await until('12 12')
})
