/** How long a pod may run, and how long its end may take. */
import { parseTime } from '../../api/time.ts'
import type { Pod } from '../../client/resources.ts'
import type { PodRun } from './pod-run.ts'

const defaultGraceSeconds = 30

/** When the pod's activeDeadlineSeconds are over (epoch ms); undefined without any. */
export function activeDeadline({ pod, uid, services }: PodRun): number | undefined {
  const seconds = pod.spec.activeDeadlineSeconds
  const started = parseTime(services.status.last(uid)?.startTime ?? pod.status?.startTime)
  return seconds === undefined || started === undefined ? undefined : started + seconds * 1000
}

/** Seconds the containers have to end when the pod ends for a reason of its own. */
export function terminationGrace(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds
}

/** Seconds a deleted pod may take. */
export function deletionGrace(pod: Pod): number {
  return pod.metadata.deletionGracePeriodSeconds ?? terminationGrace(pod)
}

/** Seconds a container has that is killed with this message: a failed probe may bring its own grace period. */
export function probeGrace({ pod, containers }: PodRun, name: string, message: string): number {
  const container = containers.find(each => each.name === name)
  const probe = message.includes('startup probe')
    ? container?.startupProbe
    : message.includes('liveness probe')
      ? container?.livenessProbe
      : undefined
  return probe?.terminationGracePeriodSeconds ?? terminationGrace(pod)
}
