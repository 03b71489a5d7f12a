import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Node, nodes, type Secret, secrets } from '../../bootstrap/client/resources.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { nodePasswords } from './passwords.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(nodePasswords())
})
afterEach(() => harness.stop())

const minutes = 60_000
const addNode = (name: string) =>
  harness.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} } as Node)
const addSecret = (node: string, type = 'k3s.cattle.io/node-password') =>
  harness.client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    type,
    metadata: { name: `${node}.node-password.k3s`, namespace: 'kube-system' },
    immutable: true,
    data: { hash: 'eA==' },
  } as Secret)
const all = async () => (await harness.client.list(secrets, { namespace: 'kube-system' })).items
const ownersOf = async (node: string) =>
  (await all()).find(({ metadata }) => metadata.name === `${node}.node-password.k3s`)?.metadata.ownerReferences

test('the Secret belongs to its node, once there is one', async () => {
  await addSecret('web')
  await harness.idle()
  expect(await ownersOf('web')).toBeUndefined()
  const { metadata } = await addNode('web')
  await harness.idle()
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'web', uid: metadata.uid }
  expect(await ownersOf('web')).toEqual([owner])
  await harness.advance(60 * minutes)
  expect(await ownersOf('web')).toEqual([owner])
})

test('one whose node never came goes after ten minutes, not before', async () => {
  await addSecret('lost')
  await harness.idle()
  await harness.advance(9 * minutes)
  expect(await all()).toHaveLength(1)
  await harness.advance(1 * minutes)
  expect(await all()).toHaveLength(0)
})

test('those of older servers get their type', async () => {
  await addNode('old')
  await addSecret('old', 'Opaque')
  await harness.idle()
  const [secret] = await all()
  expect(secret).toMatchObject({ type: 'k3s.cattle.io/node-password', immutable: true, data: { hash: 'eA==' } })
  expect(secret!.metadata.ownerReferences).toHaveLength(1)
})

test('other Secrets are let be', async () => {
  const other = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name: 'x', namespace: 'kube-system' } }
  await harness.client.create(secrets, other)
  await harness.advance(60 * minutes)
  expect(await all()).toHaveLength(1)
})
