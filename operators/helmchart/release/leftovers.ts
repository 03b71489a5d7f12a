/**
 * Objects that revisions between the deployed one and the next left behind: a failed upgrade has created some, and not yet
 * deleted others. Helm forgets them; here the next revision takes them over or clears them away.
 */
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import type { Context } from './context.ts'
import { nameOf, objectsOf, sameObject, type Target, targetsOf } from './objects.ts'
import { ownershipProblem } from './ownership.ts'
import type { Release } from './release.ts'

/** Those of the revisions' objects that exist, are marked as the release's, and are not among `known`. */
export async function leftovers(
  context: Context,
  revisions: readonly Release[],
  known: readonly Target[],
): Promise<Target[]> {
  const found: Target[] = []
  for (const release of revisions) {
    const targets = await targetsOf(context.cluster, await objectsOf(release.manifest), release.namespace, 'skip')
    for (const target of targets) {
      if (target.name === '' || [...known, ...found].some(other => sameObject(other, target))) continue
      const live = await context.client.get(target.resource, nameOf(target)).catch(ignoreNotFound)
      if (live && ownershipProblem(live, release) === undefined) found.push(target)
    }
  }
  return found
}

/** The revisions whose objects may still be there: from the deployed one on, or all where none is deployed. */
export function sinceDeployed(history: readonly Release[]): readonly Release[] {
  const deployed = history.findLastIndex(({ info }) => info.status === 'deployed')
  return history.slice(Math.max(deployed, 0))
}
