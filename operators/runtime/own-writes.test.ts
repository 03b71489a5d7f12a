import { expect, test } from '@jest/globals'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Informer } from '../../bootstrap/client/informer.ts'
import { OwnWrites } from './own-writes.ts'

const object = (name: string, uid: string, resourceVersion: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, uid, resourceVersion },
})
const cache = (...objects: readonly KubeObject[]) =>
  ({ get: (key: string) => objects.find(({ metadata }) => metadata.name === key) }) as unknown as Informer

test('a write is seen once the cache holds that version or a later one', () => {
  const writes = new OwnWrites()
  expect(writes.seen('o', cache())).toBe(true)
  writes.wrote('o', object('a', '1', '9'))
  expect(writes.seen('o', cache())).toBe(false)
  expect(writes.seen('o', cache(object('a', '1', '8')))).toBe(false)
  expect(writes.seen('other', cache())).toBe(true)
  expect(writes.seen('o', cache(object('a', '1', '10')))).toBe(true)
  expect(writes.seen('o', cache())).toBe(true)
})

test('a deletion is seen once the cache holds nothing, or another object', () => {
  for (const after of [cache(), cache(object('a', '2', '9'))]) {
    const writes = new OwnWrites()
    writes.deleted('o', object('a', '1', '5'))
    expect(writes.seen('o', cache(object('a', '1', '5')))).toBe(false)
    expect(writes.seen('o', after)).toBe(true)
  }
})

test('what somebody else deleted is not waited for', () => {
  const writes = new OwnWrites()
  writes.wrote('o', object('a', '1', '9'))
  writes.gone('o', object('a', '1', '10'))
  expect(writes.seen('o', cache())).toBe(true)
})
