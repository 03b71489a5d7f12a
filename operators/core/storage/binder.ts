/**
 * Binds claims to volumes (kubernetes pkg/controller/volume/persistentvolume): the volume is reserved for the claim first,
 * then the claim names the volume, so that a crash in between is finished later and never binds twice.
 */
import { type Draft, draftOf } from '../../../bootstrap/api/object.ts'
import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type StorageClass,
  storageClasses,
} from '../../../bootstrap/client/resources.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { isFor, matchingVolume } from '../common/volume-match.ts'

const annotations = {
  bindCompleted: 'pv.kubernetes.io/bind-completed',
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  selectedNode: 'volume.kubernetes.io/selected-node',
  provisioner: 'volume.kubernetes.io/storage-provisioner',
  oldProvisioner: 'volume.beta.kubernetes.io/storage-provisioner',
}

const keyOf = (object: { metadata: { namespace?: string | undefined; name?: string | undefined } }): string =>
  `${object.metadata.namespace}/${object.metadata.name}`

export const volumeBinder: Operator = {
  name: 'persistentvolume-binder-controller',
  concurrency: 1,
  watches: [
    on(persistentVolumeClaims, claim => keyOf(claim)),
    on(persistentVolumes, (volume, _, __, { informers }) => {
      const ref = volume.spec.claimRef
      if (ref) return `${ref.namespace}/${ref.name}`
      const waiting = informers
        .get(persistentVolumeClaims)
        .list()
        .filter(claim => !claim.spec.volumeName)
      return waiting.map(keyOf)
    }),
    on(storageClasses, (_, __, ___, { informers }) => informers.get(persistentVolumeClaims).list().map(keyOf)),
  ],

  async reconcile(key, cluster): Promise<Result> {
    const claim = cluster.informers.get(persistentVolumeClaims).get(key)
    if (!claim || claim.metadata.deletionTimestamp !== undefined) return done
    if (claim.spec.volumeName) await confirm(claim, cluster)
    else await bindOrWait(claim, cluster)
    return done
  },
}

/** The claim names a volume: both sides and their phases must agree. */
async function confirm(claim: PersistentVolumeClaim, cluster: Cluster): Promise<void> {
  const volume = cluster.informers.get(persistentVolumes).get(claim.spec.volumeName!)
  if (!volume) {
    const lost = claim.metadata.annotations?.[annotations.bindCompleted] !== undefined
    if (lost && claim.status?.phase !== 'Lost') {
      await setClaimStatus(claim, { phase: 'Lost' }, cluster)
      cluster.events.event(
        claim,
        'Warning',
        'ClaimLost',
        'Bound claim has lost its PersistentVolume. Data on the volume is lost!',
      )
    }
    return
  }
  if (volume.spec.claimRef === undefined) await bind(claim, volume, cluster)
  else if (isFor(volume, claim)) await finish(claim, volume, cluster)
}

async function bindOrWait(claim: PersistentVolumeClaim, cluster: Cluster): Promise<void> {
  const className = claim.spec.storageClassName ?? ''
  const storageClass = cluster.informers.get(storageClasses).get(className)
  const volumes = cluster.informers.get(persistentVolumes).list()
  const reserved = volumes.find(volume => isFor(volume, claim))
  const delayed =
    storageClass?.volumeBindingMode === 'WaitForFirstConsumer' &&
    claim.metadata.annotations?.[annotations.selectedNode] === undefined
  const volume = delayed ? reserved : matchingVolume(claim, volumes)
  if (volume) return bind(claim, volume, cluster)
  if (delayed)
    cluster.events.event(
      claim,
      'Normal',
      'WaitForFirstConsumer',
      'waiting for first consumer to be created before binding',
    )
  else await askForVolume(claim, storageClass, cluster)
  if (claim.status?.phase !== 'Pending') await setClaimStatus(claim, { phase: 'Pending' }, cluster)
}

/** No volume fits: somebody else's provisioner may make one. */
async function askForVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass | undefined,
  { client, events }: Cluster,
): Promise<void> {
  const provisioner = storageClass?.provisioner
  if (claim.spec.storageClassName && storageClass === undefined) {
    const text = `storageclass.storage.k8s.io "${claim.spec.storageClassName}" not found`
    events.event(claim, 'Warning', 'ProvisioningFailed', text)
    return
  }
  if (provisioner === undefined || provisioner === 'kubernetes.io/no-provisioner') {
    events.event(
      claim,
      'Normal',
      'FailedBinding',
      'no persistent volumes available for this claim and no storage class is set',
    )
    return
  }
  if (claim.metadata.annotations?.[annotations.provisioner] !== provisioner) {
    const wanted = { [annotations.provisioner]: provisioner, [annotations.oldProvisioner]: provisioner }
    const { name = '', namespace } = claim.metadata
    await client.patch(
      persistentVolumeClaims,
      { name, namespace },
      { metadata: { annotations: wanted } },
      { type: 'merge' },
    )
  }
  const text = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`
  events.event(claim, 'Normal', 'ExternalProvisioning', text)
}

async function bind(claim: PersistentVolumeClaim, volume: PersistentVolume, cluster: Cluster): Promise<void> {
  const { name, namespace, uid, resourceVersion } = claim.metadata
  let reserved = volume
  if (volume.spec.claimRef?.uid !== uid) {
    const draft: Draft<PersistentVolume> = draftOf(volume)
    const byUser = volume.spec.claimRef !== undefined
    draft.spec.claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid, resourceVersion }
    if (!byUser) draft.metadata.annotations = { ...draft.metadata.annotations, [annotations.boundByController]: 'yes' }
    reserved = await cluster.client.update(persistentVolumes, draft as PersistentVolume)
  }
  await finish(claim, reserved, cluster)
}

/** The volume is reserved for the claim: complete whatever of the binding is missing. */
async function finish(claim: PersistentVolumeClaim, volume: PersistentVolume, cluster: Cluster): Promise<void> {
  if (volume.spec.claimRef?.uid !== claim.metadata.uid) return bind(claim, volume, cluster)
  if (volume.status?.phase !== 'Bound') {
    const status = { status: { phase: 'Bound' } }
    await cluster.client.patch(persistentVolumes, { name: volume.metadata.name! }, status, {
      type: 'merge',
      subresource: 'status',
    })
  }
  let current = claim
  const complete =
    claim.spec.volumeName === volume.metadata.name &&
    claim.metadata.annotations?.[annotations.bindCompleted] !== undefined
  if (!complete) {
    const draft: Draft<PersistentVolumeClaim> = draftOf(claim)
    const byController = claim.spec.volumeName ? {} : { [annotations.boundByController]: 'yes' }
    draft.spec.volumeName = volume.metadata.name!
    draft.metadata.annotations = { ...draft.metadata.annotations, ...byController, [annotations.bindCompleted]: 'yes' }
    current = await cluster.client.update(persistentVolumeClaims, draft as PersistentVolumeClaim)
  }
  if (current.status?.phase === 'Bound') return
  const { accessModes, capacity } = volume.spec
  await setClaimStatus(current, { phase: 'Bound', accessModes, capacity }, cluster)
}

async function setClaimStatus(claim: PersistentVolumeClaim, status: object, { client }: Cluster): Promise<void> {
  const { name = '', namespace } = claim.metadata
  await client.patch(persistentVolumeClaims, { name, namespace }, { status }, { type: 'merge', subresource: 'status' })
}
