/** The revisions of a pod template, kept as ControllerRevisions (upstream pkg/controller/history). */
import { ignoreNotFound, isAlreadyExists } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { LabelSelector, PodTemplateSpec } from '../../../bootstrap/api/types.gen.ts'
import type { Resource } from '../../../bootstrap/client/client.ts'
import { type ControllerRevision, controllerRevisions } from '../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../bootstrap/client/same.ts'
import { controllerReference, nameOf } from '../../runtime/apply.ts'
import type { Cluster } from '../../runtime/operator.ts'
import { orphansIn, ownedBy } from '../../runtime/pods.ts'
import { claim } from './claims.ts'
import { templateHash } from './template-hash.ts'

/** The label of pods that tells their revision. */
export const revisionLabel = 'controller-revision-hash'

export interface History<T extends KubeObject> {
  readonly owner: T
  readonly resource: Resource<T>
  readonly selector: LabelSelector
  readonly template: PodTemplateSpec
  /** The label of the revision that holds its hash. */
  readonly hashLabel: string
  readonly limit: number
  /** Whether a pod or the owner's status still refers to the revision. */
  readonly isLive: (revision: ControllerRevision) => boolean
  readonly collisionCount: number | undefined
  /** Writes a raised collision count. */
  readonly collide: (count: number) => Promise<unknown>
}

/** The revision of the current template, made if need be and numbered as the latest; old ones beyond the limit go. */
export async function revisionsOf<T extends KubeObject>(
  history: History<T>,
  cluster: Cluster,
): Promise<{ latest: ControllerRevision; all: readonly ControllerRevision[] }> {
  const all = await claimed(history, cluster)
  const data = { spec: { template: { ...history.template, $patch: 'replace' } } }
  const highest = Math.max(0, ...all.map(revision => revision.revision))
  const [found] = all.filter(revision => sameJson(revision.data, data)).sort((a, b) => b.revision - a.revision)
  const latest = found ? await renumbered(found, highest, cluster) : await made(history, data, highest + 1, cluster)
  const others = all.filter(revision => revision.metadata.uid !== latest.metadata.uid)
  await cleanUp(history, others, cluster)
  return { latest, all: [...others, latest] }
}

/** The pod template a revision holds. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { spec } = revision.data as { spec: { template: PodTemplateSpec & { $patch?: string } } }
  const { $patch: _directive, ...template } = spec.template
  return template
}

function claimed<T extends KubeObject>(
  { owner, resource, selector }: History<T>,
  { client, informers }: Cluster,
): Promise<readonly ControllerRevision[]> {
  const all = informers.get(controllerRevisions)
  const { uid, namespace = '' } = owner.metadata
  const candidates = [...ownedBy(all, uid), ...orphansIn(all, namespace)]
  return claim({ client, owner, ownerResource: resource, selector, resource: controllerRevisions, candidates })
}

async function renumbered(
  found: ControllerRevision,
  highest: number,
  { client }: Cluster,
): Promise<ControllerRevision> {
  return found.revision === highest ? found : client.update(controllerRevisions, { ...found, revision: highest + 1 })
}

async function made<T extends KubeObject>(
  { owner, template, hashLabel, collisionCount, collide }: History<T>,
  data: unknown,
  revision: number,
  { client }: Cluster,
): Promise<ControllerRevision> {
  const hash = templateHash(template, collisionCount)
  const object: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${owner.metadata.name}-${hash}`,
      namespace: owner.metadata.namespace,
      labels: { ...template.metadata?.labels, [hashLabel]: hash },
      annotations: owner.metadata.annotations,
      ownerReferences: [controllerReference(owner)],
    },
    data,
    revision,
  }
  try {
    return await client.create(controllerRevisions, object)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    const existing = await client.get(controllerRevisions, nameOf(object))
    if (sameJson(existing.data, data)) return existing
    await collide((collisionCount ?? 0) + 1)
    throw new Error(`hash collision: revision ${object.metadata.name} holds another template`)
  }
}

async function cleanUp<T extends KubeObject>(
  { limit, isLive }: History<T>,
  others: readonly ControllerRevision[],
  { client }: Cluster,
): Promise<void> {
  const unused = others.filter(revision => !isLive(revision)).sort((a, b) => a.revision - b.revision)
  for (const revision of unused.slice(0, Math.max(0, unused.length - limit)))
    await client.delete(controllerRevisions, nameOf(revision)).catch(ignoreNotFound)
}
