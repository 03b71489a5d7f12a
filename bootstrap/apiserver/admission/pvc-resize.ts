/** A claim may grow only when its storage class allows it (upstream: plugin/pkg/admission/storage/persistentvolume/resize). */
import { tryParseQuantity } from '../../api/quantity.ts'
import type { PersistentVolumeClaim, StorageClass } from '../../api/types.gen.ts'
import { as, isFor, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin } from './plugin.ts'

export function persistentVolumeClaimResize({ reader }: AdmissionDeps): AdmissionPlugin {
  function allowsExpansion(claim: PersistentVolumeClaim): boolean {
    const annotation = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class']
    const name = annotation ?? claim.spec?.storageClassName
    const object = name ? reader.get('storage.k8s.io', 'storageclasses', '', name) : undefined
    return (object as unknown as StorageClass | undefined)?.allowVolumeExpansion === true
  }

  return {
    name: 'PersistentVolumeClaimResize',
    validate(request) {
      if (request.operation !== 'UPDATE' || !isFor(request, '', 'persistentvolumeclaims')) return
      const claim = as<PersistentVolumeClaim>(request.object)
      const old = request.old as unknown as PersistentVolumeClaim
      const wanted = tryParseQuantity(claim.spec?.resources?.requests?.storage)
      const had = tryParseQuantity(old.spec?.resources?.requests?.storage)
      if (!wanted || !had || wanted.compare(had) <= 0) return
      if (old.status?.phase !== 'Bound') throw refuse(request, 'Only bound persistent volume claims can be expanded')
      if (!allowsExpansion(claim)) {
        throw refuse(
          request,
          'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
        )
      }
    },
  }
}
