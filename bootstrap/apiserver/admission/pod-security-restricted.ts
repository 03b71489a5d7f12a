/** The restricted checks of the Pod Security Standards, v1.36, on top of the baseline ones. */
import type { Pod } from '../../api/types.gen.ts'
import {
  baselineChecks,
  type Check,
  containersOf,
  containersText,
  failing,
  plural,
  quoted,
} from './pod-security-baseline.ts'

const isWindows = (pod: Pod): boolean => pod.spec.os?.name === 'windows'

const allowPrivilegeEscalation: Check = pod => {
  if (isWindows(pod)) return undefined
  const names = failing(pod, context => context.allowPrivilegeEscalation !== false)
  if (names.length === 0) return undefined
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersText(names)} must set securityContext.allowPrivilegeEscalation=false`,
  }
}

const capabilities: Check = pod => {
  if (isWindows(pod)) return undefined
  const undropped = failing(pod, context => !context.capabilities?.drop?.includes('ALL'))
  const added = new Set<string>()
  const adding = failing(pod, context => {
    const bad = (context.capabilities?.add ?? []).filter(name => name !== 'NET_BIND_SERVICE')
    for (const name of bad) added.add(name)
    return bad.length > 0
  })
  const parts = [
    ...(undropped.length > 0
      ? [`${containersText(undropped)} must set securityContext.capabilities.drop=["ALL"]`]
      : []),
    ...(adding.length > 0
      ? [`${containersText(adding)} must not include ${quoted([...added].sort())} in securityContext.capabilities.add`]
      : []),
  ]
  return parts.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: parts.join('; ') }
}

const allowedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]

const volumeTypes: Check = ({ spec }) => {
  const types = new Set<string>()
  const names: string[] = []
  for (const { name, ...source } of spec.volumes ?? []) {
    const bad = Object.entries(source).filter(([type, value]) => value && !allowedVolumes.includes(type))
    for (const [type] of bad) types.add(type)
    if (bad.length > 0) names.push(name)
  }
  if (names.length === 0) return undefined
  const use = `${plural(names.length, 'uses', 'use')} restricted volume ${plural(types.size, 'type')}`
  return {
    reason: 'restricted volume types',
    detail: `${plural(names.length, 'volume')} ${quoted(names)} ${use} ${quoted([...types].sort())}`,
  }
}

const runAsNonRoot: Check = pod => {
  const explicit = failing(pod, context => context.runAsNonRoot === false)
  const own = pod.spec.securityContext?.runAsNonRoot
  const unset = failing(pod, context => context.runAsNonRoot === undefined)
  if (pod.spec.hostUsers === false) return undefined
  const parts: string[] = []
  if (own === false) parts.push('pod')
  if (explicit.length > 0) parts.push(containersText(explicit))
  if (parts.length > 0) {
    return {
      reason: 'runAsNonRoot != true',
      detail: `${parts.join(' and ')} must not set securityContext.runAsNonRoot=false`,
    }
  }
  if (own === true || unset.length === 0) return undefined
  return {
    reason: 'runAsNonRoot != true',
    detail: `pod or ${containersText(unset)} must set securityContext.runAsNonRoot=true`,
  }
}

const runAsUser: Check = pod => {
  const parts = pod.spec.securityContext?.runAsUser === 0 ? ['pod'] : []
  const names = failing(pod, context => context.runAsUser === 0)
  if (names.length > 0) parts.push(containersText(names))
  if (parts.length === 0 || pod.spec.hostUsers === false) return undefined
  return { reason: 'runAsUser=0', detail: `${parts.join(' and ')} must not set runAsUser=0` }
}

const seccomp: Check = pod => {
  if (isWindows(pod)) return undefined
  const good = (type: string | undefined) => type === 'RuntimeDefault' || type === 'Localhost'
  const own = pod.spec.securityContext?.seccompProfile?.type
  const bad = failing(pod, ({ seccompProfile }) => seccompProfile?.type !== undefined && !good(seccompProfile.type))
  const parts = own !== undefined && !good(own) ? ['pod'] : []
  if (bad.length > 0) parts.push(containersText(bad))
  if (parts.length > 0) {
    const types = [own, ...containersOf(pod.spec).map(container => container.securityContext?.seccompProfile?.type)]
    const named = [...new Set(types.filter(type => type !== undefined && !good(type)))] as string[]
    return {
      reason: 'seccompProfile',
      detail: `${parts.join(' and ')} must not set securityContext.seccompProfile.type to ${quoted(named.sort())}`,
    }
  }
  const unset = failing(pod, ({ seccompProfile }) => seccompProfile?.type === undefined)
  if (own !== undefined || unset.length === 0) return undefined
  return {
    reason: 'seccompProfile',
    detail: `pod or ${containersText(unset)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  }
}

/** Every check of the level: the baseline ones but for those that a stricter one replaces. */
export const restrictedChecks: readonly (readonly [id: string, check: Check])[] = [
  ...baselineChecks.filter(
    ([id]) => !['capabilities_baseline', 'hostPathVolumes', 'seccompProfile_baseline'].includes(id),
  ),
  ['allowPrivilegeEscalation', allowPrivilegeEscalation] as const,
  ['capabilities_restricted', capabilities] as const,
  ['restrictedVolumes', volumeTypes] as const,
  ['runAsNonRoot', runAsNonRoot] as const,
  ['runAsUser', runAsUser] as const,
  ['seccompProfile_restricted', seccomp] as const,
].toSorted(([a], [b]) => (a < b ? -1 : 1))
