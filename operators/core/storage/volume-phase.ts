/** A volume's phase while nobody is bound to it: Available, Released, Failed (its deletion is the provisioner's work). */
import {
  type PersistentVolume,
  persistentVolumeClaims,
  persistentVolumes,
} from '../../../bootstrap/client/resources.ts'
import { type Cluster, done, type Operator, on } from '../../runtime/operator.ts'

const provisionedBy = 'pv.kubernetes.io/provisioned-by'

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
    const problem = phase === 'Released' ? unreclaimable(volume) : undefined
    const status = problem ? { phase: 'Failed', message: problem.message } : { phase }
    if (phase === undefined || volume.status?.phase === status.phase) return done
    await cluster.client.patch(persistentVolumes, { name }, { status }, { type: 'merge', subresource: 'status' })
    if (problem) cluster.events.event(volume, 'Warning', problem.reason, problem.message)
    return done
  },
}

/** Nobody here can delete or empty what no provisioner has made: upstream's words for volumes without such a plugin. */
function unreclaimable({ metadata, spec }: PersistentVolume): { reason: string; message: string } | undefined {
  const { name, annotations: { [provisionedBy]: provisioner } = {} } = metadata
  switch (spec.persistentVolumeReclaimPolicy) {
    case 'Delete':
      if (provisioner !== undefined) return undefined
      return {
        reason: 'VolumeFailedDelete',
        message: spec.hostPath
          ? `host_path deleter only supports /tmp/.+ but received provided ${spec.hostPath.path}`
          : `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`,
      }
    case 'Recycle':
      return { reason: 'VolumeFailedRecycle', message: 'no volume plugin matched' }
    default:
      return undefined
  }
}

/** Undefined where the binder, or a provisioner that deletes the volume, decides. */
function phaseOf(volume: PersistentVolume, { informers }: Cluster): string | undefined {
  const ref = volume.spec.claimRef
  if (ref === undefined || ref.uid === undefined || ref.uid === '') return 'Available'
  const claim = informers.get(persistentVolumeClaims).get(`${ref.namespace}/${ref.name}`)
  if (claim?.metadata.uid === ref.uid) return undefined
  return volume.status?.phase === 'Failed' ? undefined : 'Released'
}
