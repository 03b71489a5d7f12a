/**
 * Whether an object is as its spec asks for: the rules of kstatus (fluxcd/cli-utils pkg/kstatus/status), by which Helm 4
 * waits. Any object with conditions Reconciling, Stalled or Ready is understood, built-in or not.
 */
import type { KubeObject } from '../../../../bootstrap/api/object.ts'
import { parseApiVersion } from '../../../../bootstrap/api/object.ts'
import { parseTime } from '../../../../bootstrap/api/time.ts'
import { controllers } from './controllers.ts'
import { conditionsOf, current, failed, inProgress, objectOf, type Readiness, textOf } from './readiness.ts'

/** A pod may be without a node this long before it counts as failed. */
export const scheduleWindowMs = 15_000

type Rule = (object: KubeObject, now: number) => Readiness

const always: Rule = () => current('Resource is always ready')

const rules: { readonly [groupKind: string]: Rule } = {
  Service: service,
  Pod: pod,
  Secret: always,
  ConfigMap: always,
  'batch/CronJob': always,
  PersistentVolumeClaim: claim,
  'policy/PodDisruptionBudget': () => current('AllowedDisruptions has been computed.'),
  'batch/Job': job,
  'apiextensions.k8s.io/CustomResourceDefinition': crd,
  ...controllers,
}

/** `now` in milliseconds since the epoch. */
export function readinessOf(object: KubeObject, now: number): Readiness {
  return general(object) ?? rules[groupKind(object)]?.(object, now) ?? byReadyCondition(object)
}

export function groupKind({ apiVersion, kind }: KubeObject): string {
  const { group } = parseApiVersion(apiVersion)
  return group === '' ? kind : `${group}/${kind}`
}

/** What can be said of any object. */
function general(object: KubeObject): Readiness | undefined {
  const { deletionTimestamp, generation } = object.metadata
  if (deletionTimestamp) return { status: 'Terminating', message: 'Resource scheduled for deletion' }
  const observed = objectOf(object.status).observedGeneration
  if (generation !== undefined && typeof observed === 'number' && observed !== generation)
    return inProgress(`${object.kind} generation is ${generation}, but latest observed generation is ${observed}`)
  for (const { type, status, message } of conditionsOf(object)) {
    if (type === 'Reconciling' && status === 'True') return inProgress(message)
    if (type === 'Stalled' && status === 'True') return failed(message)
  }
  return undefined
}

function byReadyCondition(object: KubeObject): Readiness {
  const ready = conditionsOf(object).find(({ type }) => type === 'Ready')
  if (ready?.status === 'True') return current('Resource is Ready')
  if (ready?.status === 'False' || ready?.status === 'Unknown') return inProgress(ready.message)
  return current('Resource is current')
}

function service(object: KubeObject): Readiness {
  const { type, clusterIP } = objectOf(object.spec)
  return type === 'LoadBalancer' && !clusterIP
    ? inProgress('ClusterIP not set. Service type: LoadBalancer')
    : current('Service is ready')
}

function claim(object: KubeObject): Readiness {
  const phase = textOf(objectOf(object.status).phase) || 'unknown'
  return phase === 'Bound' ? current('PVC is Bound') : inProgress(`PVC is not Bound. phase: ${phase}`)
}

function pod(object: KubeObject, now: number): Readiness {
  const status = objectOf(object.status)
  const phase = textOf(status.phase)
  switch (phase) {
    case 'Succeeded':
      return current('Pod has completed successfully')
    case 'Failed':
      return current('Pod has completed, but not successfully')
    case 'Running': {
      if (conditionsOf(object).some(({ type, status: is }) => type === 'Ready' && is === 'True'))
        return current('Pod is Ready')
      const looping = crashLooping(status.containerStatuses)
      return looping.length > 0
        ? failed(`Containers in CrashLoop state: ${looping.join(',')}`)
        : inProgress('Pod is running but is not Ready')
    }
    case 'Pending':
      if (!isUnschedulable(object)) return inProgress('Pod is in the Pending phase')
      return now - scheduleWindowMs < (parseTime(object.metadata.creationTimestamp) ?? 0)
        ? inProgress('Pod has not been scheduled')
        : failed('Pod could not be scheduled')
    default:
      return inProgress('Pod phase not available')
  }
}

export function isUnschedulable(pod: KubeObject): boolean {
  return conditionsOf(pod).some(
    ({ type, status, reason }) => type === 'PodScheduled' && status === 'False' && reason === 'Unschedulable',
  )
}

function crashLooping(statuses: unknown): string[] {
  if (!Array.isArray(statuses)) return []
  return statuses
    .map(objectOf)
    .filter(({ state }) => objectOf(objectOf(state).waiting).reason === 'CrashLoopBackOff')
    .map(({ name }) => textOf(name))
}

/** A job is ready once it runs; see completion.ts for waiting until it is done. */
function job(object: KubeObject): Readiness {
  const { active = 0, failed: failures = 0, succeeded = 0, startTime } = objectOf(object.status)
  return (
    jobEnd(object) ??
    (startTime
      ? current(`Job in progress. success:${succeeded}, active: ${active}, failed: ${failures}`)
      : inProgress('Job not started'))
  )
}

/** How a job ended; undefined while it has not. */
export function jobEnd(object: KubeObject): Readiness | undefined {
  const { parallelism = 1, completions = parallelism } = objectOf(object.spec)
  const { failed: failures = 0, succeeded = 0 } = objectOf(object.status)
  for (const { type, status } of conditionsOf(object)) {
    if (status !== 'True') continue
    if (type === 'Complete') return current(`Job Completed. succeeded: ${succeeded}/${completions}`)
    if (type === 'Failed') return failed(`Job Failed. failed: ${failures}/${completions}`)
  }
  return undefined
}

function crd(object: KubeObject): Readiness {
  for (const { type, status, reason, message } of conditionsOf(object)) {
    if (type === 'NamesAccepted' && status === 'False') return failed(message)
    if (type !== 'Established') continue
    if (status === 'False' && reason !== 'Installing') return failed(message)
    if (status === 'True') return current('CRD is established')
  }
  return inProgress('Install in progress')
}
