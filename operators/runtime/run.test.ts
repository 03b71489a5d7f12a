import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { keyOf } from '../../bootstrap/api/object.ts'
import { configMaps } from '../../bootstrap/client/resources.ts'
import { turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { done, type Operator, on } from './operator.ts'
import { Harness } from './testing/harness.ts'

let harness: Harness
beforeEach(() => {
  harness = new Harness()
})
afterEach(() => harness.stop())

const configMap = (name: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
})

function watcher(reconcile: Operator['reconcile']): Operator {
  return { name: 'test', watches: [on(configMaps, object => keyOf(object))], reconcile }
}

test('reconciles what is there and what comes, after the caches are complete', async () => {
  const seen: string[] = []
  await harness.client.create(configMaps, configMap('a'))
  await harness.client.create(configMaps, configMap('b'))
  await harness.start(
    watcher(async (key, { informers }) => {
      seen.push(`${key} of ${informers.get(configMaps).list().length}`)
      return done
    }),
  )
  await harness.client.delete(configMaps, { name: 'a', namespace: 'default' })
  await harness.idle()
  expect(seen).toEqual(['default/a of 2', 'default/b of 2', 'default/a of 1'])
})

test('work that takes real time, such as that on files, is waited for', async () => {
  let read = false
  await harness.client.create(configMaps, configMap('a'))
  await harness.start(
    watcher(async () => {
      await new Promise(resolve => setTimeout(resolve, 300))
      read = true
      return done
    }),
  )
  expect(read).toBe(true)
})

test('a throwing reconcile is logged with its key and retried with back-off', async () => {
  let tries = 0
  await harness.client.create(configMaps, configMap('a'))
  await harness.start(
    watcher(async () => {
      if (++tries < 3) throw new Error('not yet')
      return done
    }),
  )
  expect(tries).toBe(1)
  await harness.advance(5 + 10)
  expect(tries).toBe(3)
  expect(harness.failures).toMatchObject([
    { operator: 'test', key: 'default/a', failures: 0 },
    { operator: 'test', key: 'default/a', failures: 1 },
  ])
})

test('a reconcile may ask to be called again', async () => {
  let calls = 0
  await harness.client.create(configMaps, configMap('a'))
  await harness.start(watcher(async () => (++calls < 3 ? { requeueAfterMs: 1000 } : done)))
  await harness.advance(999)
  expect(calls).toBe(1)
  await harness.advance(5000)
  expect(calls).toBe(3)
})

test('one key is never reconciled twice at the same time', async () => {
  let running = 0
  let most = 0
  let calls = 0
  await harness.client.create(configMaps, configMap('a'))
  await harness.start(
    watcher(async () => {
      calls++
      most = Math.max(most, ++running)
      await turns(3)
      running--
      return done
    }),
  )
  for (const value of ['1', '2', '3']) {
    await harness.client.patch(configMaps, { name: 'a', namespace: 'default' }, { data: { value } }, { type: 'merge' })
    await turns(1)
  }
  await harness.idle()
  expect(most).toBe(1)
  expect(calls).toBeGreaterThan(1)
})
