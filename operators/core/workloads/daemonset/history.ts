/** The revisions of a DaemonSet's template, kept as ControllerRevisions (upstream daemon/update.go). */
import { isAlreadyExists, isNotFound } from '../../../../bootstrap/api/errors.ts'
import {
  type ControllerRevision,
  controllerRevisions,
  type DaemonSet,
  daemonSets,
  type Pod,
} from '../../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../../bootstrap/client/same.ts'
import { controllerReference, nameOf } from '../../../runtime/apply.ts'
import type { Cluster } from '../../../runtime/operator.ts'
import { orphansIn, ownedBy } from '../../../runtime/pods.ts'
import { claim } from '../claims.ts'
import { templateHash } from '../template-hash.ts'

export const revisionLabel = 'controller-revision-hash'

/** The revision of the current template, made if need be and numbered as the latest; old ones beyond the limit go. */
export async function currentRevision(
  set: DaemonSet,
  pods: readonly Pod[],
  cluster: Cluster,
): Promise<ControllerRevision> {
  const all = await claimed(set, cluster)
  const data = { spec: { template: { ...set.spec.template, $patch: 'replace' } } }
  const latest = Math.max(0, ...all.map(revision => revision.revision))
  const same = all.filter(revision => sameJson(revision.data, data)).sort((a, b) => b.revision - a.revision)
  const [found] = same
  const current = found ? await renumbered(found, latest, cluster) : await made(set, data, latest + 1, cluster)
  const others = all.filter(revision => revision.metadata.uid !== current.metadata.uid)
  await cleanUp(set, others, pods, cluster)
  return current
}

function claimed(owner: DaemonSet, { client, informers }: Cluster): Promise<readonly ControllerRevision[]> {
  const all = informers.get(controllerRevisions)
  const { uid, namespace = '' } = owner.metadata
  return claim({
    client,
    owner,
    ownerResource: daemonSets,
    selector: owner.spec.selector,
    resource: controllerRevisions,
    candidates: [...ownedBy(all, uid), ...orphansIn(all, namespace)],
  })
}

async function renumbered(found: ControllerRevision, latest: number, { client }: Cluster): Promise<ControllerRevision> {
  return found.revision === latest ? found : client.update(controllerRevisions, { ...found, revision: latest + 1 })
}

async function made(set: DaemonSet, data: unknown, revision: number, cluster: Cluster): Promise<ControllerRevision> {
  const hash = templateHash(set.spec.template, set.status?.collisionCount)
  const object: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${set.metadata.name}-${hash}`,
      namespace: set.metadata.namespace,
      labels: { ...set.spec.template.metadata?.labels, [revisionLabel]: hash },
      annotations: set.metadata.annotations,
      ownerReferences: [controllerReference(set)],
    },
    data,
    revision,
  }
  try {
    return await cluster.client.create(controllerRevisions, object)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    const existing = await cluster.client.get(controllerRevisions, nameOf(object))
    if (sameJson(existing.data, data)) return existing
    const status = emptyStatus(set)
    const collisionCount = (set.status?.collisionCount ?? 0) + 1
    const next = { ...set, status: { ...status, collisionCount } }
    await cluster.client.update(daemonSets, next, { subresource: 'status' })
    throw new Error(`hash collision: revision ${object.metadata.name} holds another template`)
  }
}

export function emptyStatus(set: DaemonSet): NonNullable<DaemonSet['status']> {
  const none = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }
  return set.status ?? none
}

async function cleanUp(
  set: DaemonSet,
  others: readonly ControllerRevision[],
  pods: readonly Pod[],
  { client }: Cluster,
): Promise<void> {
  const { revisionHistoryLimit = 10 } = set.spec
  const live = new Set(pods.map(pod => pod.metadata.labels?.[revisionLabel]))
  const unused = others.filter(revision => !live.has(revision.metadata.labels?.[revisionLabel]))
  const oldestFirst = [...unused].sort((a, b) => a.revision - b.revision)
  for (const revision of oldestFirst.slice(0, Math.max(0, unused.length - revisionHistoryLimit)))
    await client.delete(controllerRevisions, nameOf(revision)).catch(error => {
      if (!isNotFound(error)) throw error
    })
}
