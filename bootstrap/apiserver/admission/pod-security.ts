/** Pod Security Standards by namespace labels (upstream: plugin/pkg/admission/security/podsecurity). */
import { isDeepStrictEqual } from 'node:util'
import { errors, fieldErrorText } from '../../api/errors.ts'
import type { Pod } from '../../api/types.gen.ts'
import { as, isFor, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'
import { plural } from './pod-security-baseline.ts'
import {
  isStricter,
  labelProblems,
  type Policy,
  policyOf,
  policyText,
  violations,
  violationsOf,
} from './pod-security-levels.ts'

export function podSecurity({ reader }: AdmissionDeps): AdmissionPlugin {
  const labelsOf = (namespace: string) => reader.get('', 'namespaces', '', namespace)?.metadata.labels

  function checkPod(request: AdmissionRequest, pod: Pod): void {
    const labels = labelsOf(request.namespace)
    const enforced = policyOf(labels, 'enforce')
    const found = isPods(request) ? violations(pod, enforced.level) : ''
    if (found !== '') throw refuse(request, `violates PodSecurity "${policyText(enforced)}": ${found}`)
    const warned = policyOf(labels, 'warn')
    const warning = violations(pod, warned.level)
    if (warning !== '') request.warn(`would violate PodSecurity "${policyText(warned)}": ${warning}`)
  }

  /** Refuses unknown levels; warns about pods that a stricter level would not let in. */
  function checkNamespace(request: AdmissionRequest): void {
    const labels = request.object?.metadata.labels
    const before = request.old?.metadata.labels
    const known = labelProblems(before).map(fieldErrorText)
    const problems = labelProblems(labels).filter(problem => !known.includes(fieldErrorText(problem)))
    if (problems.length > 0) throw errors.invalid({ group: '', kind: 'Namespace' }, request.name, problems)
    const policy = policyOf(labels, 'enforce')
    if (request.operation !== 'UPDATE' || !isStricter(policy, policyOf(before, 'enforce'))) return
    const pods = reader.list('', 'pods', request.name) as unknown as readonly Pod[]
    for (const warning of existingPodWarnings(request.name, policy, pods)) request.warn(warning)
  }

  return {
    name: 'PodSecurity',
    validate(request) {
      const { operation } = request
      if (operation !== 'CREATE' && operation !== 'UPDATE') return
      const pod = podOf(request)
      if (pod) checkPod(request, pod)
      else if (isFor(request, '', 'namespaces')) checkNamespace(request)
    },
  }
}

const isPods = ({ kind }: AdmissionRequest): boolean => kind.group === '' && kind.resource === 'pods'

function existingPodWarnings(namespace: string, policy: Policy, pods: readonly Pod[]): string[] {
  const byReasons = new Map<string, string[]>()
  for (const pod of pods) {
    const reasons = violationsOf(pod, policy.level)
      .map(violation => violation.reason)
      .join(', ')
    if (reasons !== '') byReasons.set(reasons, [...(byReasons.get(reasons) ?? []), pod.metadata.name ?? ''])
  }
  if (byReasons.size === 0) return []
  const lines = [...byReasons].map(([reasons, names]) => {
    const [first, ...others] = names.sort()
    const rest = others.length === 0 ? '' : ` (and ${others.length} other ${plural(others.length, 'pod')})`
    return `${first}${rest}: ${reasons}`
  })
  const head = `existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "${policyText(policy)}"`
  return [head, ...lines.sort()]
}

/** Kinds with a pod template, and where it is. */
const templates: { readonly [groupResource: string]: readonly string[] } = {
  '/podtemplates': ['template'],
  '/replicationcontrollers': ['spec', 'template'],
  'apps/daemonsets': ['spec', 'template'],
  'apps/deployments': ['spec', 'template'],
  'apps/replicasets': ['spec', 'template'],
  'apps/statefulsets': ['spec', 'template'],
  'batch/cronjobs': ['spec', 'jobTemplate', 'spec', 'template'],
  'batch/jobs': ['spec', 'template'],
}

/** The pod, or the pod of a template, that a request brings or changes. */
function podOf(request: AdmissionRequest): Pod | undefined {
  const { kind, object, old } = request
  if (!object) return undefined
  if (isFor(request, '', 'pods', 'ephemeralcontainers')) return as<Pod>(object)
  if (isFor(request, '', 'pods')) {
    const pod = as<Pod>(object)
    return old && isDeepStrictEqual(pod.spec, old.spec) ? undefined : pod
  }
  const path = request.subresource === '' ? templates[`${kind.group}/${kind.resource}`] : undefined
  const template = path?.reduce<unknown>(
    (value, key) => (value as { [key: string]: unknown } | undefined)?.[key],
    object,
  )
  if (!template) return undefined
  const { metadata = {}, spec } = template as { metadata?: object; spec?: object }
  return spec && ({ apiVersion: 'v1', kind: 'Pod', metadata, spec } as unknown as Pod)
}
