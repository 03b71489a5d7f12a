/** Pod and container security contexts, merged into what CRI wants. */
import type { Container } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type {
  ContainerSecurityContext,
  NamespaceOptions,
  RuntimeImage,
  SandboxSecurityContext,
  SELinuxOption,
  SecurityProfile,
} from '../runtime.ts'
import { ConfigurationError } from './environment.ts'
import { podText } from './identity.ts'

/** The paths the default /proc mount hides or write-protects. */
const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/** `targetId` is the container whose processes an ephemeral container wants to see. */
export function namespaceOptions(pod: Pod, targetId?: string): NamespaceOptions {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace } = pod.spec
  const base = { network: hostNetwork ? 'NODE' : 'POD', ipc: hostIPC ? 'NODE' : 'POD' } as const
  if (hostPID) return { ...base, pid: 'NODE' }
  if (shareProcessNamespace) return { ...base, pid: 'POD' }
  return targetId === undefined ? { ...base, pid: 'CONTAINER' } : { ...base, pid: 'TARGET', targetId }
}

interface ProfileSource {
  readonly type?: string | undefined
  readonly localhostProfile?: string | undefined
}

function seccompOf(profile: ProfileSource | undefined, privileged: boolean): SecurityProfile {
  if (privileged || !profile || profile.type === 'Unconfined') return { profileType: 'Unconfined' }
  if (profile.type === 'Localhost')
    return { profileType: 'Localhost', localhostRef: `/var/lib/kubelet/seccomp/${profile.localhostProfile ?? ''}` }
  return { profileType: 'RuntimeDefault' }
}

const value = (id: number | undefined) => (id === undefined ? undefined : { value: id })
const optional = <K extends string, T>(key: K, given: T | undefined) =>
  (given === undefined ? {} : { [key]: given }) as { [P in K]?: T }

export function sandboxSecurity(pod: Pod): SandboxSecurityContext {
  const context = pod.spec.securityContext
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
  const groups = [...(context?.fsGroup === undefined ? [] : [context.fsGroup]), ...(context?.supplementalGroups ?? [])]
  return {
    namespaceOptions: namespaceOptions(pod),
    ...optional('runAsUser', value(context?.runAsUser)),
    ...(context?.runAsUser === undefined ? {} : optional('runAsGroup', value(context.runAsGroup))),
    ...optional('selinuxOptions', context?.seLinuxOptions as SELinuxOption | undefined),
    supplementalGroups: groups,
    privileged: containers.some(container => container.securityContext?.privileged === true),
    seccomp: { profileType: 'RuntimeDefault' },
  }
}

/** Throws ConfigurationError when runAsNonRoot cannot be met with this image. */
export function containerSecurity(
  pod: Pod,
  container: Container,
  image: Pick<RuntimeImage, 'uid' | 'username'>,
  targetId?: string,
): ContainerSecurityContext {
  const ofPod = pod.spec.securityContext
  const own = container.securityContext
  const privileged = own?.privileged === true
  verifyNonRoot(pod, container, image)
  const runAsUser = own?.runAsUser ?? ofPod?.runAsUser
  const runAsGroup = own?.runAsGroup ?? ofPod?.runAsGroup
  const user = userOf(runAsUser, image)
  const groups = [...(ofPod?.fsGroup === undefined ? [] : [ofPod.fsGroup]), ...(ofPod?.supplementalGroups ?? [])]
  const unmasked = privileged || own?.procMount === 'Unmasked'
  return {
    ...(own?.capabilities
      ? { capabilities: { addCapabilities: own.capabilities.add ?? [], dropCapabilities: own.capabilities.drop ?? [] } }
      : {}),
    privileged,
    namespaceOptions: namespaceOptions(pod, targetId),
    ...user,
    ...optional('runAsGroup', value(runAsGroup)),
    readonlyRootfs: own?.readOnlyRootFilesystem === true,
    supplementalGroups: groups,
    noNewPrivs: own?.allowPrivilegeEscalation === false,
    ...(unmasked ? {} : { maskedPaths, readonlyPaths }),
    seccomp: seccompOf(own?.seccompProfile ?? ofPod?.seccompProfile, privileged),
    ...optional('selinuxOptions', (own?.seLinuxOptions ?? ofPod?.seLinuxOptions) as SELinuxOption | undefined),
  }
}

/** Kubelet passes the image's user on, so that the runtime need not resolve it again. */
function userOf(runAsUser: number | undefined, image: Pick<RuntimeImage, 'uid' | 'username'>) {
  if (runAsUser !== undefined) return { runAsUser: { value: runAsUser } }
  if (image.uid !== undefined) return { runAsUser: { value: image.uid } }
  return image.username === '' ? { runAsUser: { value: 0 } } : { runAsUsername: image.username }
}

function verifyNonRoot(pod: Pod, container: Container, image: Pick<RuntimeImage, 'uid' | 'username'>): void {
  const required = container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot
  if (required !== true) return
  const user = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser
  const where = `(pod: "${podText(pod)}", container: ${container.name})`
  if (user !== undefined) {
    if (user === 0) throw new ConfigurationError(`container's runAsUser breaks non-root policy ${where}`)
    return
  }
  if (image.uid === undefined && image.username !== '')
    throw new ConfigurationError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    )
  if ((image.uid ?? 0) === 0)
    throw new ConfigurationError(`container has runAsNonRoot and image will run as root ${where}`)
}
