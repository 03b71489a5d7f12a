import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import { rbacGroup } from './auth/rbac.ts'
import type { ResourceStore } from './store/store.ts'
import { type AssembledTestServer, assembledTestServer } from './testing-assembled.ts'

let api: AssembledTestServer
afterEach(() => api.stop())

test('closing ends what follows the caches, which otherwise begins again for ever', async () => {
  api = await assembledTestServer()
  // What its own first objects lead to has its turn.
  await delay(50)
  const everyStore: ResourceStore = Object.getPrototypeOf(api.store.loaded(rbacGroup, 'clusterroles'))
  const { all } = everyStore
  let reads = 0
  everyStore.all = () => {
    reads++
    // Loops of microtasks would leave the test no turn to fail in.
    throw new Error('read after the close')
  }
  await api.close()
  for (let turn = 0; turn < 1000; turn++) await Promise.resolve()
  everyStore.all = all
  expect(reads).toBe(0)
})
