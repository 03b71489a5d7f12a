/** A volume's phase while nobody is bound to it: Available, Released, Failed (its deletion is the provisioner's work). */
import {
  type PersistentVolume,
  persistentVolumeClaims,
  persistentVolumes,
} from '../../../bootstrap/client/resources.ts'
import { type Cluster, done, type Operator, on } from '../../runtime/operator.ts'

export const volumePhase: Operator = {
  name: 'persistentvolume-phase',
  watches: [
    on(persistentVolumes, volume => volume.metadata.name!),
    on(persistentVolumeClaims, (claim, _, change) => (change === 'deleted' ? claim.spec.volumeName : undefined)),
  ],
  async reconcile(name, cluster) {
    const volume = cluster.informers.get(persistentVolumes).get(name)
    if (!volume || volume.metadata.deletionTimestamp !== undefined) return done
    const phase = phaseOf(volume, cluster)
    if (phase === undefined || volume.status?.phase === phase) return done
    await cluster.client.patch(
      persistentVolumes,
      { name },
      { status: { phase } },
      { type: 'merge', subresource: 'status' },
    )
    return done
  },
}

/** Undefined where the binder, or a provisioner that deletes the volume, decides. */
function phaseOf(volume: PersistentVolume, { informers }: Cluster): string | undefined {
  const ref = volume.spec.claimRef
  if (ref === undefined || ref.uid === undefined || ref.uid === '') return 'Available'
  const claim = informers.get(persistentVolumeClaims).get(`${ref.namespace}/${ref.name}`)
  if (claim?.metadata.uid === ref.uid) return undefined
  return volume.status?.phase === 'Failed' ? undefined : 'Released'
}
