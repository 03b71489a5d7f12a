/** The baseline checks of the Pod Security Standards, v1.36 (upstream: k8s.io/pod-security-admission/policy). */
import type { Container, Pod, PodSpec, SecurityContext } from '../../api/types.gen.ts'

/** One reason a pod is refused: what is forbidden, and where. */
export interface Violation {
  readonly reason: string
  readonly detail: string
}

export type Check = (pod: Pod) => Violation | undefined

/** All containers of a pod, in the order messages name them. */
export function containersOf(spec: PodSpec): readonly Container[] {
  const ephemeral = (spec.ephemeralContainers ?? []) as unknown as readonly Container[]
  return [...(spec.initContainers ?? []), ...spec.containers, ...ephemeral]
}

export const quoted = (names: readonly string[]): string => names.map(name => JSON.stringify(name)).join(', ')
export const plural = (count: number, one: string, many = `${one}s`): string => (count === 1 ? one : many)
export const containersText = (names: readonly string[]): string =>
  `${plural(names.length, 'container')} ${quoted(names)}`

/** Names of the containers whose security context (or {}) fails. */
export function failing(pod: Pod, bad: (context: SecurityContext, container: Container) => boolean): string[] {
  return containersOf(pod.spec)
    .filter(container => bad(container.securityContext ?? {}, container))
    .map(container => container.name)
}

const baseCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])
const safeSysctls = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
])
const seLinuxTypes = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'])

const apparmor: Check = pod => {
  const bad = new Set<string>()
  const profiles = [pod.spec.securityContext, ...containersOf(pod.spec).map(container => container.securityContext)]
  for (const profile of profiles) if (profile?.appArmorProfile?.type === 'Unconfined') bad.add('"Unconfined"')
  for (const [key, value] of Object.entries(pod.metadata.annotations ?? {})) {
    if (!key.startsWith('container.apparmor.security.beta.kubernetes.io/')) continue
    if (value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/'))
      bad.add(`${key}=${JSON.stringify(value)}`)
  }
  const list = [...bad].sort()
  return list.length === 0
    ? undefined
    : { reason: plural(list.length, 'forbidden AppArmor profile'), detail: list.join(', ') }
}

const capabilities: Check = pod => {
  const added = new Set<string>()
  const names = failing(pod, context => {
    const bad = (context.capabilities?.add ?? []).filter(name => !baseCapabilities.has(name))
    for (const name of bad) added.add(name)
    return bad.length > 0
  })
  if (names.length === 0) return undefined
  const must = `${plural(names.length, 'container')} ${quoted(names)} must not include ${quoted([...added].sort())} in securityContext.capabilities.add`
  return { reason: 'non-default capabilities', detail: must }
}

const hostNamespaces: Check = ({ spec }) => {
  const set = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter(field => spec[field])
  return set.length === 0
    ? undefined
    : { reason: 'host namespaces', detail: set.map(field => `${field}=true`).join(', ') }
}

const hostPathVolumes: Check = ({ spec }) => {
  const names = (spec.volumes ?? []).filter(volume => volume.hostPath).map(volume => volume.name)
  return names.length === 0
    ? undefined
    : { reason: 'hostPath volumes', detail: `${plural(names.length, 'volume')} ${quoted(names)}` }
}

const hostPorts: Check = pod => {
  const ports = new Set<number>()
  const names = failing(pod, (_context, container) => {
    const used = (container.ports ?? []).flatMap(port => (port.hostPort ? [port.hostPort] : []))
    for (const port of used) ports.add(port)
    return used.length > 0
  })
  if (names.length === 0) return undefined
  const list = [...ports].sort((a, b) => a - b)
  const verb = plural(names.length, 'uses', 'use')
  return {
    reason: 'hostPort',
    detail: `${containersText(names)} ${verb} ${plural(list.length, 'hostPort')} ${list.join(', ')}`,
  }
}

const privileged: Check = pod => {
  const names = failing(pod, context => context.privileged === true)
  if (names.length === 0) return undefined
  return { reason: 'privileged', detail: `${containersText(names)} must not set securityContext.privileged=true` }
}

const procMount: Check = pod => {
  const types = new Set<string>()
  const names = failing(pod, ({ procMount: type }) => {
    if (type === undefined || type === 'Default' || pod.spec.hostUsers === false) return false
    types.add(type)
    return true
  })
  if (names.length === 0) return undefined
  const detail = `${containersText(names)} must not set securityContext.procMount to ${quoted([...types].sort())}`
  return { reason: 'procMount', detail }
}

const seccomp: Check = pod => {
  const setters: string[] = []
  if (pod.spec.securityContext?.seccompProfile?.type === 'Unconfined') setters.push('pod')
  const names = failing(pod, context => context.seccompProfile?.type === 'Unconfined')
  if (names.length > 0) setters.push(containersText(names))
  if (setters.length === 0) return undefined
  return {
    reason: 'seccompProfile',
    detail: `${setters.join(' and ')} must not set securityContext.seccompProfile.type to "Unconfined"`,
  }
}

const seLinux: Check = pod => {
  const contexts = [pod.spec.securityContext, ...containersOf(pod.spec).map(container => container.securityContext)]
  const options = contexts.flatMap(context => (context?.seLinuxOptions ? [context.seLinuxOptions] : []))
  const types = options.map(one => one.type ?? '').filter(type => !seLinuxTypes.has(type))
  const parts = [
    ...(types.length > 0 ? [`${plural(types.length, 'type')} ${quoted([...new Set(types)].sort())}`] : []),
    ...(options.some(one => one.user) ? ['user may not be set'] : []),
    ...(options.some(one => one.role) ? ['role may not be set'] : []),
  ]
  return parts.length === 0 ? undefined : { reason: 'seLinuxOptions', detail: parts.join('; ') }
}

const sysctls: Check = ({ spec }) => {
  const names = (spec.securityContext?.sysctls ?? []).map(sysctl => sysctl.name).filter(name => !safeSysctls.has(name))
  return names.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: names.join(', ') }
}

const hostProcess: Check = pod => {
  const setters: string[] = pod.spec.securityContext?.windowsOptions?.hostProcess ? ['pod'] : []
  const names = failing(pod, context => context.windowsOptions?.hostProcess === true)
  if (names.length > 0) setters.push(containersText(names))
  if (setters.length === 0) return undefined
  const detail = `${setters.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true`
  return { reason: 'hostProcess', detail }
}

const hostProbes: Check = pod => {
  const hooked = (container: Container) => [
    container.livenessProbe,
    container.readinessProbe,
    container.startupProbe,
    container.lifecycle?.postStart,
    container.lifecycle?.preStop,
  ]
  const hosts = new Set<string>()
  const names = failing(pod, (_context, container) => {
    const set = hooked(container)
      .flatMap(one => [one?.httpGet?.host, one?.tcpSocket?.host])
      .filter(host => host)
    for (const host of set) hosts.add(host!)
    return set.length > 0
  })
  if (names.length === 0) return undefined
  const verb = plural(names.length, 'uses', 'use')
  return {
    reason: 'probe or lifecycle host',
    detail: `${containersText(names)} ${verb} probe or lifecycle ${plural(hosts.size, 'host')} ${quoted([...hosts].sort())}`,
  }
}

/** In the order upstream's messages list them: by the check's id. */
export const baselineChecks: readonly (readonly [id: string, check: Check])[] = [
  ['appArmorProfile', apparmor],
  ['capabilities_baseline', capabilities],
  ['hostNamespaces', hostNamespaces],
  ['hostPathVolumes', hostPathVolumes],
  ['hostPorts', hostPorts],
  ['hostProbesAndHostLifecycle', hostProbes],
  ['privileged', privileged],
  ['procMount', procMount],
  ['seLinuxOptions', seLinux],
  ['seccompProfile_baseline', seccomp],
  ['sysctls', sysctls],
  ['windowsHostProcess', hostProcess],
]
