/** Validation of the security contexts of pods and containers. */
import { field } from '../../../../api/errors.ts'
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import { supportedOrEmpty } from '../checks.ts'

const maxId = 2 ** 31 - 1

function* idErrors(id: number | undefined | null, path: string): Errors {
  if (id === undefined || id === null || (id >= 0 && id <= maxId)) return
  yield field.invalid(path, id, `must be between 0 and ${maxId}, inclusive`)
}

/** Checks the security context of a whole pod. */
export function* podSecurityErrors(spec: PodSpec, path: string): Errors {
  const context: PodSecurityContext = spec.securityContext ?? {}
  yield* idErrors(context.fsGroup, `${path}.fsGroup`)
  yield* idErrors(context.runAsUser, `${path}.runAsUser`)
  yield* idErrors(context.runAsGroup, `${path}.runAsGroup`)
  for (const [index, group] of (context.supplementalGroups ?? []).entries()) {
    yield* idErrors(group, `${path}.supplementalGroups[${index}]`)
  }
  if (spec.shareProcessNamespace && spec.hostPID) {
    const text = 'ShareProcessNamespace and HostPID cannot both be enabled'
    yield field.invalid(`${path}.shareProcessNamespace`, true, text)
  }
  yield* sysctlErrors(spec, context, `${path}.sysctls`)
  yield* supportedOrEmpty(context.fsGroupChangePolicy, `${path}.fsGroupChangePolicy`, ['Always', 'OnRootMismatch'])
  yield* seccompErrors(context.seccompProfile, `${path}.seccompProfile`)
  yield* appArmorErrors(context.appArmorProfile, `${path}.appArmorProfile`)
  yield* supportedOrEmpty(context.supplementalGroupsPolicy, `${path}.supplementalGroupsPolicy`, ['Merge', 'Strict'])
  yield* supportedOrEmpty(context.seLinuxChangePolicy, `${path}.seLinuxChangePolicy`, ['MountOption', 'Recursive'])
}

const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const sysctlFormat = `^(${sysctlSegment}[\\./])*${sysctlSegment}$`
const sysctlRegexp = new RegExp(sysctlFormat)
const ipcSysctl = /^(kernel[./](shm|msg|sem)|fs[./]mqueue[./])/

function* sysctlErrors(spec: PodSpec, context: PodSecurityContext, path: string): Errors {
  const seen = new Set<string>()
  for (const [index, { name }] of (context.sysctls ?? []).entries()) {
    const at = `${path}[${index}].name`
    if (!name) yield field.required(at)
    else if (name.length > 253 || !sysctlRegexp.test(name)) {
      yield field.invalid(at, name, `must have at most 253 characters and match regex ${sysctlFormat}`)
    } else if (seen.has(name)) yield field.duplicate(at, name)
    if (spec.hostNetwork && /^net[./]/.test(name)) {
      yield field.invalid(at, name, "may not be specified when 'hostNetwork' is true")
    } else if (spec.hostIPC && ipcSysctl.test(name)) {
      yield field.invalid(at, name, "may not be specified when 'hostIPC' is true")
    }
    seen.add(name)
  }
}

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined']

function* seccompErrors(profile: SeccompProfile | undefined, path: string): Errors {
  if (!profile) return
  if (!profile.type) yield field.required(`${path}.type`, 'type is required when seccompProfile is set')
  else yield* supportedOrEmpty(profile.type, `${path}.type`, profileTypes)
  const file = profile.localhostProfile
  if (profile.type !== 'Localhost') {
    if (file !== undefined) {
      yield field.invalid(`${path}.localhostProfile`, profile, 'can only be set when seccomp type is Localhost')
    }
  } else if (file === undefined) {
    yield field.required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost')
  } else yield* localPathErrors(file, `${path}.localhostProfile`)
}

function* appArmorErrors(profile: AppArmorProfile | undefined, path: string): Errors {
  if (!profile) return
  const file = profile.localhostProfile
  const at = `${path}.localhostProfile`
  if (!profile.type) yield field.required(`${path}.type`, 'type is required when appArmorProfile is set')
  else yield* supportedOrEmpty(profile.type, `${path}.type`, profileTypes)
  if (profile.type === 'Localhost') {
    if (file !== undefined && file.trim() !== file) {
      yield field.invalid(at, file, 'must not be padded with whitespace')
    } else if (!file) yield field.required(at, 'must be set when AppArmor type is Localhost')
    if ((file?.length ?? 0) > 4095) yield field.tooLong(at, 4095)
  } else if (file !== undefined && profileTypes.includes(profile.type)) {
    yield field.invalid(at, file, 'can only be set when AppArmor type is Localhost')
  }
}

/** A relative path that stays below where it starts. */
export function* localPathErrors(value: string, path: string): Errors {
  if (value.startsWith('/')) yield field.invalid(path, value, 'must be a relative path')
  yield* noBacksteps(value, path)
}

/** No ".." among the segments of a path. */
export function* noBacksteps(value: string, path: string): Errors {
  if (value.split('/').includes('..')) yield field.invalid(path, value, "must not contain '..'")
}

/** Checks the security context of one container. `hostUsers` is false in a pod with its own user namespace. */
export function* containerSecurityErrors(
  context: SecurityContext | undefined,
  path: string,
  hostUsers: boolean,
): Errors {
  if (!context) return
  yield* idErrors(context.runAsUser, `${path}.runAsUser`)
  yield* idErrors(context.runAsGroup, `${path}.runAsGroup`)
  if (context.procMount) {
    yield* supportedOrEmpty(context.procMount, `${path}.procMount`, ['Default', 'Unmasked'])
    if (hostUsers && context.procMount === 'Unmasked') {
      yield field.invalid(`${path}.procMount`, context.procMount, '`hostUsers` must be false to use `Unmasked`')
    }
  }
  yield* seccompErrors(context.seccompProfile, `${path}.seccompProfile`)
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged) {
      const text = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'
      yield field.invalid(path, context, text)
    }
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) {
      const text = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'
      yield field.invalid(path, context, text)
    }
  }
  yield* appArmorErrors(context.appArmorProfile, `${path}.appArmorProfile`)
}

/** Checks that a pod with its own user namespace shares no other namespace with its host. */
export function* hostUsersErrors(spec: PodSpec, path: string): Errors {
  if (spec.hostUsers !== false) return
  const text = 'when `pod.Spec.HostUsers` is false'
  if (spec.hostNetwork) yield field.forbidden(`${path}.hostNetwork`, text)
  if (spec.hostPID) yield field.forbidden(`${path}.HostPID`, text)
  if (spec.hostIPC) yield field.forbidden(`${path}.HostIPC`, text)
}
