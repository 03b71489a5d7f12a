/** The annotations a Deployment keeps on its ReplicaSets. */
import type { Deployment, ReplicaSet } from '../../../../bootstrap/client/resources.ts'
import { fenceposts, replicasOf } from './view.ts'

type Annotations = { readonly [key: string]: string }

export const revisionAnnotation = 'deployment.kubernetes.io/revision'
const historyAnnotation = 'deployment.kubernetes.io/revision-history'
const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas'
const maxAnnotation = 'deployment.kubernetes.io/max-replicas'
const historyLength = 2000

const notCopied = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  'deprecated.deployment.rollback.to',
])

export const revisionOf = (object: Deployment | ReplicaSet): number =>
  Number.parseInt(object.metadata.annotations?.[revisionAnnotation] ?? '0', 10) || 0

/** The size the Deployment had when it last scaled the set; undefined when it never did. */
export function desiredReplicas(set: ReplicaSet): number | undefined {
  return number(set.metadata.annotations?.[desiredAnnotation])
}

export function maxReplicas(set: ReplicaSet): number | undefined {
  return number(set.metadata.annotations?.[maxAnnotation])
}

const number = (text: string | undefined) => (text === undefined || text === '' ? undefined : Number.parseInt(text, 10))

/** What every set that is scaled gets. */
export function sizeAnnotations(deployment: Deployment): Annotations {
  const replicas = replicasOf(deployment)
  return { [desiredAnnotation]: String(replicas), [maxAnnotation]: String(replicas + fenceposts(deployment).surge) }
}

/** The annotations of the new set: the Deployment's own, and the revision with its history. */
export function newSetAnnotations(deployment: Deployment, old: Annotations, revision: number): Annotations {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !notCopied.has(key))
  const result: { [key: string]: string } = { ...old, ...Object.fromEntries(copied) }
  const before = old[revisionAnnotation]
  if ((number(before) ?? 0) >= revision) return result
  result[revisionAnnotation] = String(revision)
  if (before !== undefined) result[historyAnnotation] = history(old[historyAnnotation], before)
  return result
}

/** The list of earlier revisions, its oldest dropped where it grows too long. */
function history(old: string | undefined, revision: string): string {
  const all = [...(old ? old.split(',') : []), revision]
  while (all.length > 1 && all.join(',').length > historyLength) all.shift()
  return all.join(',')
}
