/** Volumes a node must be able to reach: bound ones by their PV's node affinity, waiting ones by a PV that could be bound. */
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../../../../bootstrap/client/resources.ts'
import { nodeSelectorMatches } from '../../common/node-affinity.ts'
import { matchingVolume } from '../../common/volume-match.ts'
import type { Plugin } from '../plugin.ts'

export interface VolumeReader {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined
  volume(name: string): PersistentVolume | undefined
  volumes(): readonly PersistentVolume[]
  storageClass(name: string): StorageClass | undefined
}

/** Names of the claims a pod uses, generic ephemeral volumes included. */
export function claimNames(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap(volume => {
    if (volume.persistentVolumeClaim) return [volume.persistentVolumeClaim.claimName]
    return volume.ephemeral ? [`${pod.metadata.name}-${volume.name}`] : []
  })
}

export function volumeBinding(reader: VolumeReader): Plugin {
  return {
    name: 'VolumeBinding',
    judge(pod) {
      const names = claimNames(pod)
      if (names.length === 0) return undefined
      const bound: PersistentVolume[] = []
      const waiting: PersistentVolumeClaim[] = []
      for (const name of names) {
        const claim = reader.claim(pod.metadata.namespace!, name)
        if (!claim) return `persistentvolumeclaim "${name}" not found`
        if (claim.metadata.deletionTimestamp !== undefined) return `persistentvolumeclaim "${name}" is being deleted`
        if (claim.spec.volumeName) {
          const volume = reader.volume(claim.spec.volumeName)
          if (!volume) return `persistentvolume "${claim.spec.volumeName}" not found`
          bound.push(volume)
        } else if (waits(claim, reader)) waiting.push(claim)
        else return 'pod has unbound immediate PersistentVolumeClaims'
      }
      return {
        filter({ node }) {
          const reachable = (volume: PersistentVolume): boolean =>
            volume.spec.nodeAffinity?.required === undefined ||
            nodeSelectorMatches(volume.spec.nodeAffinity.required, node)
          if (!bound.every(reachable))
            return { reason: "node(s) didn't match PersistentVolume's node affinity", unresolvable: true }
          const free = reader.volumes().filter(reachable)
          const provided = (claim: PersistentVolumeClaim): boolean =>
            matchingVolume(claim, free) !== undefined ||
            isProvisioned(reader.storageClass(claim.spec.storageClassName ?? ''))
          return waiting.every(provided)
            ? undefined
            : { reason: "node(s) didn't find available persistent volumes to bind", unresolvable: true }
        },
      }
    },
  }
}

function waits(claim: PersistentVolumeClaim, reader: VolumeReader): boolean {
  return reader.storageClass(claim.spec.storageClassName ?? '')?.volumeBindingMode === 'WaitForFirstConsumer'
}

const isProvisioned = (storageClass: StorageClass | undefined): boolean =>
  storageClass !== undefined && storageClass.provisioner !== 'kubernetes.io/no-provisioner'
