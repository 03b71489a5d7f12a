import { beforeEach, expect, test } from '@jest/globals'
import type { Event, Pod } from '../../bootstrap/client/resources.ts'
import { FakeClock, turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { createEventRecorder } from './events.ts'

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '7' },
  spec: { containers: [] },
}

let client: MemoryClient
let clock: FakeClock
beforeEach(() => {
  client = new MemoryClient()
  clock = new FakeClock()
})

const recorder = () => createEventRecorder({ client, clock, log: { debug: () => {} }, component: 'job-controller' })
const written = () => [...client.store.table('/events').values()] as unknown as Event[]

test('an event names its object, source and time', async () => {
  recorder().event(pod, 'Warning', 'Failed', 'no luck')
  await turns()
  expect(written()).toMatchObject([
    {
      metadata: { namespace: 'shop', name: expect.stringMatching(/^web\.[0-9a-f]{16}$/) },
      involvedObject: {
        kind: 'Pod',
        apiVersion: 'v1',
        name: 'web',
        namespace: 'shop',
        uid: 'u1',
        resourceVersion: '7',
      },
      reason: 'Failed',
      message: 'no luck',
      type: 'Warning',
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'job-controller' },
      reportingComponent: 'job-controller',
    },
  ])
})

test('the same event again raises the count', async () => {
  const events = recorder()
  events.event(pod, 'Normal', 'Seen', 'again')
  await clock.advance(2000)
  events.event(pod, 'Normal', 'Seen', 'again')
  events.event(pod, 'Normal', 'Seen', 'other')
  await turns()
  expect(written().map(event => [event.message, event.count, event.lastTimestamp])).toEqual([
    ['again', 2, '2026-01-01T00:00:02Z'],
    ['other', 1, '2026-01-01T00:00:02Z'],
  ])
})

test('an expired event is written anew', async () => {
  const events = recorder()
  events.event(pod, 'Normal', 'Seen', 'again')
  await turns()
  client.store.table('/events').clear()
  events.event(pod, 'Normal', 'Seen', 'again')
  await turns()
  expect(written()).toHaveLength(1)
})

test('similar events are combined from the tenth on', async () => {
  const events = recorder()
  for (let i = 0; i < 12; i++) events.event(pod, 'Normal', 'Seen', `number ${i}`)
  await turns(20)
  expect(written()).toHaveLength(10)
  expect(written().at(-1)).toMatchObject({ message: '(combined from similar events): number 11', count: 3 })
})

test('one object may say 25 things at once, then one in five minutes', async () => {
  const events = recorder()
  for (let i = 0; i < 40; i++) events.event(pod, 'Normal', `Reason${i}`, 'x')
  await turns(20)
  expect(written()).toHaveLength(25)
  await clock.advance(300_000)
  events.event(pod, 'Normal', 'Later', 'x')
  events.event(pod, 'Normal', 'Latest', 'x')
  await turns()
  expect(written()).toHaveLength(26)
})

test('another component speaks for itself and failures are swallowed', async () => {
  client.before = call => {
    if (call.verb === 'create') throw new Error('down')
  }
  recorder().as?.('x').event(pod, 'Normal', 'A', 'a')
  await turns()
  client.before = () => {}
  recorder().as?.('y').event(pod, 'Normal', 'B', 'b')
  await turns()
  expect(written().map(event => event.source?.component)).toEqual(['y'])
})
