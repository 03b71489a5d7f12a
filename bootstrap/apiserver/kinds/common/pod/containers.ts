/** Validation of the containers of a pod: regular, init and ephemeral ones. */
import { field } from '../../../../api/errors.ts'
import type { Container, ContainerPort, EphemeralContainer, PodSpec, Volume } from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import { oneOf } from '../checks.ts'
import { textErrors } from '../metadata.ts'
import { dnsLabel, portName, portNumber } from '../names.ts'
import { environmentErrors, environmentSourceErrors } from './environment.ts'
import { devicesErrors, mountsErrors } from './mounts.ts'
import { lifecycleErrors, probeRoles, probesErrors } from './probes.ts'
import { requirementsErrors } from './resources.ts'
import { containerSecurityErrors } from './security.ts'

/** What the checks of one container need to know of its pod. */
interface Scope {
  readonly volumes: ReadonlyMap<string, Volume>
  readonly claims: ReadonlySet<string>
  readonly spec: PodSpec
  /** The spec is a pod's own, not a template's. */
  readonly isPod: boolean
}

/** Checks all containers of a pod spec at `path`. */
export function* containersErrors(spec: PodSpec, path: string, isPod: boolean): Errors {
  const scope: Scope = {
    spec,
    isPod,
    volumes: new Map((spec.volumes ?? []).map(volume => [volume.name, volume])),
    claims: new Set((spec.resourceClaims ?? []).map(claim => claim.name)),
  }
  yield* regularErrors(scope, `${path}.containers`)
  yield* initErrors(scope, `${path}.initContainers`)
  yield* ephemeralErrors(scope, `${path}.ephemeralContainers`)
}

function* regularErrors(scope: Scope, path: string): Errors {
  const containers = scope.spec.containers ?? []
  if (containers.length === 0) return yield field.required(path)
  const names = new Set<string>()
  for (const [index, container] of containers.entries()) {
    const at = `${path}[${index}]`
    yield* commonErrors(container, scope, at)
    if (names.has(container.name)) yield field.duplicate(`${at}.name`, container.name)
    names.add(container.name)
    yield* lifecycleErrors(container.lifecycle, scope.spec.terminationGracePeriodSeconds, `${at}.lifecycle`)
    yield* probesErrors(container, at)
    if (container.restartPolicy) {
      yield* oneOf(container.restartPolicy, `${at}.restartPolicy`, ['Always', 'OnFailure', 'Never'])
    }
  }
  yield* hostPortErrors(containers, path)
}

function* initErrors(scope: Scope, path: string): Errors {
  const names = new Set((scope.spec.containers ?? []).map(container => container.name))
  for (const [index, container] of (scope.spec.initContainers ?? []).entries()) {
    const at = `${path}[${index}]`
    yield* commonErrors(container, scope, at)
    if (container.restartPolicy) {
      yield* oneOf(container.restartPolicy, `${at}.restartPolicy`, ['Always', 'OnFailure', 'Never'])
    }
    if (names.has(container.name)) yield field.duplicate(`${at}.name`, container.name)
    else if (container.name) names.add(container.name)
    yield* hostPortErrors([container], path)
    if (container.restartPolicy === 'Always') {
      yield* lifecycleErrors(container.lifecycle, scope.spec.terminationGracePeriodSeconds, `${at}.lifecycle`)
      yield* probesErrors(container, at)
      continue
    }
    for (const name of ['lifecycle', ...probeRoles] as const) {
      const text = 'may not be set for init containers without restartPolicy=Always'
      if (container[name]) yield field.forbidden(`${at}.${name}`, text)
    }
  }
}

const ephemeralFields = new Set([
  'name',
  'image',
  'command',
  'args',
  'workingDir',
  'env',
  'envFrom',
  'volumeMounts',
  'volumeDevices',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'imagePullPolicy',
  'securityContext',
  'stdin',
  'stdinOnce',
  'tty',
  'targetContainerName',
])

function* ephemeralErrors(scope: Scope, path: string): Errors {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = scope.spec
  const others = new Set([...containers, ...initContainers].map(container => container.name))
  const names = new Set(others)
  for (const [index, container] of ephemeralContainers.entries()) {
    const at = `${path}[${index}]`
    yield* commonErrors(container, scope, at)
    if (names.has(container.name)) yield field.duplicate(`${at}.name`, container.name)
    names.add(container.name)
    const target = container.targetContainerName
    if (target && !others.has(target)) yield field.notFound(`${at}.targetContainerName`, target)
    yield* ephemeralOnlyErrors(container, at)
  }
}

function* ephemeralOnlyErrors(container: EphemeralContainer, path: string): Errors {
  const text = 'cannot be set for an Ephemeral Container'
  for (const [name, value] of Object.entries(container)) {
    if (!ephemeralFields.has(name) && isSet(value)) yield field.forbidden(`${path}.${name}`, text)
  }
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    for (const name of ['subPath', 'subPathExpr'] as const) {
      if (mount[name]) yield field.forbidden(`${path}.volumeMounts[${index}].${name}`, text)
    }
  }
}

function isSet(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return Boolean(value)
  return Object.keys(value).length > 0
}

function* commonErrors(container: Container, scope: Scope, path: string): Errors {
  if (!container.name) yield field.required(`${path}.name`)
  else yield* textErrors(dnsLabel, container.name, `${path}.name`)
  if (!container.image) yield field.required(`${path}.image`)
  else if (scope.isPod && container.image.trim() !== container.image) {
    yield field.invalid(`${path}.image`, container.image, 'must not have leading or trailing whitespace')
  }
  yield* oneOf(container.terminationMessagePolicy, `${path}.terminationMessagePolicy`, [
    'File',
    'FallbackToLogsOnError',
  ])
  yield* portsErrors(container.ports, `${path}.ports`)
  yield* environmentErrors(container.env, `${path}.env`)
  yield* environmentSourceErrors(container.envFrom, `${path}.envFrom`)
  yield* mountsErrors(container, scope.volumes, `${path}.volumeMounts`)
  yield* devicesErrors(container, scope.volumes, `${path}.volumeDevices`)
  yield* oneOf(container.imagePullPolicy, `${path}.imagePullPolicy`, ['Always', 'IfNotPresent', 'Never'])
  yield* requirementsErrors(container.resources, `${path}.resources`, 'container', scope.claims)
  yield* resizePolicyErrors(container.resizePolicy, scope.spec.restartPolicy, `${path}.resizePolicy`)
  yield* containerSecurityErrors(container.securityContext, `${path}.securityContext`, scope.spec.hostUsers !== false)
}

function* resizePolicyErrors(policies: Container['resizePolicy'], podPolicy: string | undefined, path: string): Errors {
  const seen = new Set<string>()
  for (const [index, { resourceName, restartPolicy }] of (policies ?? []).entries()) {
    if (seen.has(resourceName)) yield field.duplicate(`${path}[${index}]`, resourceName)
    seen.add(resourceName)
    yield* oneOf(resourceName, path, ['cpu', 'memory'])
    yield* oneOf(restartPolicy, path, ['NotRequired', 'RestartContainer'])
    if (podPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      yield field.invalid(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'")
    }
  }
}

function* portsErrors(ports: readonly ContainerPort[] | undefined, path: string): Errors {
  const names = new Set<string>()
  for (const [index, port] of (ports ?? []).entries()) {
    const at = `${path}[${index}]`
    if (port.name) {
      const problems = portName(port.name)
      for (const text of problems) yield field.invalid(`${at}.name`, port.name, text)
      if (problems.length === 0 && names.has(port.name)) yield field.duplicate(`${at}.name`, port.name)
      names.add(port.name)
    }
    if (!port.containerPort) yield field.required(`${at}.containerPort`)
    else
      for (const text of portNumber(port.containerPort))
        yield field.invalid(`${at}.containerPort`, port.containerPort, text)
    if (port.hostPort) {
      for (const text of portNumber(port.hostPort)) yield field.invalid(`${at}.hostPort`, port.hostPort, text)
    }
    yield* oneOf(port.protocol, `${at}.protocol`, ['SCTP', 'TCP', 'UDP'])
  }
}

function* hostPortErrors(containers: readonly Container[], path: string): Errors {
  const taken = new Set<string>()
  for (const [index, container] of containers.entries()) {
    for (const [portIndex, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`
      if (taken.has(key)) yield field.duplicate(`${path}[${index}].ports[${portIndex}].hostPort`, key)
      taken.add(key)
    }
  }
}
