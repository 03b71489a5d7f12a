/** From a pod's change to the keys of the controllers it concerns, keeping their expectations. */
import { controllerOf, type KubeObject, keyOf, type ObjectKey } from '../../../bootstrap/api/object.ts'
import { selects } from '../../../bootstrap/api/selectors.ts'
import type { LabelSelector } from '../../../bootstrap/api/types.gen.ts'
import type { Resource } from '../../../bootstrap/client/client.ts'
import { type Pod, pods } from '../../../bootstrap/client/resources.ts'
import type { Expectations } from '../../runtime/expectations.ts'
import { type Change, type Cluster, on, type Watch } from '../../runtime/operator.ts'
import { isTerminating } from '../../runtime/pods.ts'

/** Watches pods for the controller of `resource`: its own pods, and orphans its selector selects. */
export function onOwnPods<T extends KubeObject>(
  resource: Resource<T>,
  selectorOf: (owner: T) => LabelSelector | undefined,
  expectations: Expectations,
): Watch {
  return on(pods, (pod, old, change, { informers }: Cluster) => {
    const owners = informers.get(resource)
    const owner = ownerKey(resource, pod)
    if (owner !== undefined) observe(expectations, owner, pod, old, change)
    const keys: ObjectKey[] = owner === undefined ? [] : [owner]
    const before = old && ownerKey(resource, old)
    if (before !== undefined && before !== owner) keys.push(before)
    if (!controllerOf(pod) && change !== 'deleted')
      for (const candidate of owners.list(pod.metadata.namespace))
        if (selects(selectorOf(candidate), pod.metadata.labels)) keys.push(keyOf(candidate))
    return keys
  })
}

/** The key of the object's controller, where that is of the given kind. */
export function ownerKey(resource: { group: string; kind: string }, object: KubeObject | Pod): ObjectKey | undefined {
  const controller = controllerOf(object)
  if (controller?.kind !== resource.kind || !sameGroup(controller.apiVersion, resource.group)) return undefined
  return keyOf({ metadata: { name: controller.name, namespace: object.metadata.namespace } })
}

const sameGroup = (apiVersion: string, group: string) =>
  group === '' ? !apiVersion.includes('/') : apiVersion.startsWith(`${group}/`)

function observe(expectations: Expectations, owner: ObjectKey, pod: Pod, old: Pod | undefined, change: Change): void {
  const uid = pod.metadata.uid ?? ''
  if (change === 'deleted' || (isTerminating(pod) && !(old && isTerminating(old))))
    expectations.deletionSeen(owner, uid)
  if (change === 'added') expectations.creationSeen(owner)
}
