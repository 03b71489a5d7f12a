/** Storage that is in use is not deleted under its users: the finalizers go once nobody uses it (pvc-, pv- and vac-protection). */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../../bootstrap/client/client.ts'
import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  volumeAttributesClasses,
} from '../../../bootstrap/client/resources.ts'
import { done, type Operator, on } from '../../runtime/operator.ts'

const claimFinalizer = 'kubernetes.io/pvc-protection'
const volumeFinalizer = 'kubernetes.io/pv-protection'
const classFinalizer = 'kubernetes.io/vac-protection'

const claimKeys = (pod: Pod): string[] =>
  (pod.spec.volumes ?? []).flatMap(volume => {
    if (volume.persistentVolumeClaim) return [`${pod.metadata.namespace}/${volume.persistentVolumeClaim.claimName}`]
    return volume.ephemeral ? [`${pod.metadata.namespace}/${pod.metadata.name}-${volume.name}`] : []
  })

const finished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'

export const claimProtection: Operator = {
  name: 'pvc-protection-controller',
  watches: [
    on(persistentVolumeClaims, claim =>
      claim.metadata.deletionTimestamp ? `${claim.metadata.namespace}/${claim.metadata.name}` : undefined,
    ),
    on(pods, (pod, _, change) => (change === 'deleted' || finished(pod) ? claimKeys(pod) : undefined)),
  ],
  setup({ informers }) {
    informers.get(pods).addIndex('claim', claimKeys)
  },
  async reconcile(key, { client, informers }) {
    const claim = informers.get(persistentVolumeClaims).get(key)
    if (claim?.metadata.deletionTimestamp === undefined) return done
    const users = informers
      .get(pods)
      .byIndex('claim', key)
      .filter(pod => !finished(pod) && pod.spec.nodeName)
    if (users.length === 0) await dropFinalizer(client, persistentVolumeClaims, claim, claimFinalizer)
    return done
  },
}

export const volumeProtection: Operator = {
  name: 'pv-protection-controller',
  watches: [on(persistentVolumes, volume => (volume.metadata.deletionTimestamp ? volume.metadata.name! : undefined))],
  async reconcile(name, { client, informers }) {
    const volume = informers.get(persistentVolumes).get(name)
    if (volume?.metadata.deletionTimestamp !== undefined && volume.status?.phase !== 'Bound')
      await dropFinalizer(client, persistentVolumes, volume, volumeFinalizer)
    return done
  },
}

/** Names of the VolumeAttributesClasses a claim has, or is to get. */
const classesOf = (claim: PersistentVolumeClaim): string[] =>
  [
    claim.spec.volumeAttributesClassName,
    claim.status?.currentVolumeAttributesClassName,
    claim.status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((name): name is string => name !== undefined && name !== '')

const classOf = (volume: PersistentVolume): string[] =>
  volume.spec.volumeAttributesClassName ? [volume.spec.volumeAttributesClassName] : []

export const attributesClassProtection: Operator = {
  name: 'volumeattributesclass-protection-controller',
  watches: [
    on(volumeAttributesClasses, found => (found.metadata.deletionTimestamp ? found.metadata.name! : undefined)),
    on(persistentVolumeClaims, (claim, old) => [...classesOf(claim), ...(old ? classesOf(old) : [])]),
    on(persistentVolumes, (volume, old) => [...classOf(volume), ...(old ? classOf(old) : [])]),
  ],
  setup({ informers }) {
    informers.get(persistentVolumeClaims).addIndex('attributes-class', classesOf)
    informers.get(persistentVolumes).addIndex('attributes-class', classOf)
  },
  async reconcile(name, { client, informers }) {
    const found = informers.get(volumeAttributesClasses).get(name)
    if (found?.metadata.deletionTimestamp === undefined) return done
    const users = [persistentVolumeClaims, persistentVolumes].flatMap(resource =>
      informers.get(resource as Resource).byIndex('attributes-class', name),
    )
    if (users.length === 0) await dropFinalizer(client, volumeAttributesClasses, found, classFinalizer)
    return done
  },
}

/** Takes one finalizer away, provided the object is still the one that was looked at. */
async function dropFinalizer<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  finalizer: string,
): Promise<void> {
  const { name = '', namespace, finalizers = [], resourceVersion } = object.metadata
  if (!finalizers.includes(finalizer)) return
  const metadata = { resourceVersion, finalizers: finalizers.filter(other => other !== finalizer) }
  await client.patch(resource, { name, namespace }, { metadata }, { type: 'merge' })
}
