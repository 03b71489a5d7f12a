import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { errors } from '../../bootstrap/api/errors.ts'
import { leases } from '../../bootstrap/client/resources.ts'
import { FakeClock, turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { runAsLeader } from './leader-election.ts'

let client: MemoryClient
let clock: FakeClock
let leading: string[]
let stops: Map<string, AbortController>

beforeEach(() => {
  client = new MemoryClient()
  clock = new FakeClock()
  leading = []
  stops = new Map()
})
afterEach(() => {
  for (const stop of stops.values()) stop.abort()
})

function candidate(identity: string): void {
  const stop = new AbortController()
  stops.set(identity, stop)
  const log = { info: () => {}, warn: () => {} }
  const options = { client, clock, log, random: () => 0, signal: stop.signal, name: 'skiff', namespace: 'kube-system' }
  void runAsLeader({ ...options, identity }, async signal => {
    leading.push(identity)
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    leading.splice(leading.indexOf(identity), 1)
  })
}

const lease = () => client.get(leases, { name: 'skiff', namespace: 'kube-system' })

test('one of two leads, and keeps the lease renewed', async () => {
  candidate('a')
  await turns()
  candidate('b')
  await clock.advance(60_000)
  expect(leading).toEqual(['a'])
  expect((await lease()).spec).toMatchObject({ holderIdentity: 'a', leaseTransitions: 0, leaseDurationSeconds: 15 })
})

test('a released lease is taken at the next try', async () => {
  candidate('a')
  await turns()
  candidate('b')
  await turns()
  stops.get('a')?.abort()
  await clock.advance(2000)
  expect(leading).toEqual(['b'])
  expect((await lease()).spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 })
})

test('a leader that cannot renew stops leading, and leads again when it can', async () => {
  candidate('a')
  await turns()
  client.before = call => {
    if (call.verb === 'update') throw errors.serviceUnavailable('slow disk')
  }
  await clock.advance(12_000)
  expect(leading).toEqual([])
  client.before = () => {}
  await clock.advance(4000)
  expect(leading).toEqual(['a'])
})

test('a dead leader is replaced after its lease has run out', async () => {
  await client.create(leases, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'skiff', namespace: 'kube-system' },
    spec: { holderIdentity: 'dead', leaseDurationSeconds: 15 },
  })
  candidate('b')
  await clock.advance(15_000)
  expect(leading).toEqual([])
  await clock.advance(3000)
  expect(leading).toEqual(['b'])
})
