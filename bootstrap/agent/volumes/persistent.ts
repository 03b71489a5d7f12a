/** PersistentVolumeClaims resolved to a directory on this node: hostPath and local volumes. */

import { isNotFound } from '../../api/errors.ts'
import type { Client } from '../../client/client.ts'
import { type PersistentVolume, type Pod, persistentVolumeClaims, persistentVolumes } from '../../client/resources.ts'
import { VolumeError } from './payload.ts'

export interface PersistentPath {
  readonly path: string
  readonly readOnly: boolean
  /** hostPath's type, if the volume is one. */
  readonly hostPathType: string | undefined
  /** Only volumes that Kubernetes manages get fsGroup applied. */
  readonly managesOwnership: boolean
}

/** Throws VolumeError while the claim is missing or unbound, or its volume is of a kind this node cannot mount. */
export async function persistentPath(client: Client, pod: Pod, claimName: string): Promise<PersistentPath> {
  const namespace = pod.metadata.namespace ?? ''
  const claim = await client.get(persistentVolumeClaims, { namespace, name: claimName }).catch(error => {
    if (isNotFound(error)) throw new VolumeError(`persistentvolumeclaim "${claimName}" not found`)
    throw error
  })
  const volumeName = claim.spec?.volumeName
  if (claim.status?.phase !== 'Bound' || !volumeName)
    throw new VolumeError(`PVC ${namespace}/${claimName} is not bound`)
  if (claim.metadata.deletionTimestamp && claim.metadata.finalizers?.length === 0)
    throw new VolumeError('PVC is being deleted')
  const volume = await client.get(persistentVolumes, { name: volumeName })
  if (volume.spec?.claimRef?.uid !== claim.metadata.uid)
    throw new VolumeError(`PVC ${namespace}/${claimName} and PV ${volumeName} are not bound to each other`)
  return pathOf(volume)
}

function pathOf(volume: PersistentVolume): PersistentPath {
  const { hostPath, local, accessModes } = volume.spec ?? {}
  const readOnly = accessModes?.length === 1 && accessModes[0] === 'ReadOnlyMany'
  if (hostPath) return { path: hostPath.path, readOnly, hostPathType: hostPath.type ?? '', managesOwnership: false }
  if (local) return { path: local.path, readOnly, hostPathType: 'Directory', managesOwnership: true }
  throw new VolumeError(`PersistentVolume ${volume.metadata.name} has no source this node can mount (hostPath, local)`)
}
