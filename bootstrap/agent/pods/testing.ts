/** Builders for tests of pods and what runtimes say about them. */
import type { PodSpec } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { PodSandboxStatus } from '../runtime.ts'
import { containerAnnotation } from './identity.ts'
import type { ViewedContainer } from './view.ts'

export function testPod(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'ns', uid: 'u', generation: 3, ...metadata },
    spec: { restartPolicy: 'Always', containers: [{ name: 'c', image: 'i' }], ...spec },
  }
}

export function testSandbox(overrides: Partial<PodSandboxStatus> = {}): PodSandboxStatus {
  return {
    id: 's0',
    metadata: { name: 'p', namespace: 'ns', uid: 'u', attempt: 0 },
    state: 'SANDBOX_READY',
    createdAt: 1,
    labels: {},
    annotations: {},
    ips: ['10.42.0.7'],
    ...overrides,
  }
}

const second = 1e9
/** 2026-01-02T03:04:05Z in nanoseconds. */
export const testStart = Date.UTC(2026, 0, 2, 3, 4, 5) * 1e6

/** A container in sandbox s0 that runs; give `exitCode` for one that has ended 5 s after its start. */
export function testContainer(
  name: string,
  overrides: Partial<ViewedContainer> & { restarts?: number } = {},
): ViewedContainer {
  const { restarts = 0, ...rest } = overrides
  const ended = rest.exitCode !== undefined
  return {
    id: `${name}-${restarts}`,
    sandboxId: 's0',
    metadata: { name, attempt: restarts },
    state: ended ? 'CONTAINER_EXITED' : 'CONTAINER_RUNNING',
    createdAt: testStart + restarts,
    startedAt: testStart,
    finishedAt: ended ? testStart + 5 * second : 0,
    exitCode: 0,
    image: { image: 'docker.io/library/i:latest' },
    imageRef: 'sha256:1',
    reason: '',
    message: '',
    labels: {},
    annotations: { [containerAnnotation.restartCount]: String(restarts) },
    logPath: '',
    ...rest,
  }
}
