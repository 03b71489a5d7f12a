/** When hooks are done: Jobs and Pods when they have ended, everything else at once. */
import type { KubeObject } from '../../../../bootstrap/api/object.ts'
import { current, failed, inProgress, objectOf, type Readiness } from './readiness.ts'
import { groupKind, jobEnd, readinessOf } from './status.ts'

export function hookReadiness(object: KubeObject): Readiness {
  switch (groupKind(object)) {
    case 'batch/Job':
      return jobEnd(object) ?? inProgress('Job in progress')
    case 'Pod':
      return podEnd(object)
    default:
      return current('Resource is current')
  }
}

function podEnd(object: KubeObject): Readiness {
  const { name } = object.metadata
  switch (objectOf(object.status).phase) {
    case 'Succeeded':
      return current(`pod ${name} succeeded`)
    case 'Failed':
      return failed(`pod ${name} failed`)
    default:
      return inProgress('Pod in progress')
  }
}

/** Like readinessOf, but a Job must have completed. */
export function readinessWithJobs(object: KubeObject, now: number): Readiness {
  return groupKind(object) === 'batch/Job'
    ? (jobEnd(object) ?? inProgress('Job in progress'))
    : readinessOf(object, now)
}
