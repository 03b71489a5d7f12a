/** Volumes and claims in use are not deleted: their finalizers (upstream: plugin/pkg/admission/storage/storageobjectinuseprotection). */
import { isFor } from './common.ts'
import type { AdmissionPlugin } from './plugin.ts'

const finalizers: readonly [group: string, resource: string, finalizer: string][] = [
  ['', 'persistentvolumes', 'kubernetes.io/pv-protection'],
  ['', 'persistentvolumeclaims', 'kubernetes.io/pvc-protection'],
  ['storage.k8s.io', 'volumeattributesclasses', 'kubernetes.io/vac-protection'],
]

export function storageObjectInUseProtection(): AdmissionPlugin {
  return {
    name: 'StorageObjectInUseProtection',
    mutate(request) {
      if (request.operation !== 'CREATE' || !request.object) return
      for (const [group, resource, finalizer] of finalizers) {
        const present = request.object.metadata.finalizers ?? []
        if (!isFor(request, group, resource) || present.includes(finalizer)) continue
        request.object.metadata.finalizers = [...present, finalizer]
      }
    },
  }
}
