import { expect, test } from '@jest/globals'
import { nodes, type Pod, pods } from '../../client/resources.ts'
import { turns } from '../../client/testing/fake-clock.ts'
import { MemoryClient } from '../../client/testing/memory-client.ts'
import { hashAnnotation, mirrorAnnotation } from './identity.ts'
import { Mirrors } from './mirrors.ts'
import { testPod } from './testing.ts'

const name = { namespace: 'ns', name: 'p' }
/** A static pod; its uid is its hash. */
const staticPod = (uid: string) => testPod({}, { uid, annotations: { [hashAnnotation]: uid } })

async function start() {
  const client = new MemoryClient()
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, spec: {} })
  const mirrors = new Mirrors(client, 'n', { warn: () => {} })
  const mirror = () => client.get(pods, name).catch(() => undefined)
  const hash = async () => (await mirror())?.metadata.annotations?.[mirrorAnnotation]
  /** As the informer would: tells of the object that is there. */
  const see = async () => mirrors.seen((await mirror()) as Pod)
  return { client, mirrors, mirror, hash, see }
}

test('a static pod has a mirror of its own identity, owned by the node', async () => {
  const { mirrors, mirror, see } = await start()
  mirrors.addStatic(staticPod('one'))
  await turns(20)
  const made = await mirror()
  expect(made?.metadata.uid).not.toBe('one')
  expect(made?.metadata.ownerReferences).toMatchObject([{ kind: 'Node', name: 'n', controller: true }])
  expect(await see()).toBe('one')
  expect(mirrors.apiObjectOf(staticPod('one'))?.metadata.uid).toBe(made?.metadata.uid)
})

test('a deleted mirror is made again', async () => {
  const { client, mirrors, mirror, hash, see } = await start()
  mirrors.addStatic(staticPod('one'))
  await turns(20)
  await see()
  const first = (await mirror()) as Pod
  await client.delete(pods, name, { gracePeriodSeconds: 0 })
  mirrors.lost(first)
  await turns(20)
  expect(await hash()).toBe('one')
})

test('a changed file: the new mirror is made once the old one is gone', async () => {
  const { mirrors, mirror, hash, see } = await start()
  mirrors.addStatic(staticPod('one'))
  await turns(20)
  await see()
  const first = (await mirror()) as Pod
  mirrors.addStatic(staticPod('two'))
  await turns(20)
  expect(await hash()).toBe('one')
  mirrors.removeStatic('one')
  await turns(20)
  mirrors.lost(first)
  await turns(20)
  expect(await hash()).toBe('two')
})

test('a mirror of nothing is deleted', async () => {
  const { mirrors, mirror, see } = await start()
  mirrors.addStatic(staticPod('one'))
  await turns(20)
  mirrors.removeStatic('one')
  expect(await see()).toBeUndefined()
  await turns(20)
  expect(await mirror()).toBeUndefined()
})
