/** Removes volumes whose claims are gone, with their data where the node still exists. */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { nodes, type PersistentVolume, persistentVolumes } from '../../bootstrap/client/resources.ts'
import { type Cluster, done, type Operator, on } from '../runtime/operator.ts'
import { helperPod } from './helper-pod.ts'
import type { ProvisionerDeps } from './provision.ts'
import { annotations, planRemoval, provisionerName } from './volume.ts'

export function removeOperator(deps: ProvisionerDeps): Operator {
  return {
    name: 'local-path-remove',
    concurrency: deps.workers,
    watches: [
      on(persistentVolumes, volume => volume.metadata.name!),
      // What waited for a node that does not answer need wait no longer once the node is deleted.
      on(nodes, (_, __, change, { informers }) =>
        change === 'deleted'
          ? informers
              .get(persistentVolumes)
              .list()
              .filter(isDone)
              .map(({ metadata }) => metadata.name!)
          : undefined,
      ),
    ],
    async reconcile(name, cluster) {
      const volume = cluster.informers.get(persistentVolumes).get(name)
      if (volume && isDone(volume)) await remove(volume, deps, cluster)
      return done
    },
  }
}

/** Ours, released by its claim, and not to be kept. */
function isDone({ metadata, spec, status }: PersistentVolume): boolean {
  return (
    metadata.annotations?.[annotations.provisionedBy] === provisionerName &&
    metadata.deletionTimestamp === undefined &&
    status?.phase === 'Released' &&
    spec.persistentVolumeReclaimPolicy === 'Delete'
  )
}

async function remove(
  volume: PersistentVolume,
  { settings, helper, runs }: ProvisionerDeps,
  cluster: Cluster,
): Promise<void> {
  const { client, events, informers, log } = cluster
  const { name = '', uid } = volume.metadata
  try {
    const { config, scripts } = settings()
    const directory = planRemoval(volume, informers.get(nodes).list(), config)
    if (directory) {
      log.info({}, `Deleting volume ${name} at ${directory.node}:${directory.path}`)
      await runs().run(helperPod('delete', directory, config, scripts, helper), config.timeoutSeconds)
    } else log.info({}, `Node of volume ${name} does not exist, skipping cleanup`)
  } catch (error) {
    const reason = `failed to delete volume ${name}: ${(error as Error).message}`
    events.event(volume, 'Warning', 'VolumeFailedDelete', reason)
    throw new Error(reason)
  }
  await client.delete(persistentVolumes, { name }, { preconditions: { uid: uid! } }).catch(ignoreNotFound)
}
