/** Makes volumes for claims of our storage classes, as the external provisioners' common library does. */
import { isAlreadyExists } from '../../bootstrap/api/errors.ts'
import {
  nodes,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type StorageClass,
  storageClasses,
} from '../../bootstrap/client/resources.ts'
import { type Cluster, done, type Operator, on } from '../runtime/operator.ts'
import { type HelperSettings, helperPod } from './helper-pod.ts'
import type { HelperRuns } from './helper-runs.ts'
import type { Settings } from './settings.ts'
import { planVolume, provisionerName } from './volume.ts'

const selectedNode = 'volume.kubernetes.io/selected-node'
const provisionerKeys = ['volume.kubernetes.io/storage-provisioner', 'volume.beta.kubernetes.io/storage-provisioner']

export interface ProvisionerDeps {
  /** The last good settings. Throws SettingsError while there are none. */
  readonly settings: () => Settings
  readonly helper: HelperSettings
  readonly runs: () => HelperRuns
  readonly workers: number
}

const keyOf = ({ metadata }: PersistentVolumeClaim): string => `${metadata.namespace}/${metadata.name}`

export function provisionOperator(deps: ProvisionerDeps): Operator {
  return {
    name: 'local-path-provision',
    concurrency: deps.workers,
    watches: [
      on(persistentVolumeClaims, claim => keyOf(claim)),
      on(storageClasses, (storageClass, _, __, { informers }) =>
        informers
          .get(persistentVolumeClaims)
          .list()
          .filter(claim => claim.spec.storageClassName === storageClass.metadata.name)
          .map(keyOf),
      ),
      // Only their presence matters, when a claim is worked on.
      on(nodes, () => undefined),
      on(persistentVolumes, () => undefined),
    ],
    async reconcile(key, cluster) {
      const { informers } = cluster
      const claim = informers.get(persistentVolumeClaims).get(key)
      const storageClass = claim && informers.get(storageClasses).get(claim.spec.storageClassName ?? '')
      if (!claim || !storageClass || !isOurs(claim, storageClass)) return done
      const name = `pvc-${claim.metadata.uid}`
      if (informers.get(persistentVolumes).get(name)) return done
      const wanted = claim.metadata.annotations?.[selectedNode]
      if (wanted !== undefined && !informers.get(nodes).get(wanted)) {
        await chooseAgain(claim, wanted, cluster)
        return done
      }
      await provision(claim, storageClass, deps, cluster)
      return done
    },
  }
}

/** Unbound, asked of us, and with a node when its class waits for one. */
function isOurs({ metadata, spec }: PersistentVolumeClaim, { provisioner, volumeBindingMode }: StorageClass): boolean {
  if (metadata.deletionTimestamp !== undefined || spec.volumeName || provisioner !== provisionerName) return false
  if (!provisionerKeys.some(key => metadata.annotations?.[key] === provisionerName)) return false
  return volumeBindingMode !== 'WaitForFirstConsumer' || metadata.annotations?.[selectedNode] !== undefined
}

/** The node that was chosen is gone: the scheduler has to choose another. */
async function chooseAgain(claim: PersistentVolumeClaim, node: string, { client, events }: Cluster): Promise<void> {
  const { name = '', namespace, resourceVersion } = claim.metadata
  const metadata = { resourceVersion, annotations: { [selectedNode]: null } }
  await client.patch(persistentVolumeClaims, { name, namespace }, { metadata }, { type: 'merge' })
  events.event(claim, 'Warning', 'ProvisioningFailed', `failed to get target node: nodes "${node}" not found`)
}

async function provision(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  { settings, helper, runs }: ProvisionerDeps,
  cluster: Cluster,
): Promise<void> {
  const { client, events, informers, random, log } = cluster
  const text = `External provisioner is provisioning volume for claim "${keyOf(claim)}"`
  events.event(claim, 'Normal', 'Provisioning', text)
  try {
    const { config, scripts } = settings()
    const node = informers.get(nodes).get(claim.metadata.annotations?.[selectedNode] ?? '')
    const { volume, directory } = planVolume(claim, storageClass, node, config, random)
    const pod = helperPod('create', directory, config, scripts, helper)
    log.info({}, `Creating volume ${directory.volume} at ${directory.node}:${directory.path}`)
    await runs()
      .run(pod, config.timeoutSeconds)
      .catch(error => {
        throw new Error(`failed to create volume ${directory.volume}: ${(error as Error).message}`)
      })
    await client.create(persistentVolumes, volume).catch(error => {
      if (!isAlreadyExists(error)) throw error
    })
    log.info({}, `Volume ${directory.volume} has been created on ${directory.node}:${directory.path}`)
    events.event(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${directory.volume}`)
  } catch (error) {
    const reason = `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${(error as Error).message}`
    events.event(claim, 'Warning', 'ProvisioningFailed', reason)
    throw new Error(reason)
  }
}
