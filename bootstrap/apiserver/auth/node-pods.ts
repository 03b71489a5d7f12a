/** Which objects the pods of each node use, kept current from the pod store: what the Node authorizer asks. */
import type { KubeObject } from '../../api/object.ts'
import type { Container, Pod, PodSpec } from '../../api/types.gen.ts'
import type { ResourceStore } from '../store/store.ts'
import { followStore } from './follow.ts'

/** Resource to the "namespace/name" keys a pod uses. */
type Uses = ReadonlyMap<string, ReadonlySet<string>>

export class NodePods {
  /** Node to pod key to what the pod uses. */
  readonly #nodes = new Map<string, Map<string, Uses>>()
  readonly #nodeOf = new Map<string, string>()

  set(object: KubeObject): void {
    const pod = object as unknown as Pod
    const key = keyOfPod(object)
    const node = pod.spec?.nodeName
    if (this.#nodeOf.get(key) !== node) this.delete(object)
    if (!node) return
    const pods = this.#nodes.get(node) ?? new Map<string, Uses>()
    const mirror = object.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined
    pods.set(key, mirror ? new Map() : usesOf(pod))
    this.#nodes.set(node, pods)
    this.#nodeOf.set(key, node)
  }

  delete(object: KubeObject): void {
    const key = keyOfPod(object)
    const node = this.#nodeOf.get(key)
    if (node === undefined) return
    this.#nodeOf.delete(key)
    const pods = this.#nodes.get(node)
    pods?.delete(key)
    if (pods?.size === 0) this.#nodes.delete(node)
  }

  /** Whether a pod on the node is this one. */
  runs(node: string, namespace: string, name: string): boolean {
    return this.#nodes.get(node)?.has(`${namespace}/${name}`) ?? false
  }

  /** Whether a pod on the node uses the object. */
  uses(node: string, resource: string, namespace: string, name: string): boolean {
    const key = `${namespace}/${name}`
    for (const uses of this.#nodes.get(node)?.values() ?? []) if (uses.get(resource)?.has(key)) return true
    return false
  }

  /** Keys of the PersistentVolumeClaims of the node's pods. */
  claims(node: string): string[] {
    return [...(this.#nodes.get(node)?.values() ?? [])].flatMap(uses => [...(uses.get('persistentvolumeclaims') ?? [])])
  }

  /** Fills the index from the pod store and follows it until aborted. */
  follow(store: ResourceStore, signal: AbortSignal): Promise<void> {
    return followStore(store, this, signal)
  }

  clear(): void {
    this.#nodes.clear()
    this.#nodeOf.clear()
  }
}

const keyOfPod = (object: KubeObject): string => `${object.metadata.namespace}/${object.metadata.name}`

/** Everything a pod names, by resource. */
export function usesOf(pod: Pod): Uses {
  const uses = new Map<string, Set<string>>()
  const namespace = pod.metadata.namespace ?? ''
  const add = (resource: string, name: string | undefined) => {
    if (!name) return
    const keys = uses.get(resource) ?? new Set<string>()
    uses.set(resource, keys.add(`${namespace}/${name}`))
  }
  const { spec } = pod
  add('serviceaccounts', spec.serviceAccountName)
  for (const ref of spec.imagePullSecrets ?? []) add('secrets', ref.name)
  for (const container of containersOf(spec)) addOfContainer(container, add)
  addOfVolumes(pod, add)
  for (const claim of spec.resourceClaims ?? []) {
    const generated = pod.status?.resourceClaimStatuses?.find(status => status.name === claim.name)
    add('resourceclaims', claim.resourceClaimName ?? generated?.resourceClaimName)
  }
  return uses
}

type Add = (resource: string, name: string | undefined) => void

function containersOf(spec: PodSpec): readonly Container[] {
  const ephemeral = (spec.ephemeralContainers ?? []) as unknown as readonly Container[]
  return [...(spec.initContainers ?? []), ...spec.containers, ...ephemeral]
}

function addOfContainer(container: Container, add: Add): void {
  for (const source of container.envFrom ?? []) {
    add('secrets', source.secretRef?.name)
    add('configmaps', source.configMapRef?.name)
  }
  for (const { valueFrom } of container.env ?? []) {
    add('secrets', valueFrom?.secretKeyRef?.name)
    add('configmaps', valueFrom?.configMapKeyRef?.name)
  }
}

function addOfVolumes(pod: Pod, add: Add): void {
  for (const volume of pod.spec.volumes ?? []) {
    add('secrets', volume.secret?.secretName)
    add('configmaps', volume.configMap?.name)
    add('persistentvolumeclaims', volume.persistentVolumeClaim?.claimName)
    if (volume.ephemeral) add('persistentvolumeclaims', `${pod.metadata.name}-${volume.name}`)
    for (const source of volume.projected?.sources ?? []) {
      add('secrets', source.secret?.name)
      add('configmaps', source.configMap?.name)
    }
    const drivers = volume as unknown as Record<
      string,
      { secretRef?: { name?: string }; nodePublishSecretRef?: { name?: string } }
    >
    for (const driver of ['cephfs', 'flexVolume', 'iscsi', 'rbd', 'scaleIO', 'storageos', 'csi']) {
      add('secrets', drivers[driver]?.secretRef?.name ?? drivers[driver]?.nodePublishSecretRef?.name)
    }
  }
}
