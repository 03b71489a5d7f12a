/** Pod: defaults, validation, table and graceful deletion. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type { LabelSelector, Pod, PodAffinityTerm } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { strategy } from '../common/build.ts'
import { fill, when } from '../common/defaulting.ts'
import { dnsLabel } from '../common/names.ts'
import { defaultPodSpec, mirrorServiceAccount } from '../common/pod/defaults.ts'
import { containerRequests, qualityOfService } from '../common/pod/resources.ts'
import { podSpecErrors, podSpecWarnings } from '../common/pod/spec.ts'
import { podColumns, podRowConditions } from './pod-table.ts'
import { podStatusErrors, podUpdateErrors } from './pod-update.ts'

function defaults(pod: Draft<Pod>): void {
  const spec = pod.spec
  if (!spec) return
  defaultPodSpec(spec)
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  for (const { resources } of containers) {
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests }
  }
  defaultPodRequests(spec)
  spec.enableServiceLinks ??= true
  if (!spec.hostNetwork) return
  for (const port of containers.flatMap(container => container.ports ?? [])) port.hostPort ||= port.containerPort
}

/** A pod with limits of its own requests what its containers do, or else its limits. */
function defaultPodRequests(spec: NonNullable<Draft<Pod>['spec']>): void {
  const { resources } = spec
  if (!resources?.limits || Object.keys(resources.limits).length === 0) return
  const requests: { [resource: string]: string } = {}
  for (const [name, sum] of containerRequests(spec)) {
    if (name === 'cpu' || name === 'memory') requests[name] = sum.toString()
  }
  resources.requests = { ...resources.limits, ...requests, ...resources.requests }
}

function prepareForCreate(pod: Draft<Pod>): void {
  const spec = pod.spec
  pod.status = { phase: 'Pending', qosClass: spec ? qualityOfService(spec) : 'BestEffort' }
  if (!spec) return
  mirrorServiceAccount(spec)
  if (spec.schedulingGates?.length) {
    pod.status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
      },
    ]
  }
  expandLabelKeys(pod)
}

/** Turns matchLabelKeys and mismatchLabelKeys into requirements with the pod's own label values. */
function expandLabelKeys(pod: Draft<Pod>): void {
  const labels = pod.metadata?.labels ?? {}
  const add = (selector: Draft<LabelSelector> | undefined, keys: string[] | undefined, operator: string) => {
    for (const key of keys ?? []) {
      const value = labels[key]
      if (selector && value !== undefined) (selector.matchExpressions ??= []).push({ key, operator, values: [value] })
    }
  }
  for (const term of podTerms(pod)) {
    add(term.labelSelector, term.matchLabelKeys, 'In')
    add(term.labelSelector, term.mismatchLabelKeys, 'NotIn')
  }
  for (const constraint of pod.spec?.topologySpreadConstraints ?? []) {
    add(constraint.labelSelector, constraint.matchLabelKeys, 'In')
  }
}

function podTerms(pod: Draft<Pod>): Draft<PodAffinityTerm>[] {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {}
  return [podAffinity, podAntiAffinity].flatMap(affinity => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(term => term.podAffinityTerm),
  ])
}

function prepareForStatusUpdate(pod: Draft<Pod>, old: Pod): void {
  if (old.metadata?.ownerReferences && pod.metadata) {
    pod.metadata.ownerReferences = structuredClone(old.metadata.ownerReferences) as typeof pod.metadata.ownerReferences
  }
  when(pod.status, status => {
    fill(status, { qosClass: old.status?.qosClass, observedGeneration: old.status?.observedGeneration })
    for (const condition of status.conditions ?? []) {
      const before = old.status?.conditions?.find(found => found.type === condition.type)
      if (before?.observedGeneration) fill(condition, { observedGeneration: before.observedGeneration })
    }
  })
}

function* validate(pod: Pod): Errors {
  yield* podSpecErrors(pod.spec ?? { containers: [] }, 'spec', true)
  if (pod.spec?.serviceAccountName) return
  for (const [index, volume] of (pod.spec?.volumes ?? []).entries()) {
    for (const [at, source] of (volume.projected?.sources ?? []).entries()) {
      if (!source.serviceAccountToken) continue
      const path = `spec.volumes[${index}].projected.sources[${at}].serviceAccountToken`
      yield field.forbidden(path, 'must not be specified when serviceAccountName is not set')
    }
  }
}

function* validateCreate(pod: Pod): Errors {
  if (pod.spec?.ephemeralContainers?.length) {
    yield field.forbidden('spec.ephemeralContainers', 'cannot be set on create')
  }
  if (pod.spec?.nodeName && pod.spec.schedulingGates?.length) {
    yield field.forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared')
  }
}

/** Seconds until a deleted pod is gone: at once when it never ran or has ended. */
function graceSeconds(pod: Pod, asked: number | undefined): number {
  const phase = pod.status?.phase
  if (!pod.spec?.nodeName || phase === 'Failed' || phase === 'Succeeded') return 0
  const seconds = asked ?? pod.spec.terminationGracePeriodSeconds ?? 0
  return seconds < 0 ? 1 : seconds
}

function warnings(pod: Pod, old: Pod | undefined): string[] {
  if (old) return []
  const problems = dnsLabel(pod.metadata?.name ?? '')
  const hostname =
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
  return [
    ...(problems.length > 0 ? [`${hostname}: [${problems.join(' ')}]`] : []),
    ...podSpecWarnings(pod.spec, 'spec'),
  ]
}

export const pod = strategy<Pod>({
  hasGeneration: true,
  defaults,
  status: {},
  prepareForCreate,
  prepareForStatusUpdate,
  validate,
  validateCreate,
  validateUpdate: podUpdateErrors,
  validateStatusUpdate: podStatusErrors,
  warnings,
  gracefulDelete: { seconds: graceSeconds },
  columns: podColumns,
  rowConditions: podRowConditions,
  fieldNames: [
    'spec.nodeName',
    'spec.host',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  fields: object => ({
    'spec.nodeName': object.spec?.nodeName ?? '',
    'spec.host': object.spec?.nodeName ?? '',
    'spec.restartPolicy': object.spec?.restartPolicy ?? '',
    'spec.schedulerName': object.spec?.schedulerName ?? '',
    'spec.serviceAccountName': object.spec?.serviceAccountName ?? '',
    'spec.hostNetwork': String(object.spec?.hostNetwork ?? false),
    'status.phase': object.status?.phase ?? '',
    'status.podIP': object.status?.podIP ?? '',
    'status.podIPs': object.status?.podIP ?? '',
    'status.nominatedNodeName': object.status?.nominatedNodeName ?? '',
  }),
})
