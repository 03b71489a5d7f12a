import { expect, test } from '@jest/globals'
import { type ChangeEvent, EventRing } from './event-ring.ts'
import { StoredObject } from './stored-object.ts'

const prefix = '/registry/core/configmaps/'

function event(revision: number, size = 10): ChangeEvent {
  const value = Buffer.from(`{"kind":"K","apiVersion":"v1","metadata":{"name":"a"},"data":"${'x'.repeat(size)}"}`)
  return { type: 'ADDED', stored: StoredObject.from(prefix, `${prefix}ns/a`, value, revision), previous: undefined }
}

const minute = 60_000

test.each<[string, { count: number; size?: number; everyMs?: number }, { floor: number; kept: number }]>([
  ['keeps what fits', { count: 5 }, { floor: 7, kept: 5 }],
  ['keeps 10,000 events', { count: 12_500 }, { floor: 10 + 2 * 2499, kept: 10_000 }],
  ['keeps 32 MB', { count: 40, size: 1024 * 1024 }, { floor: 10 + 2 * 8, kept: 31 }],
  ['keeps five minutes', { count: 20, everyMs: minute }, { floor: 10 + 2 * 13, kept: 6 }],
  ['keeps the newest event however large', { count: 2, size: 40 * 1024 * 1024 }, { floor: 10, kept: 1 }],
])('%s', (_, { count, size, everyMs = 0 }, { floor, kept }) => {
  const ring = new EventRing(7)
  for (let i = 0; i < count; i++) ring.push([event(10 + 2 * i, size)], i * everyMs)
  expect(ring.floor).toBe(floor)
  expect([ring.first, ring.end]).toEqual([count - kept, count])
  expect(ring.slice(ring.first, kept + 1).map(({ stored }) => stored.revision)).toEqual(
    Array.from({ length: kept }, (_, i) => 10 + 2 * (count - kept + i)),
  )
})

test('finds events by revision', () => {
  const ring = new EventRing(7)
  ring.push([event(10), event(12), event(14)], 0)
  expect([7, 9, 10, 11, 13, 14, 20].map(revision => ring.after(revision))).toEqual([0, 0, 1, 1, 2, 3, 3])
  expect([10, 11, 14, 15].map(revision => ring.at(revision)?.stored.revision)).toEqual([10, undefined, 14, undefined])
})

test('goes on counting after it was emptied', () => {
  const ring = new EventRing(7)
  ring.push([event(10), event(12)], 0)
  ring.trim(6 * minute)
  expect([ring.empty, ring.first, ring.end, ring.floor]).toEqual([true, 2, 2, 12])
  ring.push([event(14)], 6 * minute)
  ring.reset(20)
  expect([ring.empty, ring.first, ring.end, ring.floor]).toEqual([true, 3, 3, 20])
})
