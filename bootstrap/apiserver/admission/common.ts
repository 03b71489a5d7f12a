/** What the plugins share: refusing, and recognising what a request is about. */
import { errors, type StatusError } from '../../api/errors.ts'
import type { Draft } from '../../api/object.ts'
import type { Pod } from '../../api/types.gen.ts'
import type { Mutable } from '../kinds/kind.ts'
import type { AdmissionRequest } from './plugin.ts'

/** A 403 in upstream's form: `pods "x" is forbidden: why`. */
export function refuse(request: AdmissionRequest, why: string): StatusError {
  const { group, resource } = request.kind
  const { name, generateName } = request.object?.metadata ?? {}
  return errors.forbidden({ group, resource }, request.name || name || generateName || 'Unknown', why)
}

/** Whether the request is about this resource of this group, main resource or the given subresource. */
export function isFor(request: AdmissionRequest, group: string, resource: string, subresource = ''): boolean {
  const { kind } = request
  return kind.group === group && kind.resource === resource && request.subresource === subresource
}

/** The pod that is being created, or undefined for any other request. */
export function newPod(request: AdmissionRequest): Draft<Pod> | undefined {
  if (request.operation !== 'CREATE' || !isFor(request, '', 'pods')) return undefined
  return as<Draft<Pod>>(request.object)
}

/** The request's object as the type its kind says it has. */
export const as = <T>(object: Mutable | undefined): T => object as unknown as T

const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** Mirror pods show static pods; the kubelet made them and nothing may change them. */
export const isMirror = (pod: { metadata: Pod['metadata'] }): boolean =>
  pod.metadata.annotations?.[mirrorAnnotation] !== undefined

export const quote = (text: string): string => JSON.stringify(text)
