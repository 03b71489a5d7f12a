/** After a pod's last container has ended: giving back what it held. */
import { isConflict, isNotFound } from '../../api/errors.ts'
import { type Pod, pods } from '../../client/resources.ts'
import type { PodRun } from './pod-run.ts'
import { podCgroup } from './qos.ts'
import { removePodFiles } from './starting.ts'
import { removePod } from './stopping.ts'

/** Volumes and cgroup, once the last status is published. */
export async function releaseResources(run: PodRun): Promise<void> {
  const { status, volumes, cgroups } = run.services
  await status.flush(run.uid)
  await volumes.unmount(run.uid)
  await cgroups.remove(podCgroup(run.pod))
}

/** Tells the API that the pod has ended: the object may go. */
export async function confirmDeletion(run: PodRun, target: Pod): Promise<void> {
  const { name = '', namespace, uid } = target.metadata
  const options = { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }) }
  await run.services.client.delete(pods, { name, namespace }, options).catch(error => {
    // A conflict means that another pod has taken the name.
    if (!isNotFound(error) && !isConflict(error)) throw error
  })
}

/** The runtime's records, logs and what the agent remembers. */
export async function forgetPod(run: PodRun): Promise<void> {
  await run.observe()
  await removePod(run)
  await removePodFiles(run)
  run.services.status.forget(run.uid)
}
