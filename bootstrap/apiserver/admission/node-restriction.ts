/** A kubelet writes only its own node and its own pods (upstream: plugin/pkg/admission/noderestriction). */
import { isDeepStrictEqual } from 'node:util'
import { errors } from '../../api/errors.ts'
import { groupResourceText, type KubeObject } from '../../api/object.ts'
import type { AuthenticationV1TokenRequest, Node, PersistentVolumeClaim, Pod } from '../../api/types.gen.ts'
import { nodeNameOf } from '../auth/node.ts'
import { usesOf } from '../auth/node-pods.ts'
import { as, isMirror, quote, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest, ObjectReader } from './plugin.ts'

type Check = (request: AdmissionRequest, node: string, reader: ObjectReader) => void

const checks: { readonly [groupResource: string]: Check } = {
  pods: checkPods,
  nodes: checkNode,
  persistentvolumeclaims: checkClaimStatus,
  serviceaccounts: checkToken,
  'leases.coordination.k8s.io': (request, node) => {
    if (request.namespace !== 'kube-node-lease') {
      throw refuse(request, 'can only access leases in the "kube-node-lease" system namespace')
    }
    checkOwnName(request, node, 'node lease')
  },
  'csinodes.storage.k8s.io': (request, node) => checkOwnName(request, node, 'CSINode'),
}

export function nodeRestriction({ reader }: AdmissionDeps): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    mutate(request) {
      const node = nodeNameOf(request.user)
      if (node === undefined || request.operation === 'CONNECT') return
      if (node === '') throw refuse(request, `could not determine node from user ${quote(request.user.name)}`)
      checks[groupResourceText(request.kind)]?.(request, node, reader)
    },
  }
}

function checkPods(request: AdmissionRequest, node: string, reader: ObjectReader): void {
  const { subresource } = request
  if (subresource === '') checkPod(request, node, reader)
  else if (subresource === 'status') checkPodStatus(request, node)
  else if (subresource === 'eviction') checkEviction(request, node, reader)
  else {
    const why = `unexpected pod subresource ${quote(subresource)}, only 'status' and 'eviction' are allowed`
    throw refuse(request, why)
  }
}

function checkEviction(request: AdmissionRequest, node: string, reader: ObjectReader): void {
  const name = request.name || (request.object?.metadata.name ?? '')
  const pod = reader.get('', 'pods', request.namespace, name)
  if (!pod) throw errors.notFound({ group: '', resource: 'pods' }, name)
  if (nodeOf(pod) === node) return
  throw refuse(request, `node ${node} can only evict pods with spec.nodeName set to itself`)
}

const nodeOf = (pod: KubeObject | undefined): string | undefined =>
  (pod?.spec as { nodeName?: string } | undefined)?.nodeName

function checkPod(request: AdmissionRequest, node: string, reader: ObjectReader): void {
  const who = `node ${quote(node)}`
  if (request.operation === 'DELETE') {
    if (nodeOf(request.old) === node) return
    throw refuse(request, `${who} can only delete pods with spec.nodeName set to itself`)
  }
  if (request.operation !== 'CREATE') {
    throw refuse(
      request,
      `unexpected operation ${quote(request.operation)}, ${who} can only create and delete mirror pods`,
    )
  }
  const pod = as<Pod>(request.object)
  if (!isMirror(pod)) {
    throw refuse(
      request,
      `pod does not have "kubernetes.io/config.mirror" annotation, ${who} can only create mirror pods`,
    )
  }
  if (pod.spec.nodeName !== node) {
    throw refuse(request, `${who} can only create pods with spec.nodeName set to itself`)
  }
  checkPodOwner(request, pod, node, reader)
  if (pod.spec.serviceAccountName) throw refuse(request, `${who} can not create pods that reference a service account`)
  const uses = usesOf(pod)
  for (const resource of ['secrets', 'configmaps', 'persistentvolumeclaims']) {
    if (uses.has(resource)) throw refuse(request, `${who} can not create pods that reference ${resource}`)
  }
  if (pod.spec.volumes?.some(volume => volume.projected?.sources?.some(source => source.clusterTrustBundle))) {
    throw refuse(request, `${who} can not create pods that reference clustertrustbundles`)
  }
}

function checkPodOwner(request: AdmissionRequest, pod: Pod, node: string, reader: ObjectReader): void {
  const who = `node ${quote(node)}`
  const [owner, ...more] = pod.metadata.ownerReferences ?? []
  if (more.length > 0) throw refuse(request, `${who} can only create pods with a single owner reference set to itself`)
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    throw refuse(request, `${who} can only create pods with an owner reference set to itself`)
  }
  if (!owner.controller) {
    throw refuse(request, `${who} can only create pods with a controller owner reference set to itself`)
  }
  if (owner.blockOwnerDeletion) {
    throw refuse(request, `${who} must not set blockOwnerDeletion on an owner reference`)
  }
  const object = reader.get('', 'nodes', '', node)
  if (!object) throw errors.notFound({ group: '', resource: 'nodes' }, node)
  if (object.metadata.uid !== owner.uid) {
    throw refuse(request, `node ${node} UID mismatch: expected ${owner.uid} got ${object.metadata.uid}`)
  }
}

function checkPodStatus(request: AdmissionRequest, node: string): void {
  const who = `node ${quote(node)}`
  if (request.operation !== 'UPDATE') throw refuse(request, `unexpected operation ${quote(request.operation)}`)
  const pod = as<Pod>(request.object)
  const old = request.old as unknown as Pod
  if (old.spec.nodeName !== node) {
    throw refuse(request, `${who} can only update pod status for pods with spec.nodeName set to itself`)
  }
  if (!isDeepStrictEqual(pod.metadata.labels ?? {}, old.metadata.labels ?? {})) {
    throw refuse(request, `${who} cannot update labels through pod status`)
  }
  const claims = ({ status }: Pod) => status?.resourceClaimStatuses ?? []
  if (!isDeepStrictEqual(claims(pod), claims(old))) throw refuse(request, `${who} cannot update resource claim statues`)
}

function checkNode(request: AdmissionRequest, node: string): void {
  const who = `node ${quote(node)}`
  const name = request.name || (request.object?.metadata.name ?? '')
  if (name !== node) throw refuse(request, `${who} is not allowed to modify node ${quote(name)}`)
  if (request.operation === 'DELETE') return
  const wanted = as<Node>(request.object)
  const old = request.old as unknown as Node | undefined
  if (old && !isDeepStrictEqual(wanted.spec?.taints ?? [], old.spec?.taints ?? [])) {
    throw refuse(request, `${who} is not allowed to modify taints`)
  }
  const reserved = changedLabels(wanted, old).filter(isReserved).sort().join(', ')
  if (reserved === '') return
  throw refuse(
    request,
    old
      ? `is not allowed to modify labels: ${reserved}`
      : `${who} is not allowed to set the following labels: ${reserved}`,
  )
}

function changedLabels(wanted: Node, old: Node | undefined): string[] {
  const [now, before] = [wanted.metadata.labels ?? {}, old?.metadata.labels ?? {}]
  return [...new Set([...Object.keys(now), ...Object.keys(before)])].filter(key => now[key] !== before[key])
}

const kubeletLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
])
const within = (domain: string, parent: string): boolean => domain === parent || domain.endsWith(`.${parent}`)

/** Labels of Kubernetes' own domains that a kubelet may not set. */
function isReserved(label: string): boolean {
  const slash = label.indexOf('/')
  const domain = slash < 0 ? '' : label.slice(0, slash)
  if (within(domain, 'node-restriction.kubernetes.io')) return true
  if (!within(domain, 'kubernetes.io') && !within(domain, 'k8s.io')) return false
  return !kubeletLabels.has(label) && !within(domain, 'kubelet.kubernetes.io') && !within(domain, 'node.kubernetes.io')
}

function checkClaimStatus(request: AdmissionRequest, node: string): void {
  if (request.subresource !== 'status') throw refuse(request, 'may only update PVC status')
  if (request.operation !== 'UPDATE') throw refuse(request, `unexpected operation ${quote(request.operation)}`)
  const rest = (claim: PersistentVolumeClaim) => {
    const { resourceVersion, managedFields, ...metadata } = claim.metadata
    const { capacity, conditions, allocatedResources, allocatedResourceStatuses, ...status } = claim.status ?? {}
    return { ...claim, metadata, status }
  }
  const old = request.old as unknown as PersistentVolumeClaim
  if (isDeepStrictEqual(rest(as<PersistentVolumeClaim>(request.object)), rest(old))) return
  throw refuse(
    request,
    `node ${quote(node)} is not allowed to update fields other than status.capacity and status.conditions`,
  )
}

function checkToken(request: AdmissionRequest, node: string, reader: ObjectReader): void {
  if (request.operation !== 'CREATE' || request.subresource !== 'token') return
  const ref = as<AuthenticationV1TokenRequest>(request.object).spec.boundObjectRef
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) {
    throw refuse(request, 'node requested token not bound to a pod')
  }
  if (!ref.uid) throw refuse(request, 'node requested token with a pod binding without a uid')
  const pod = reader.get('', 'pods', request.namespace, ref.name)
  if (!pod) throw errors.notFound({ group: '', resource: 'pods' }, ref.name)
  if (pod.metadata.uid !== ref.uid) {
    throw refuse(
      request,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  }
  if (nodeOf(pod) !== node) throw refuse(request, 'node requested token bound to a pod scheduled on a different node')
}

function checkOwnName(request: AdmissionRequest, node: string, what: string): void {
  const name = request.operation === 'CREATE' ? request.object?.metadata.name : request.name
  if (name !== node) throw refuse(request, `can only access ${what} with the same name as the requesting node`)
}
