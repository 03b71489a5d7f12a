import { expect, test } from '@jest/globals'
import type { Container, PodSpec } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import { activeDeadline, deletionGrace, probeGrace } from './deadlines.ts'
import type { PodRun } from './pod-run.ts'

const startTime = '2026-01-01T00:00:00Z'

function podOf(spec: Partial<PodSpec>, metadata: object = {}, status: object = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', ...metadata },
    spec: { containers: [], ...spec },
    status,
  }
}

function runOf(pod: Pod, published?: object): PodRun {
  const services = { status: { last: () => published } }
  return { pod, uid: 'u', containers: pod.spec.containers, services } as unknown as PodRun
}

test.each<
  [name: string, spec: Partial<PodSpec>, published: object | undefined, status: object, deadline: string | undefined]
>([
  ['none asked for', {}, { startTime }, {}, undefined],
  ['not started', { activeDeadlineSeconds: 60 }, undefined, {}, undefined],
  ['from the status published', { activeDeadlineSeconds: 60 }, { startTime }, {}, '2026-01-01T00:01:00.000Z'],
  ['from the object', { activeDeadlineSeconds: 60 }, undefined, { startTime }, '2026-01-01T00:01:00.000Z'],
])('deadline: %s', (_, spec, published, status, deadline) => {
  const found = activeDeadline(runOf(podOf(spec, {}, status), published))
  expect(found === undefined ? undefined : new Date(found).toISOString()).toBe(deadline)
})

test.each([
  [podOf({}), 30],
  [podOf({ terminationGracePeriodSeconds: 5 }), 5],
  [podOf({ terminationGracePeriodSeconds: 5 }, { deletionGracePeriodSeconds: 0 }), 0],
])('a deleted pod may take its time: %#', (pod, seconds) => {
  expect(deletionGrace(pod)).toBe(seconds)
})

const probed = {
  name: 'c',
  startupProbe: { terminationGracePeriodSeconds: 1 },
  livenessProbe: { terminationGracePeriodSeconds: 2 },
} as Container

test.each([
  ['Container c failed startup probe', 1],
  ['Container c failed liveness probe', 2],
  ['Container c definition changed', 7],
])('%s: %d seconds', (message, seconds) => {
  const pod = podOf({ containers: [probed], terminationGracePeriodSeconds: 7 })
  expect(probeGrace(runOf(pod), 'c', message)).toBe(seconds)
})
