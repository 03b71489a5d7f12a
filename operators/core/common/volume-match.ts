/** Which persistent volume suits a claim (kubernetes pkg/controller/volume/persistentvolume/index.go). */
import { parseQuantity } from '../../../bootstrap/api/quantity.ts'
import { labelSelectorOf } from '../../../bootstrap/api/selectors.ts'
import type { PersistentVolume, PersistentVolumeClaim } from '../../../bootstrap/client/resources.ts'

/** The smallest fitting volume; one that names the claim already comes before all others. */
export function matchingVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
): PersistentVolume | undefined {
  const reserved = volumes.find(volume => isFor(volume, claim))
  if (reserved) return suits(reserved, claim) ? reserved : undefined
  return volumes
    .filter(
      volume =>
        volume.spec.claimRef === undefined &&
        (volume.status?.phase ?? 'Pending') === 'Available' &&
        suits(volume, claim),
    )
    .sort((a, b) => capacity(a) - capacity(b))[0]
}

/** Whether the volume is bound to, or reserved for, this claim. */
export function isFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const ref = volume.spec.claimRef
  return (
    ref !== undefined &&
    ref.namespace === claim.metadata.namespace &&
    ref.name === claim.metadata.name &&
    (ref.uid === undefined || ref.uid === '' || ref.uid === claim.metadata.uid)
  )
}

function suits(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { spec } = claim
  const requested = spec.resources?.requests?.storage
  return (
    volume.metadata.deletionTimestamp === undefined &&
    (volume.spec.storageClassName ?? '') === (spec.storageClassName ?? '') &&
    (volume.spec.volumeMode ?? 'Filesystem') === (spec.volumeMode ?? 'Filesystem') &&
    (spec.accessModes ?? []).every(mode => volume.spec.accessModes?.includes(mode)) &&
    (requested === undefined || capacity(volume) >= parseQuantity(requested).value()) &&
    (spec.selector === undefined || labelSelectorOf(spec.selector).matches(volume.metadata.labels))
  )
}

function capacity(volume: PersistentVolume): number {
  const text = volume.spec.capacity?.storage
  return text === undefined ? 0 : parseQuantity(text).value()
}
