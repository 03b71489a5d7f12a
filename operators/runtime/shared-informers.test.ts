import { expect, test } from '@jest/globals'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { configMaps } from '../../bootstrap/client/resources.ts'
import { FakeClock, turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { SharedInformers } from './shared-informers.ts'

const map = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } })

function started() {
  const client = new MemoryClient()
  const sets: AbortSignal[] = []
  const shared = new SharedInformers(signal => {
    sets.push(signal)
    return createInformers(client, { clock: new FakeClock(), log: { warn: () => {} }, signal, random: () => 0 })
  })
  return { client, sets, shared }
}

test('terms share a set, which ends with the last of them; a later term begins a new one', async () => {
  const { sets, shared } = started()
  const terms = [new AbortController(), new AbortController(), new AbortController()] as const
  shared.during(terms[0].signal)
  shared.during(terms[1].signal)
  expect(sets).toHaveLength(1)
  terms[0].abort()
  expect(sets[0]!.aborted).toBe(false)
  terms[1].abort()
  expect(sets[0]!.aborted).toBe(true)
  shared.during(terms[2].signal)
  expect(sets.map(({ aborted }) => aborted)).toEqual([true, false])
  terms[2].abort()
  expect(sets[1]!.aborted).toBe(true)
})

test('what is subscribed in a term is told nothing after it, others are', async () => {
  const { client, shared } = started()
  const [short, long] = [new AbortController(), new AbortController()]
  const told: string[] = []
  for (const [name, { signal }] of [
    ['short', short],
    ['long', long],
  ] as const) {
    const informer = shared.during(signal).get(configMaps)
    informer.subscribe({ added: ({ metadata }) => told.push(`${name} ${metadata.name}`) })
    await informer.whenSynced()
  }
  await client.create(configMaps, map('a'))
  await turns()
  short.abort()
  await client.create(configMaps, map('b'))
  await turns()
  expect(told.sort()).toEqual(['long a', 'long b', 'short a'])
  long.abort()
})

test('a term that is over before it begins is its own', () => {
  const { sets, shared } = started()
  shared.during(AbortSignal.abort())
  expect(sets[0]!.aborted).toBe(true)
})
