/** What controllers ask of a Pod (upstream pkg/api/v1/pod, pkg/controller). */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { controllerOf } from '../../bootstrap/api/object.ts'
import { isTerminal } from '../../bootstrap/api/pods.ts'
import type { Informer, Informers } from '../../bootstrap/client/informer.ts'
import type { Pod } from '../../bootstrap/client/resources.ts'
import { pods } from '../../bootstrap/client/resources.ts'
import { findCondition } from './conditions.ts'
import { millis } from './time.ts'

export { isTerminal }

export function isTerminating(object: { metadata: KubeObject['metadata'] }): boolean {
  return object.metadata.deletionTimestamp !== undefined
}

/** Neither finished nor on its way out: counts as a replica. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && !isTerminating(pod)
}

export function isReady(pod: Pod): boolean {
  return findCondition(pod.status?.conditions, 'Ready')?.status === 'True'
}

/** Milliseconds until a ready pod becomes available; 0 when it is, undefined when it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const ready = findCondition(pod.status?.conditions, 'Ready')
  if (ready?.status !== 'True') return undefined
  if (minReadySeconds === 0) return 0
  return Math.max(0, millis(ready.lastTransitionTime) + minReadySeconds * 1000 - now)
}

export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  return availableInMs(pod, minReadySeconds, now) === 0
}

/** The most restarts of any container. */
export function maxRestarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map(status => status.restartCount))
}

const ownerIndex = 'controller-uid'
const orphanIndex = 'orphans'

/** Adds the index behind `ownedBy` and `orphansIn` to the informer. */
export function indexOwners<T extends KubeObject>(informer: Informer<T>): Informer<T> {
  informer.addIndex(ownerIndex, object => {
    const uid = controllerOf(object)?.uid
    return uid === undefined ? [] : [uid]
  })
  informer.addIndex(orphanIndex, object => (controllerOf(object) ? [] : [object.metadata.namespace ?? '']))
  return informer
}

/** Objects whose controller has this uid. */
export function ownedBy<T extends KubeObject>(informer: Informer<T>, uid: string | undefined): readonly T[] {
  return informer.byIndex(ownerIndex, uid ?? '')
}

/** Objects of the namespace that no controller manages. */
export function orphansIn<T extends KubeObject>(informer: Informer<T>, namespace: string): readonly T[] {
  return informer.byIndex(orphanIndex, namespace)
}

/** The pods informer with its owner indexes. */
export function podsOf(informers: Informers): Informer<Pod> {
  return indexOwners(informers.get(pods))
}
