/** Pod Security Standards by namespace labels (upstream: plugin/pkg/admission/security/podsecurity). */
import { isDeepStrictEqual } from 'node:util'
import type { Namespace, Pod } from '../../api/types.gen.ts'
import { as, isFor, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'
import { baselineChecks } from './pod-security-baseline.ts'
import { restrictedChecks } from './pod-security-restricted.ts'

const prefix = 'pod-security.kubernetes.io/'

type Mode = 'enforce' | 'warn'

export function podSecurity({ reader }: AdmissionDeps): AdmissionPlugin {
  function policyOf(namespace: string, mode: Mode): { level: string; version: string } {
    const object = reader.get('', 'namespaces', '', namespace) as unknown as Namespace | undefined
    const labels = object?.metadata?.labels ?? {}
    return { level: labels[prefix + mode] ?? 'privileged', version: labels[`${prefix}${mode}-version`] ?? 'latest' }
  }

  return {
    name: 'PodSecurity',
    validate(request) {
      const pod = podOf(request)
      if (!pod) return
      const isPod = request.kind.group === '' && request.kind.resource === 'pods'
      if (isPod) {
        const { level, version } = policyOf(request.namespace, 'enforce')
        const found = violations(pod, level)
        if (found !== '') throw refuse(request, `violates PodSecurity "${level}:${version}": ${found}`)
      }
      const { level, version } = policyOf(request.namespace, 'warn')
      const found = violations(pod, level)
      if (found !== '') request.warn(`would violate PodSecurity "${level}:${version}": ${found}`)
    },
  }
}

/** What is wrong with a pod at a level, in one line; empty when nothing is. */
export function violations(pod: Pod, level: string): string {
  const checks = level === 'baseline' ? baselineChecks : level === 'restricted' ? restrictedChecks : []
  return checks
    .flatMap(([, check]) => check(pod) ?? [])
    .map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`))
    .join(', ')
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
  const { operation, kind, object, old } = request
  if (!object || (operation !== 'CREATE' && operation !== 'UPDATE')) return undefined
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
