import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Datastore } from '../../datastore/datastore.ts'
import { openSqlite } from '../../datastore/sqlite/sqlite.ts'
import { FaultyDatastore } from '../../datastore/testing/faulty.ts'
import { ManualClock } from '../store/manual-clock.ts'
import { MasterLeases } from './master-leases.ts'

let directory: string
let datastore: Datastore

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skiff-leases-'))
  datastore = await openSqlite({ file: join(directory, 'state.db'), clock: new ManualClock() })
})
afterEach(async () => {
  await datastore.close()
  await rm(directory, { recursive: true })
})

const onError = () => {}

function server(last: number, way: Datastore = datastore, clock = new ManualClock()): MasterLeases {
  return new MasterLeases({ datastore: way, clock, own: { ip: `192.0.2.${last}`, port: 6443 }, onError })
}
const ips = (leases: MasterLeases) => leases.live.map(({ ip }) => ip.slice(-1)).join('')

test('servers see each other; one that leaves is gone at once, the last one stays', async () => {
  const [a, b] = [server(1), server(2)]
  await a.round()
  expect(ips(a)).toBe('1')
  await b.round()
  await a.look()
  expect([ips(a), ips(b)]).toEqual(['12', '12'])
  await a.leave()
  await b.look()
  expect([ips(a), ips(b)]).toEqual(['2', '2'])
  await b.leave()
  expect(ips(b)).toBe('2')
})

test('one that moves is known by its new address alone, at once', async () => {
  const [a, b] = [server(1), server(2)]
  for (const each of [a, b]) await each.round()
  await b.moveTo({ ip: '192.0.2.9', port: 6443 })
  expect(ips(b)).toBe('19')
  await a.round()
  expect(ips(a)).toBe('19')
  await b.round()
  await b.leave()
  await a.look()
  expect(ips(a)).toBe('1')
})

test('one that is silent for three rounds of another is removed; one that beats ever more slowly is not', async () => {
  const [a, dead, slow] = [server(1), server(2), server(3)]
  for (const each of [dead, slow, a]) await each.round()
  for (let round = 0; round < 2; round++) await a.round()
  expect(ips(a)).toBe('123')
  await slow.round()
  await a.round()
  expect(ips(a)).toBe('13')
  await a.round()
  expect(ips(a)).toBe('13')
  await dead.round()
  await a.round()
  expect(ips(a)).toBe('123')
})

test('an outage or a stall of any length declares nobody dead, nor does a clock that jumps', async () => {
  const clock = new ManualClock()
  const way = new FaultyDatastore(datastore)
  const [a, b] = [server(1, way, clock), server(2)]
  await b.round()
  await a.round()
  let changes = 0
  const stop = new AbortController()
  const running = a.run(async () => void changes++, stop.signal)
  way.cut('refused')
  await clock.advance(5000)
  for (let second = 0; second < 120; second++) await clock.advance(1000)
  way.mend()
  await b.round()
  await clock.advance(3_600_000)
  expect([ips(a), changes]).toEqual(['12', 0])
  stop.abort()
  await running
})

test('an address that is used anew is taken over', async () => {
  await server(1).round()
  const again = server(1)
  await again.round()
  await again.round()
  expect(ips(again)).toBe('1')
})
