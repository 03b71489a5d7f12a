/** Validation of probes and lifecycle hooks. */
import { field } from '../../../../api/errors.ts'
import type { ExecAction, HTTPGetAction, Lifecycle, Probe, SleepAction } from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import { portReference, supportedOrEmpty } from '../checks.ts'
import { nonNegative, textErrors } from '../metadata.ts'
import { httpHeaderName } from '../names.ts'

type Role = 'livenessProbe' | 'readinessProbe' | 'startupProbe'
type Probed = { readonly [R in Role]?: Probe | undefined }

/** The three probe fields of a container. */
export const probeRoles: readonly Role[] = ['livenessProbe', 'readinessProbe', 'startupProbe']

/** Checks the three probes of a container at `path`. */
export function* probesErrors(container: Probed, path: string): Errors {
  for (const role of probeRoles) {
    const probe = container[role]
    if (!probe) continue
    const at = `${path}.${role}`
    yield* probeErrors(probe, at)
    if (role !== 'readinessProbe' && probe.successThreshold !== 1) {
      yield field.invalid(`${at}.successThreshold`, probe.successThreshold ?? 0, 'must be 1')
    }
    if (role === 'readinessProbe' && probe.terminationGracePeriodSeconds !== undefined) {
      const text = 'must not be set for readinessProbes'
      yield field.invalid(`${at}.terminationGracePeriodSeconds`, probe.terminationGracePeriodSeconds, text)
    }
  }
}

function* probeErrors(probe: Probe, path: string): Errors {
  yield* handlerErrors(probe, undefined, path)
  yield* nonNegative(probe.initialDelaySeconds, `${path}.initialDelaySeconds`)
  yield* nonNegative(probe.timeoutSeconds, `${path}.timeoutSeconds`)
  yield* nonNegative(probe.periodSeconds, `${path}.periodSeconds`)
  yield* nonNegative(probe.successThreshold, `${path}.successThreshold`)
  yield* nonNegative(probe.failureThreshold, `${path}.failureThreshold`)
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace !== null && grace <= 0) {
    yield field.invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0')
  }
}

/** Checks a container's hooks; `grace` is the pod's termination grace period. */
export function* lifecycleErrors(lifecycle: Lifecycle | undefined, grace: number | undefined, path: string): Errors {
  if (lifecycle?.postStart) yield* handlerErrors(lifecycle.postStart, grace, `${path}.postStart`)
  if (lifecycle?.preStop) yield* handlerErrors(lifecycle.preStop, grace, `${path}.preStop`)
}

interface Handler {
  readonly exec?: ExecAction | undefined
  readonly httpGet?: HTTPGetAction | undefined
  readonly tcpSocket?: { readonly port: unknown } | undefined
  readonly grpc?: { readonly port: number } | undefined
  readonly sleep?: SleepAction | undefined
}

const handlerTypes = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const

function* handlerErrors(handler: Handler, grace: number | undefined, path: string): Errors {
  const [first, ...others] = handlerTypes.filter(type => handler[type])
  if (!first) return yield field.required(path, 'must specify a handler type')
  const at = `${path}.${first}`
  switch (first) {
    case 'exec':
      if (!handler.exec?.command?.length) yield field.required(`${at}.command`)
      break
    case 'httpGet':
      yield* httpErrors(handler.httpGet!, at)
      break
    case 'tcpSocket':
    case 'grpc':
      yield* portReference(handler[first]!.port, `${at}.port`)
      break
    case 'sleep':
      yield* sleepErrors(handler.sleep!.seconds, grace, at)
  }
  for (const other of others) yield field.forbidden(`${path}.${other}`, 'may not specify more than 1 handler type')
}

function* httpErrors(action: HTTPGetAction, path: string): Errors {
  if (!action.path) yield field.required(`${path}.path`)
  yield* portReference(action.port, `${path}.port`)
  yield* supportedOrEmpty(action.scheme, `${path}.scheme`, ['HTTP', 'HTTPS'])
  for (const header of action.httpHeaders ?? []) yield* textErrors(httpHeaderName, header.name, `${path}.httpHeaders`)
}

function* sleepErrors(seconds: number, grace: number | undefined, path: string): Errors {
  if (grace === undefined || (seconds >= 0 && seconds <= grace)) return
  const text = `must be non-negative and less than terminationGracePeriodSeconds (${grace})`
  yield field.invalid(path, seconds, text)
}
