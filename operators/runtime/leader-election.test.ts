import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { errors } from '../../bootstrap/api/errors.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import { leases } from '../../bootstrap/client/resources.ts'
import { FakeClock, turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { electionTiming, runAsLeader } from './leader-election.ts'

let client: MemoryClient
let clock: FakeClock
let leading: string[]
let term: Client
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

function candidate(identity: string, name = 'skiff'): void {
  const stop = new AbortController()
  stops.set(`${identity} ${name}`.replace(' skiff', ''), stop)
  const log = { info: () => {}, warn: () => {} }
  const place = { name, namespace: 'kube-system' }
  const options = { client, clock, elapsed: () => clock.now(), log, random: () => 0, signal: stop.signal, ...place }
  void runAsLeader({ ...options, identity }, async ({ signal, client: fenced }) => {
    leading.push(identity)
    term = fenced
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

test('leases of one server that were taken at different times are renewed in the same moment', async () => {
  candidate('a')
  await clock.advance(700)
  candidate('a', 'other')
  await clock.advance(10_000)
  const renewed: { [name: string]: number[] } = {}
  client.before = ({ verb, name }) => {
    if (verb === 'update') (renewed[name] ??= []).push(clock.now())
  }
  for (let step = 0; step < 100; step++) await clock.advance(100)
  expect(renewed.skiff).toHaveLength(3)
  expect(renewed.other).toEqual(renewed.skiff)
})

test('a released lease is taken at once', async () => {
  candidate('a')
  await turns()
  candidate('b')
  await turns()
  stops.get('a')?.abort()
  await turns()
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

test('a leader that hangs on a silent datastore stops leading in time, and can write no more', async () => {
  candidate('a')
  await turns()
  await term.create(leases, { ...(await lease()), metadata: { name: 'before', namespace: 'kube-system' } })
  const real = client.update.bind(client)
  client.update = () => new Promise(() => {})
  await clock.advance(9000)
  expect(leading).toEqual(['a'])
  await clock.advance(2000)
  expect(leading).toEqual([])
  const late = term.create(leases, { ...(await lease()), metadata: { name: 'late', namespace: 'kube-system' } })
  await expect(late).rejects.toThrow('no longer the leader')
  await expect(term.as('somebody').delete(leases, { name: 'before', namespace: 'kube-system' })).rejects.toThrow(
    'no longer the leader',
  )
  client.update = real
  await clock.advance(14_000)
  expect(leading).toEqual(['a'])
})

test('timing is taken from arguments, and has to make sense', () => {
  expect(electionTiming([])).toEqual({ leaseMs: 15_000, renewWithinMs: 10_000, retryMs: 2000 })
  const args = ['leader-elect-lease-duration=60s', '--leader-elect-renew-deadline=45s', 'leader-elect-retry-period=5s']
  expect(electionTiming(args)).toEqual({ leaseMs: 60_000, renewWithinMs: 45_000, retryMs: 5000 })
  for (const [arg, problem] of [
    ['leader-elect-lease-duration=long', 'want a duration such as 15s'],
    ['leader-elect-lease-duration=10s', 'must be greater than leader-elect-renew-deadline'],
    ['leader-elect-retry-period=9s', 'must be greater than leader-elect-retry-period times 1.2'],
  ] as const)
    expect(() => electionTiming([arg])).toThrow(problem)
})
