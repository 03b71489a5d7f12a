import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import type { Client, Resource } from '../../client/client.ts'
import { type CustomResourceDefinition, customResourceDefinitions } from '../../client/resources.ts'
import { assembledPeers, type TestPeers } from '../testing-assembled.ts'

let peers: TestPeers
let clients: readonly Client[]

beforeEach(async () => {
  peers = await assembledPeers(2)
  clients = peers.servers.map(server => server.client())
})
afterEach(() => peers.stop())

const definition = (plural: string, kind: string): CustomResourceDefinition => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.example.com` },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural, kind },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
})
const of = (client: Client, plural: string) => client.get(customResourceDefinitions, { name: `${plural}.example.com` })
const isTrue = ({ status }: CustomResourceDefinition, type: string) =>
  status?.conditions?.some(condition => condition.type === type && condition.status === 'True') ?? false

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise(resolve => setTimeout(resolve, 10))
}

test('a kind that one server calls established the other serves', async () => {
  const things: Resource = { group: 'example.com', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true }
  await clients[0]!.create(customResourceDefinitions, definition('things', 'Thing'))
  await until(async () => isTrue(await of(clients[0]!, 'things'), 'Established'))
  peers.ways[1]!.hold()
  const thing: KubeObject = {
    apiVersion: 'example.com/v1',
    kind: 'Thing',
    metadata: { name: 'one', namespace: 'default' },
  }
  const before = peers.ways[1]!.asked
  const answering = peers.servers[1]!.server.handle({
    method: 'POST',
    path: '/apis/example.com/v1/namespaces/default/things',
    query: new URLSearchParams(),
    headers: { 'content-type': 'application/json' },
    user: { name: 'admin', uid: '', groups: ['system:masters'], extra: {} },
    signal: new AbortController().signal,
    body: async () => Buffer.from(JSON.stringify(thing)),
  } as never)
  // It need not ask when it had heard of the kind before.
  let done = false
  void answering.finally(() => (done = true))
  await until(async () => done || peers.ways[1]!.asked > before)
  peers.ways[1]!.flow()
  const answered = await answering
  expect(answered.status).toBe(201)
  expect((await clients[0]!.get(things, { name: 'one', namespace: 'default' })).kind).toBe('Thing')
})

test('of two definitions of one kind, made through different servers, one is accepted', async () => {
  for (let round = 0; round < 5; round++) {
    const plurals = [`as${round}`, `bs${round}`]
    await Promise.all(
      clients.map((client, i) => client.create(customResourceDefinitions, definition(plurals[i]!, `Kind${round}`))),
    )
    const accepted = async () => {
      const both = await Promise.all(plurals.map(plural => of(clients[0]!, plural)))
      return both.filter(one => isTrue(one, 'NamesAccepted')).length
    }
    await until(async () => {
      const both = await Promise.all(plurals.map(plural => of(clients[1]!, plural)))
      return both.every(({ status }) => status?.conditions?.some(({ type }) => type === 'NamesAccepted'))
    })
    expect(await accepted()).toBe(1)
  }
})
