/** Objects for tests, and a stand-in for the nodes' agents. */
import type { PodTemplateSpec } from '../../../bootstrap/api/types.gen.ts'
import { type Deployment, type Node, type Pod, pods, type ReplicaSet } from '../../../bootstrap/client/resources.ts'
import { nameOf } from '../apply.ts'
import { isReady, isTerminal, isTerminating } from '../pods.ts'
import { timestamp } from '../time.ts'
import type { Harness } from './harness.ts'

export const template = (image = 'web:1', labels: { [key: string]: string } = { app: 'web' }): PodTemplateSpec => ({
  metadata: { labels },
  spec: { containers: [{ name: 'main', image }] },
})

export const deployment = (spec: Partial<Deployment['spec']> = {}): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: template(),
    progressDeadlineSeconds: 600,
    revisionHistoryLimit: 10,
    ...spec,
  },
})

export const replicaSet = (spec: Partial<ReplicaSet['spec']> = {}): ReplicaSet => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name: 'web', namespace: 'default' },
  spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
})

export const node = (name: string, extra: Partial<Node> = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: {},
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
  ...extra,
})

export const podsIn = (harness: Harness): Pod[] => [...harness.client.store.table('/pods').values()] as unknown as Pod[]

/** What a node does to one pod: bind it if need be, and report the phase. */
export async function report(harness: Harness, pod: Pod, status: Partial<NonNullable<Pod['status']>>): Promise<void> {
  await harness.client.patch(pods, nameOf(pod), { status }, { type: 'merge', subresource: 'status' })
}

export async function makeReady(harness: Harness, pod: Pod, ready = true): Promise<void> {
  const lastTransitionTime = timestamp(harness.clock.now())
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime }]
  await report(harness, pod, { phase: 'Running', conditions })
}

/** Runs the nodes until nothing changes: new pods become ready, terminating ones go. */
export async function settle(harness: Harness): Promise<void> {
  for (let round = 0; round < 100; round++) {
    await harness.idle()
    const todo = podsIn(harness).filter(pod => isTerminating(pod) || (!isReady(pod) && !isTerminal(pod)))
    if (todo.length === 0) return
    for (const pod of todo) {
      if (isTerminating(pod)) await harness.client.delete(pods, nameOf(pod), { gracePeriodSeconds: 0 })
      else await makeReady(harness, pod)
    }
  }
  throw new Error('the pods never settle')
}
