import { describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../../../bootstrap/api/object.ts'
import { hookReadiness, readinessWithJobs } from './completion.ts'
import { readinessOf } from './status.ts'

const now = Date.parse('2026-11-20T12:00:00Z')

function object(groupKind: string, spec: object, status: object, metadata: object = {}): KubeObject {
  const [group, kind] = groupKind.includes('/') ? (groupKind.split('/') as [string, string]) : ['', groupKind]
  return { apiVersion: group ? `${group}/v1` : 'v1', kind, metadata: { name: 'x', ...metadata }, spec, status }
}

const condition = (type: string, status: string, reason = '', message = '') => ({
  conditions: [{ type, status, reason, message }],
})
const text = (it: KubeObject) => {
  const { status, message } = readinessOf(it, now)
  return `${status}: ${message}`
}

const full = { replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 }
const available = {
  conditions: [
    { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
    { type: 'Available', status: 'True' },
  ],
}
const waiting = (reason: string) => ({ name: 'c', state: { waiting: { reason } } })
const scheduled = (age: number) => ({ creationTimestamp: new Date(now - age * 1000).toISOString().replace('.000', '') })

describe.each<[string, [object, object, string, object?][]]>([
  [
    'apps/Deployment',
    [
      [{ replicas: 2 }, {}, 'InProgress: Replicas: 0/2'],
      [{ replicas: 2 }, { replicas: 2 }, 'InProgress: Updated: 0/2'],
      [{ replicas: 2 }, { ...full, replicas: 3 }, 'InProgress: Pending termination: 1'],
      [{ replicas: 2 }, { ...full, availableReplicas: 1 }, 'InProgress: Available: 1/2'],
      [{ replicas: 2 }, { ...full, readyReplicas: 1 }, 'InProgress: Ready: 1/2'],
      [{ replicas: 2, progressDeadlineSeconds: 600 }, full, 'InProgress: ReplicaSet not Available'],
      [{ replicas: 2 }, full, 'InProgress: Deployment not Available'],
      [
        { replicas: 2, progressDeadlineSeconds: 600 },
        { ...full, ...available },
        'Current: Deployment is available. Replicas: 2',
      ],
      [{}, condition('Progressing', 'False', 'ProgressDeadlineExceeded'), 'Failed: Progress deadline exceeded'],
      [
        {},
        { observedGeneration: 1 },
        'InProgress: Deployment generation is 2, but latest observed generation is 1',
        { generation: 2 },
      ],
      [{}, {}, 'Terminating: Resource scheduled for deletion', { deletionTimestamp: '2026-11-20T12:00:00Z' }],
    ],
  ],
  [
    'apps/StatefulSet',
    [
      [{ updateStrategy: { type: 'OnDelete' } }, {}, 'Current: StatefulSet is using the ondelete update strategy'],
      [{ replicas: 2 }, { replicas: 2, readyReplicas: 1 }, 'InProgress: Ready: 1/2'],
      [
        { replicas: 2, updateStrategy: { rollingUpdate: { partition: 1 } } },
        full,
        'Current: Partition rollout complete. updated: 2',
      ],
      [
        { replicas: 3, updateStrategy: { rollingUpdate: { partition: 0 } } },
        { replicas: 3, readyReplicas: 3, updatedReplicas: 1 },
        'InProgress: updated: 1/3',
      ],
      [{ replicas: 2 }, { ...full, currentReplicas: 1 }, 'InProgress: current: 1/2'],
      [
        { replicas: 2 },
        { ...full, currentReplicas: 2, currentRevision: 'a', updateRevision: 'b' },
        'InProgress: Waiting for updated revision to match current',
      ],
      [
        { replicas: 2 },
        { ...full, currentReplicas: 2, currentRevision: 'a', updateRevision: 'a' },
        'Current: All replicas scheduled as expected. Replicas: 2',
      ],
    ],
  ],
  [
    'apps/DaemonSet',
    [
      [{}, {}, 'InProgress: DaemonSet metadata.generation not found'],
      [{}, {}, 'InProgress: DaemonSet status.observedGeneration not found', { generation: 1 }],
      [{}, { observedGeneration: 1 }, 'InProgress: Missing .status.desiredNumberScheduled', { generation: 1 }],
      [
        {},
        { observedGeneration: 1, desiredNumberScheduled: 0 },
        'Current: All replicas scheduled as expected. Replicas: 0',
        { generation: 1 },
      ],
      [
        {},
        { observedGeneration: 1, desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1 },
        'InProgress: Available: 0/1',
        { generation: 1 },
      ],
    ],
  ],
  [
    'apps/ReplicaSet',
    [
      [{}, condition('ReplicaFailure', 'True'), 'InProgress: Replica Failure condition. Check Pods'],
      [{}, { fullyLabeledReplicas: 1 }, 'InProgress: Available: 0/1'],
      [
        {},
        { fullyLabeledReplicas: 1, availableReplicas: 1, readyReplicas: 1, replicas: 1 },
        'Current: ReplicaSet is available. Replicas: 1',
      ],
    ],
  ],
  [
    'Pod',
    [
      [{}, {}, 'InProgress: Pod phase not available'],
      [{}, { phase: 'Running', ...condition('Ready', 'True') }, 'Current: Pod is Ready'],
      [{}, { phase: 'Running' }, 'InProgress: Pod is running but is not Ready'],
      [
        {},
        { phase: 'Running', containerStatuses: [waiting('CrashLoopBackOff'), waiting('Other')] },
        'Failed: Containers in CrashLoop state: c',
      ],
      [{}, { phase: 'Succeeded' }, 'Current: Pod has completed successfully'],
      [{}, { phase: 'Failed' }, 'Current: Pod has completed, but not successfully'],
      [{}, { phase: 'Pending' }, 'InProgress: Pod is in the Pending phase'],
      [
        {},
        { phase: 'Pending', ...condition('PodScheduled', 'False', 'Unschedulable') },
        'InProgress: Pod has not been scheduled',
        scheduled(14),
      ],
      [
        {},
        { phase: 'Pending', ...condition('PodScheduled', 'False', 'Unschedulable') },
        'Failed: Pod could not be scheduled',
        scheduled(16),
      ],
    ],
  ],
  [
    'batch/Job',
    [
      [{}, {}, 'InProgress: Job not started'],
      [{}, { startTime: 'now', active: 1 }, 'Current: Job in progress. success:0, active: 1, failed: 0'],
      [
        { completions: 3 },
        { succeeded: 3, ...condition('Complete', 'True') },
        'Current: Job Completed. succeeded: 3/3',
      ],
      [{ parallelism: 2 }, { failed: 1, ...condition('Failed', 'True') }, 'Failed: Job Failed. failed: 1/2'],
    ],
  ],
  [
    'PersistentVolumeClaim',
    [
      [{}, {}, 'InProgress: PVC is not Bound. phase: unknown'],
      [{}, { phase: 'Bound' }, 'Current: PVC is Bound'],
    ],
  ],
  [
    'Service',
    [
      [{ type: 'LoadBalancer' }, {}, 'InProgress: ClusterIP not set. Service type: LoadBalancer'],
      [{ type: 'LoadBalancer', clusterIP: '10.0.0.1' }, {}, 'Current: Service is ready'],
    ],
  ],
  [
    'apiextensions.k8s.io/CustomResourceDefinition',
    [
      [{}, {}, 'InProgress: Install in progress'],
      [{}, condition('NamesAccepted', 'False', '', 'taken'), 'Failed: taken'],
      [{}, condition('Established', 'False', 'Installing'), 'InProgress: Install in progress'],
      [{}, condition('Established', 'True'), 'Current: CRD is established'],
    ],
  ],
  [
    'example.com/Gadget',
    [
      [{}, {}, 'Current: Resource is current'],
      [{}, condition('Ready', 'False', 'Soon', 'not yet'), 'InProgress: not yet'],
      [{}, condition('Ready', 'True'), 'Current: Resource is Ready'],
      [{}, condition('Reconciling', 'True', '', 'working'), 'InProgress: working'],
      [{}, condition('Stalled', 'True', '', 'stuck'), 'Failed: stuck'],
    ],
  ],
  ['apiregistration.k8s.io/APIService', [[{}, condition('Available', 'False'), 'Current: Resource is current']]],
  ['Secret', [[{}, {}, 'Current: Resource is always ready']]],
])('%s', (groupKind, cases) => {
  test.each(cases)('%j %j', (spec, status, expected, metadata = {}) => {
    expect(text(object(groupKind, spec, status, metadata))).toBe(expected)
  })
})

describe('until they are done', () => {
  test('hooks: jobs and pods by their end, the rest at once', () => {
    expect(hookReadiness(object('batch/Job', {}, { startTime: 'now' })).status).toBe('InProgress')
    expect(hookReadiness(object('batch/Job', {}, condition('Complete', 'True'))).status).toBe('Current')
    expect(hookReadiness(object('Pod', {}, { phase: 'Running' })).message).toBe('Pod in progress')
    expect(hookReadiness(object('Pod', {}, { phase: 'Failed' }))).toEqual({ status: 'Failed', message: 'pod x failed' })
    expect(hookReadiness(object('apps/Deployment', {}, {})).status).toBe('Current')
  })

  test('jobs, when asked for', () => {
    expect(readinessWithJobs(object('batch/Job', {}, { startTime: 'now' }), now).status).toBe('InProgress')
    expect(readinessWithJobs(object('Service', {}, {}), now).status).toBe('Current')
  })
})
