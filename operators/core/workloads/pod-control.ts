/** Creating and deleting a controller's pods, with upstream's events (controller_utils.go). */
import { isConflict, isNotFound } from '../../../bootstrap/api/errors.ts'
import type { Draft, KubeObject } from '../../../bootstrap/api/object.ts'
import { draftOf } from '../../../bootstrap/api/object.ts'
import type { PodTemplateSpec } from '../../../bootstrap/api/types.gen.ts'
import type { Pod } from '../../../bootstrap/client/resources.ts'
import { pods } from '../../../bootstrap/client/resources.ts'
import { controllerReference } from '../../runtime/apply.ts'
import { isNamespaceTerminating } from '../../runtime/failures.ts'
import type { Cluster } from '../../runtime/operator.ts'

const longestPrefix = 247

/** A pod of the template, owned by `owner`; its name is left to the server. */
export function podFrom(template: PodTemplateSpec, owner: KubeObject): Draft<Pod> {
  const { labels, annotations, finalizers } = template.metadata ?? {}
  const spec = template.spec ?? { containers: [] }
  const { name = '', namespace } = owner.metadata
  return draftOf<Pod>({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${name.slice(0, longestPrefix)}-`,
      namespace,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [controllerReference(owner)],
    },
    spec,
  })
}

/** Creates a pod and says so in an event about its owner. */
export async function createPod({ client, events }: Cluster, pod: Pod, owner: KubeObject): Promise<Pod> {
  try {
    const made = await client.create(pods, pod)
    events.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`)
    return made
  } catch (error) {
    if (!isNamespaceTerminating(error))
      events.event(owner, 'Warning', 'FailedCreate', `Error creating: ${(error as Error).message}`)
    throw error
  }
}

/** Deletes a pod and says so; rejects with NotFound when it is gone, with Conflict when another has its name. */
export async function deletePod({ client, events }: Cluster, pod: Pod, owner: KubeObject): Promise<void> {
  const { name = '', namespace, uid } = pod.metadata
  try {
    await client.delete(pods, { name, namespace }, uid === undefined ? {} : { preconditions: { uid } })
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error))
      events.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${(error as Error).message}`)
    throw error
  }
  events.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`)
}

/**
 * Runs `task` `count` times in batches of 1, 2, 4, ...; a batch with a failure is the last, so that a hopeless template
 * costs one refused request and not hundreds. Returns how many succeeded and the first failure.
 */
export async function slowStart(
  count: number,
  task: (index: number) => Promise<unknown>,
): Promise<{ succeeded: number; error?: unknown }> {
  let succeeded = 0
  for (let start = 0, size = 1; start < count; start += size, size *= 2) {
    const batch = Array.from({ length: Math.min(size, count - start) }, (_, index) => task(start + index))
    const results = await Promise.allSettled(batch)
    succeeded += results.filter(result => result.status === 'fulfilled').length
    const failed = results.find(result => result.status === 'rejected')
    if (failed) return { succeeded, error: failed.reason }
  }
  return { succeeded }
}
