/** The pods of a Job: how they are made, and how many there should be. */
import type { Draft } from '../../../../bootstrap/api/object.ts'
import type { Job, Pod } from '../../../../bootstrap/client/resources.ts'
import { isActive } from '../../../runtime/pods.ts'
import { podFrom } from '../pod-control.ts'
import { type Account, completionsOf, isIndexed, replacesFailedOnly, trackingFinalizer } from './accounting.ts'
import { countsPerIndex, failureCountKey } from './index-failures.ts'
import { indexKey, indexOf, pendingIndexes } from './indexes.ts'

const longestName = 63

/** A pod of the Job, for one index if it is Indexed. */
export function jobPod(job: Job, index: number | undefined, failures = 0): Pod {
  const pod = podFrom(job.spec.template, job)
  pod.metadata.finalizers = [...(pod.metadata.finalizers ?? []), trackingFinalizer]
  if (index === undefined) return pod
  const text = String(index)
  pod.metadata.generateName = `${job.metadata.name}-${index}-`.slice(-longestName)
  const count = countsPerIndex(job) ? { [failureCountKey]: String(failures) } : {}
  pod.metadata.annotations = { ...pod.metadata.annotations, [indexKey]: text, ...count }
  pod.metadata.labels = { ...pod.metadata.labels, [indexKey]: text }
  pod.spec.hostname ??= `${job.metadata.name}-${index}`.slice(0, longestName)
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) addIndexVariable(container)
  return pod
}

function addIndexVariable(container: Draft<Pod>['spec']['containers'][number]): void {
  const name = 'JOB_COMPLETION_INDEX'
  if (container.env?.some(variable => variable.name === name)) return
  const valueFrom = { fieldRef: { fieldPath: `metadata.labels['${indexKey}']` } }
  container.env = [...(container.env ?? []), { name, valueFrom }]
}

export interface Want {
  /** Pods to make; the indexes they are for, or undefined each for a Job without. */
  readonly create: readonly (number | undefined)[]
  readonly remove: number
}

/** How many pods to make or to remove, so that as many are active as the Job asks for and can still use. */
export function wanted(job: Job, owned: readonly Pod[], account: Account, terminating: number): Want {
  const active = owned.filter(isActive)
  const { completions, parallelism = 1 } = job.spec
  const useful =
    completions === undefined
      ? account.succeeded > 0
        ? Math.min(active.length, parallelism)
        : parallelism
      : Math.min(Math.max(0, completions - account.succeeded - account.failedIndexes.size), parallelism)
  if (active.length > useful) return { create: [], remove: active.length - useful }
  const held = replacesFailedOnly(job) ? terminating : 0
  const missing = Math.max(0, useful - active.length - held)
  if (!isIndexed(job)) return { create: Array.from({ length: missing }), remove: 0 }
  const taken = new Set([...account.completedIndexes, ...account.failedIndexes])
  const holding = replacesFailedOnly(job) ? owned.filter(pod => pod.status?.phase !== 'Failed') : active
  for (const pod of holding) {
    const index = indexOf(pod)
    if (index !== undefined) taken.add(index)
  }
  return { create: pendingIndexes(missing, completionsOf(job), taken), remove: 0 }
}
