/** Makes the claims of pods' generic ephemeral volumes (kubernetes pkg/controller/volume/ephemeral); they go with their pod. */
import { isAlreadyExists } from '../../../bootstrap/api/errors.ts'
import { controllerOf } from '../../../bootstrap/api/object.ts'
import {
  type PersistentVolumeClaim,
  type Pod,
  persistentVolumeClaims,
  pods,
} from '../../../bootstrap/client/resources.ts'
import { done, type Operator, on } from '../../runtime/operator.ts'

type Volume = NonNullable<Pod['spec']['volumes']>[number]

const isEphemeral = (pod: Pod): boolean => pod.spec.volumes?.some(volume => volume.ephemeral) ?? false
const keyOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`

export const ephemeralVolumes: Operator = {
  name: 'ephemeral-volume-controller',
  watches: [
    on(pods, (pod, _, change) => (change !== 'deleted' && isEphemeral(pod) ? keyOf(pod) : undefined)),
    on(persistentVolumeClaims, (claim, _, change) => {
      const owner = controllerOf(claim)
      return change === 'deleted' && owner?.kind === 'Pod' ? `${claim.metadata.namespace}/${owner.name}` : undefined
    }),
  ],
  async reconcile(key, { client, events, informers }) {
    const pod = informers.get(pods).get(key)
    if (!pod || pod.metadata.deletionTimestamp !== undefined) return done
    for (const volume of pod.spec.volumes ?? []) {
      if (!volume.ephemeral) continue
      const wanted = claimOf(pod, volume)
      const { name, namespace } = wanted.metadata
      const there = informers.get(persistentVolumeClaims).get(`${namespace}/${name}`)
      if (there && controllerOf(there)?.uid !== pod.metadata.uid) {
        const problem = `PVC "${namespace}/${name}" was not created for pod "${key}" (pod is not owner)`
        events.event(pod, 'Warning', 'FailedBinding', `ephemeral volume ${volume.name}: ${problem}`)
        throw new Error(problem)
      }
      if (!there)
        await client.create(persistentVolumeClaims, wanted).catch(error => {
          if (!isAlreadyExists(error)) throw error
        })
    }
    return done
  },
}

function claimOf(pod: Pod, { name, ephemeral }: Volume): PersistentVolumeClaim {
  const template = ephemeral!.volumeClaimTemplate!
  const { labels, annotations } = template.metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: `${pod.metadata.name}-${name}`,
      namespace: pod.metadata.namespace!,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'Pod',
          name: pod.metadata.name!,
          uid: pod.metadata.uid!,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: template.spec,
  }
}
