/** How many pods the controllers behind a budget's pods want (upstream disruption.go, getExpectedScale). */
import { ignoreNotFound } from '../../../../bootstrap/api/errors.ts'
import {
  controllerOf,
  groupResourceText,
  type KubeObject,
  keyOf,
  type OwnerReference,
  parseApiVersion,
} from '../../../../bootstrap/api/object.ts'
import type { Client } from '../../../../bootstrap/client/client.ts'
import { groupPath, objectPath } from '../../../../bootstrap/client/paths.ts'
import {
  deployments,
  type Pod,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '../../../../bootstrap/client/resources.ts'
import type { Cluster } from '../../../runtime/operator.ts'

export interface Scale {
  readonly replicas: number
  /** Names of pods that nothing controls. */
  readonly unmanaged: readonly string[]
}

interface Owner {
  readonly uid: string
  readonly replicas: number
}

type Replicated = KubeObject & { readonly spec?: { readonly replicas?: number | undefined } | undefined }

interface Served {
  readonly name: string
  readonly kind: string
}

interface ResourceList {
  readonly resources?: readonly Served[]
}

const known = [replicationControllers, replicaSets, statefulSets, deployments]

/** The sum over the pods' controllers, each counted once. Rejects when a pod's controller cannot be found. */
export async function scaleOf(pods: readonly Pod[], cluster: Cluster): Promise<Scale> {
  const owners = new Map<string, number>()
  const seen = new Set<string>()
  const unmanaged: string[] = []
  for (const pod of pods) {
    const { name = '', namespace = '' } = pod.metadata
    const reference = controllerOf(pod)
    if (!reference) unmanaged.push(name)
    if (!reference || seen.has(reference.uid)) continue
    seen.add(reference.uid)
    const owner = cachedOwner(reference, namespace, cluster) ?? (await scaledOwner(reference, namespace, cluster))
    if (!owner) throw new Error(`found no controllers for pod ${JSON.stringify(name)}`)
    owners.set(owner.uid, owner.replicas)
  }
  return { replicas: [...owners.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged }
}

/** A controller of a kind that is watched; a ReplicaSet stands for its Deployment. */
function cachedOwner(reference: OwnerReference, namespace: string, cluster: Cluster): Owner | undefined {
  const object = cached(reference, namespace, cluster)
  if (!object) return undefined
  const above = object.kind === 'ReplicaSet' ? controllerOf(object) : undefined
  if (above?.kind === 'Deployment') return cachedOwner(above, namespace, cluster)
  return { uid: reference.uid, replicas: object.spec?.replicas ?? 1 }
}

function cached({ apiVersion, kind, name, uid }: OwnerReference, namespace: string, { informers }: Cluster) {
  const { group } = parseApiVersion(apiVersion)
  const resource = known.find(candidate => candidate.kind === kind && candidate.group === group)
  const object: Replicated | undefined =
    resource && informers.get<Replicated>(resource).get(keyOf({ metadata: { name, namespace } }))
  return object?.metadata.uid === uid ? object : undefined
}

/** Any other controller, through its scale subresource. Rejects when the kind has none. */
async function scaledOwner(
  { apiVersion, kind, name, uid }: OwnerReference,
  namespace: string,
  { client }: Cluster,
): Promise<Owner | undefined> {
  const version = parseApiVersion(apiVersion)
  const served = await servedBy(client, groupPath(version))
  const resource = served.find(candidate => candidate.kind === kind && !candidate.name.includes('/'))?.name
  if (resource === undefined)
    throw new Error(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`)
  if (!served.some(candidate => candidate.name === `${resource}/scale`))
    throw new Error(`${groupResourceText({ ...version, resource })} does not implement the scale subresource`)
  const path = objectPath({ ...version, resource, namespaced: true }, { name, namespace }, 'scale')
  const scale = (await client.raw('GET', path).catch(ignoreNotFound)) as Replicated | undefined
  return scale?.metadata.uid === uid ? { uid, replicas: scale?.spec?.replicas ?? 0 } : undefined
}

async function servedBy(client: Client, path: string): Promise<readonly Served[]> {
  const list = (await client.raw('GET', path).catch(ignoreNotFound)) as ResourceList | undefined
  return list?.resources ?? []
}
