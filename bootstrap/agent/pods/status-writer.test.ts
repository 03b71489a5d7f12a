import { describe, expect, test } from '@jest/globals'
import type { PodStatus } from '../../api/types.gen.ts'
import { pods } from '../../client/resources.ts'
import { FakeClock, turns } from '../../client/testing/fake-clock.ts'
import { MemoryClient } from '../../client/testing/memory-client.ts'
import { StatusWriter, statusPatch } from './status-writer.ts'
import { testPod } from './testing.ts'

const ready = (status: string, more = {}) => ({ type: 'Ready', status, ...more })

describe('statusPatch', () => {
  test.each<[string, PodStatus, PodStatus, object | undefined]>([
    ['equal', { phase: 'Running', podIPs: [{ ip: 'a' }] }, { podIPs: [{ ip: 'a' }], phase: 'Running' }, undefined],
    ['changed', { phase: 'Pending' }, { phase: 'Running' }, { phase: 'Running' }],
    ['dropped', { phase: 'Failed', reason: 'x' }, { phase: 'Failed' }, { reason: null }],
    [
      'one condition',
      { conditions: [ready('False', { reason: 'R' }), { type: 'X', status: 'True' }] },
      { conditions: [ready('True'), { type: 'X', status: 'True' }] },
      { conditions: [{ ...ready('True'), reason: null }] },
    ],
    ['first addresses', {}, { podIPs: [{ ip: 'a' }] }, { podIPs: [{ ip: 'a' }] }],
    [
      'other addresses',
      { podIPs: [{ ip: 'a' }] },
      { podIPs: [{ ip: 'b' }] },
      { podIPs: [{ ip: 'b' }, { $patch: 'replace' }] },
    ],
  ])('%s', (_, before, after, expected) => {
    expect(statusPatch(before, after)).toEqual(expected)
  })
})

describe('StatusWriter', () => {
  const make = async () => {
    const client = new MemoryClient()
    const clock = new FakeClock()
    const pod = await client.create(pods, testPod({}, { namespace: 'ns', uid: undefined }))
    const writer = new StatusWriter({
      client,
      clock,
      random: () => 0,
      signal: new AbortController().signal,
      log: { warn: () => {} },
    })
    const writes = () => client.calls.filter(({ verb }) => verb === 'patch').length
    const phase = async () => (await client.get(pods, { namespace: 'ns', name: 'p' })).status?.phase
    return { client, clock, pod, writer, writes, phase }
  }

  test('what is put in a burst is written once, the last of it', async () => {
    const { pod, writer, writes, phase } = await make()
    for (const value of ['Pending', 'Running']) writer.put('u', pod, { phase: value })
    await writer.flush('u')
    expect([writes(), await phase()]).toEqual([1, 'Running'])
  })

  test('the same again is not written', async () => {
    const { pod, writer, writes } = await make()
    writer.put('u', pod, { phase: 'Running' })
    await writer.flush('u')
    writer.put('u', pod, { phase: 'Running' })
    await writer.flush('u')
    expect(writes()).toBe(1)
  })

  test.each([
    ['after the last write', true],
    ['while a write is under way', false],
  ])('an object made again under the same name is told everything: %s', async (_, isWritten) => {
    const { client, pod, writer, phase } = await make()
    writer.put('u', pod, { phase: 'Running' })
    if (isWritten) await writer.flush('u')
    else await turns(1)
    await client.delete(pods, { namespace: 'ns', name: 'p' }, { gracePeriodSeconds: 0 })
    const again = await client.create(pods, testPod({}, { namespace: 'ns', uid: undefined }))
    expect(again.metadata.uid).not.toBe(pod.metadata.uid)
    writer.put('u', again, { phase: 'Running' })
    await writer.flush('u')
    expect(await phase()).toBe('Running')
  })

  test('readiness that somebody else took away is given back; what others add stays, and old news counts for nothing', async () => {
    const { client, pod, writer, writes } = await make()
    const status = { phase: 'Running', conditions: [ready('True')] }
    writer.put('u', pod, status)
    await writer.flush('u')
    const published = await client.get(pods, { namespace: 'ns', name: 'p' })
    writer.put('u', pod, status)
    await writer.flush('u')
    expect(writes()).toBe(1)
    const conditions = [ready('False'), { type: 'DisruptionTarget', status: 'True' }]
    const marked = await client.update(
      pods,
      { ...published, status: { ...published.status, conditions } },
      { subresource: 'status' },
    )
    writer.put('u', marked, status)
    await writer.flush('u')
    const after = await client.get(pods, { namespace: 'ns', name: 'p' })
    expect(after.status?.conditions).toEqual([ready('True'), { type: 'DisruptionTarget', status: 'True' }])
    writer.put('u', marked, status)
    await writer.flush('u')
    expect(writes()).toBe(2)
  })

  test('a failed write is repeated after a pause', async () => {
    const { client, clock, pod, writer, phase } = await make()
    let failures = 2
    client.before = call => {
      if (call.verb === 'patch' && failures-- > 0) throw new Error('down')
    }
    writer.put('u', pod, { phase: 'Running' })
    await turns(20)
    expect(await phase()).toBeUndefined()
    await clock.advance(10_000)
    await writer.flush('u')
    expect(await phase()).toBe('Running')
  })
})
