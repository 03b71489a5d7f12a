import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import type { Probe } from '../../api/types.gen.ts'
import { FakeClock } from '../../client/testing/fake-clock.ts'
import { testPod } from '../pods/testing.ts'
import type { Runtime } from '../runtime.ts'
import { httpGet, portOf } from './actions.ts'
import { Probes, type ProbeTarget } from './probes.ts'
import { initialTally, tally } from './tally.ts'

test.each([
  ['fails at the third failure', {}, [false, false, false], 'failure'],
  ['not before', {}, [false, false], undefined],
  ['succeeds at once', {}, [true], 'success'],
  ['a success in between starts over', {}, [false, false, true, false, false], undefined],
  ['its own thresholds', { successThreshold: 2, failureThreshold: 1 }, [false, true, true], 'success'],
])('a tally %s', (_, probe, results, expected) => {
  const last = results.reduce((state, ok) => tally(state, ok, probe), initialTally)
  expect(last.verdict).toBe(expected)
})

test.each([
  [8080, 8080],
  ['8081', 8081],
  ['http', 80],
  ['none', undefined],
])('port %s', (port, expected) => {
  expect(portOf(port, { name: 'c', ports: [{ name: 'http', containerPort: 80 }] })).toBe(expected)
})

describe('Probes', () => {
  /** A container whose exec probes succeed while `healthy` names their command. */
  const make = (probes: { startupProbe?: Probe; livenessProbe?: Probe; readinessProbe?: Probe }, wasReady = false) => {
    const clock = new FakeClock()
    const healthy = new Set<string>()
    const asked: string[] = []
    const runtime = {
      execSync: async (_: string, [command = '']: readonly string[]) => {
        asked.push(command)
        return { stdout: Buffer.from(`no ${command}`), stderr: Buffer.alloc(0), exitCode: healthy.has(command) ? 0 : 1 }
      },
    } as unknown as Runtime
    const seen: string[] = []
    const subject = new Probes({
      clock,
      signal: new AbortController().signal,
      changed: () => seen.push('changed'),
      unhealthy: (_, kind, message) => seen.push(`${kind}: ${message}`),
      event: (_, reason, message) => seen.push(`${reason}: ${message}`),
    })
    const target: ProbeTarget = {
      pod: testPod(),
      container: { name: 'c', ...probes },
      containerId: 'id',
      podIp: '',
      runtime,
      startedAt: clock.now(),
      wasReady,
      wasStarted: false,
    }
    subject.start(target)
    return { clock, healthy, asked, seen, subject }
  }
  const exec = (command: string, more: Probe = {}): Probe => ({
    exec: { command: [command] },
    periodSeconds: 10,
    failureThreshold: 1,
    ...more,
  })

  test('without probes a container is started and ready', () => {
    const { subject } = make({})
    expect([subject.isStarted('id'), subject.isReady('id'), subject.isReady('other')]).toEqual([true, true, false])
  })

  test('readiness follows the probe after its initial delay', async () => {
    const { clock, healthy, asked, seen, subject } = make({ readinessProbe: exec('ready', { initialDelaySeconds: 5 }) })
    healthy.add('ready')
    await clock.advance(4999)
    expect(asked).toEqual([])
    await clock.advance(1)
    expect([subject.isReady('id'), seen]).toEqual([true, ['changed']])
    healthy.clear()
    await clock.advance(10_000)
    expect([subject.isReady('id'), seen.slice(1)]).toEqual([
      false,
      ['Unhealthy: Readiness probe failed: no ready', 'changed'],
    ])
  })

  test('an adopted container stays ready until its probe says otherwise', () => {
    expect(make({ readinessProbe: exec('ready', { initialDelaySeconds: 5 }) }, true).subject.isReady('id')).toBe(true)
  })

  test('the startup probe holds the others back', async () => {
    const { clock, healthy, asked, subject } = make({
      startupProbe: exec('up', { failureThreshold: 9 }),
      livenessProbe: exec('live'),
    })
    await clock.advance(10_000)
    expect([subject.isStarted('id'), asked]).toEqual([false, ['up', 'up']])
    healthy.add('up').add('live')
    await clock.advance(10_000)
    expect([subject.isStarted('id'), asked.at(-1)]).toEqual([true, 'live'])
  })

  test('a dead container is reported once and probed no more', async () => {
    const { clock, asked, seen } = make({ livenessProbe: exec('live') })
    await clock.advance(60_000)
    expect(asked).toEqual(['live'])
    expect(seen).toEqual([
      'Unhealthy: Liveness probe failed: no live',
      'liveness: Container c failed liveness probe, will be restarted',
    ])
  })

  test('a stopped container is probed no more', async () => {
    const { clock, asked, subject } = make({ readinessProbe: exec('ready') })
    await clock.advance(0)
    subject.stop('id')
    await clock.advance(60_000)
    expect(asked).toEqual(['ready'])
  })
})

test('a request on its way ends, with its connection, when probing is stopped', async () => {
  const stop = new AbortController()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const probing = httpGet({ url: `http://127.0.0.1:${port}/`, headers: {} }, 3_600_000, stop.signal)
  const [socket] = (await once(server, 'connection')) as [Socket]
  const closed = once(socket.resume(), 'close')
  stop.abort()
  expect((await probing).ok).toBe(false)
  await closed
  server.close()
})
