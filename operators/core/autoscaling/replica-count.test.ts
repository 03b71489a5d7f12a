import { describe, expect, test } from '@jest/globals'
import type { Pod } from '../../../bootstrap/client/resources.ts'
import type { PodMetrics } from './metrics-client.ts'
import { byAverage, byUtilization, byValue, byValuePerPod, type PodsAsked } from './replica-count.ts'
import { autoscalerSettings, defaultSettings } from './settings.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const tolerances = { up: 0.1, down: 0.1 }

type Shape = 'ready' | 'pending' | 'failed' | 'terminating' | 'fresh' | 'fresh-unready' | 'never-ready' | 'was-ready'

const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString()

function pod(name: string, shape: Shape, request = '1'): Pod {
  const phase = shape === 'pending' ? 'Pending' : shape === 'failed' ? 'Failed' : 'Running'
  const young = shape.startsWith('fresh')
  const unready = ['fresh-unready', 'never-ready', 'was-ready'].includes(shape)
  const changed = { 'never-ready': 3590, 'was-ready': 100, fresh: 10 }[shape as string] ?? 3000
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'ns', ...(shape === 'terminating' ? { deletionTimestamp: at(1) } : {}) },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: request, memory: '1Ki' } } }] },
    status: {
      phase,
      startTime: at(young ? 60 : 3600),
      conditions: [{ type: 'Ready', status: unready ? 'False' : 'True', lastTransitionTime: at(changed) }],
    },
  } as unknown as Pod
}

const metricsOf = (values: readonly (number | undefined)[]): PodMetrics =>
  new Map(
    values.flatMap((value, i) =>
      value === undefined ? [] : [[`p${i}`, { value, time: now - 5000, windowMs: 15_000 }] as const],
    ),
  )

function asked(values: readonly (number | undefined)[], shapes: readonly Shape[] = [], resource = 'cpu'): PodsAsked {
  const pods = values.map((_, i) => pod(`p${i}`, shapes[i] ?? 'ready'))
  const metrics = metricsOf(values)
  const currentReplicas = pods.length
  return { pods, metrics, currentReplicas, tolerances, resource, settings: defaultSettings, now }
}

describe('a target in percent of the requests', () => {
  const cases: [string, (number | undefined)[], Shape[], number, number, number][] = [
    // pods' milli cores, their shapes, target, replicas, utilization
    ['grows with the ratio', [300, 500, 700], [], 30, 5, 50],
    ['shrinks with the ratio', [100, 300, 500, 250, 250], [], 50, 3, 28],
    ['rests within the tolerance', [1020, 1080, 1010], [], 100, 3, 103],
    ['leaves pending pods out when it shrinks', [100, 100, undefined], ['ready', 'ready', 'pending'], 50, 1, 10],
    ['counts unready pods as idle when it grows', [1000, 1000, undefined], ['ready', 'ready', 'pending'], 50, 4, 100],
    [
      'leaves failed and terminating pods out',
      [1000, 1000, 1, 1],
      ['ready', 'ready', 'failed', 'terminating'],
      50,
      4,
      100,
    ],
    ['counts missing pods as full when it shrinks', [100, 100, undefined], [], 50, 3, 10],
    ['counts missing pods as idle when it grows', [1000, 1000, undefined], [], 50, 4, 100],
    ['a missing pod does not turn growing into shrinking', [600, undefined], [], 50, 2, 60],
    ['skips samples from before a pod was ready', [3000, 500], ['fresh', 'ready'], 50, 2, 50],
    ['skips a young pod that is not ready', [3000, 500], ['fresh-unready', 'ready'], 50, 2, 50],
    ['skips a pod that was never ready', [3000, 500], ['never-ready', 'ready'], 50, 2, 50],
    ['counts a pod that was ready once', [3000, 500], ['was-ready', 'ready'], 50, 7, 175],
  ]
  test.each(cases)('%s', (_, values, shapes, target, replicas, utilization) => {
    expect(byUtilization(asked(values, shapes), target, '')).toMatchObject({ replicas, utilization })
  })

  test('what cannot be computed says why', () => {
    expect(() => byUtilization(asked([]), 50, '')).toThrow(
      'no pods returned by selector while calculating replica count',
    )
    expect(() => byUtilization(asked([undefined]), 50, '')).toThrow('did not receive metrics for targeted pods')
    expect(() => byUtilization(asked([1], [], 'gpu'), 50, '')).toThrow(
      'missing request for gpu in container c of Pod p0',
    )
    expect(() => byUtilization(asked([1]), 50, 'd')).toThrow('container d not found in Pod p0')
  })

  test('readiness matters for CPU alone', () => {
    expect(byUtilization(asked([2048, 2048], ['fresh', 'never-ready'], 'memory'), 100, '').utilization).toBe(0)
  })
})

test('a target in usage per pod', () => {
  expect(byAverage(asked([20_000, 10_000, 30_000], [], ''), 15_000)).toEqual({ replicas: 4, usage: 20_000 })
  expect(byAverage(asked([20_000, undefined], [], ''), 40_000)).toEqual({ replicas: 2, usage: 20_000 })
})

test('one value for all', () => {
  const pods = [pod('a', 'ready'), pod('b', 'ready'), pod('c', 'pending')]
  expect(byValue({ pods, currentReplicas: 3, tolerances }, 20_000, 10_000)).toEqual({ replicas: 4, usage: 20_000 })
  expect(byValue({ pods, currentReplicas: 3, tolerances }, 10_500, 10_000).replicas).toBe(3)
  expect(byValue({ pods: [], currentReplicas: 0, tolerances }, 25_000, 10_000).replicas).toBe(3)
  expect(() => byValue({ pods: [], currentReplicas: 1, tolerances }, 25_000, 10_000)).toThrow(
    'unable to calculate ready',
  )
  expect(byValuePerPod({ statusReplicas: 3, tolerances }, 12_000, 2000)).toEqual({ replicas: 6, usage: 4000 })
  expect(byValuePerPod({ statusReplicas: 6, tolerances }, 12_500, 2000)).toEqual({ replicas: 6, usage: 2084 })
})

test('flags of the controller manager', () => {
  const args = ['horizontal-pod-autoscaler-sync-period=5s', '--horizontal-pod-autoscaler-tolerance=0.2', 'v=2']
  expect(autoscalerSettings(args)).toEqual({ ...defaultSettings, syncPeriodMs: 5000, tolerance: 0.2 })
  expect(() => autoscalerSettings(['horizontal-pod-autoscaler-sync-period=soon'])).toThrow('want a duration')
})
