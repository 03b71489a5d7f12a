/** Which code answers a subresource over HTTP. */
import { errors } from '../../api/errors.ts'
import { parseApiVersion } from '../../api/object.ts'
import type { HandlerParts } from '../handler.ts'
import { valueResponse } from '../http/encode.ts'
import type { ApiResponse } from '../http/message.ts'
import { bodyType, negotiate } from '../http/negotiate.ts'
import { writeOptions } from '../http/queryoptions.ts'
import type { RequestInfo } from '../http/requestinfo.ts'
import type { Exchange } from '../http/verbs.ts'
import { handleGet, handlePatch, handleUpdate, readPatch } from '../http/verbs.ts'
import type { Kind } from '../kinds/kind.ts'
import type { KindRegistry } from '../schema/registry.ts'
import { decodeObject, parseBody } from '../verbs/decode.ts'
import { checkPatchOptions } from '../verbs/patch.ts'
import type { UpdateProfile } from '../verbs/profiles.ts'
import { binding } from './binding.ts'
import { connectPod, podLog } from './connect.ts'
import { eviction } from './eviction.ts'
import type { ObjectSubresource } from './object.ts'
import { partProfiles } from './parts.ts'
import { connectProxy } from './proxy.ts'
import { scale } from './scale.ts'
import { token } from './token.ts'

/** By the subresource's name. */
export const objectSubresources: { readonly [name: string]: ObjectSubresource } = { scale, binding, eviction, token }

type Connect = (parts: HandlerParts, exchange: Exchange, info: RequestInfo) => Promise<ApiResponse>

const connects: { readonly [name: string]: Connect } = {
  log: podLog,
  exec: connectPod,
  attach: connectPod,
  portforward: connectPod,
  proxy: connectProxy,
}

export async function handleSubresource(
  parts: HandlerParts,
  exchange: Exchange,
  info: RequestInfo,
): Promise<ApiResponse> {
  const profile = partProfiles[info.subresource]
  if (profile) return await handlePart(exchange, info, profile)
  const object = objectSubresources[info.subresource]
  if (object) return await handleObject(parts, exchange, info, object)
  const connect = connects[info.subresource]
  if (!connect) throw errors.unknownPath()
  return await connect(parts, exchange, info)
}

async function handlePart(exchange: Exchange, info: RequestInfo, profile: UpdateProfile): Promise<ApiResponse> {
  switch (info.verb) {
    case 'get':
      return await handleGet(exchange)
    case 'update':
      return await handleUpdate(exchange, profile)
    case 'patch':
      return await handlePatch(exchange, profile)
    default:
      throw errors.methodNotAllowed(exchange.call.kind, info.verb)
  }
}

/** The type of a subresource's objects. */
export function subresourceKind(registry: KindRegistry, parent: Kind, name: string, apiVersion?: string): Kind {
  const declared = parent.subresources.find(subresource => subresource.name === name)
  const { group = parent.group, version = parent.version, kind = '' } = declared ?? {}
  const asked = apiVersion === undefined ? undefined : parseApiVersion(apiVersion)
  const found =
    (asked?.group === group ? registry.byKind(group, asked.version, kind) : undefined) ??
    registry.byKind(group, version, kind)
  if (!found) throw errors.unknownPath()
  return found
}

async function handleObject(
  { deps, verbs }: HandlerParts,
  { call, request }: Exchange,
  info: RequestInfo,
  handler: ObjectSubresource,
): Promise<ApiResponse> {
  const form = negotiate(request, false)
  const kind = subresourceKind(deps.registry, call.kind, info.subresource)
  const context = { deps, verbs, call, kind }
  if (info.verb === 'get' && handler.get) return valueResponse(form, 200, await handler.get(context))
  if (info.verb === 'patch' && handler.patch) {
    const options = writeOptions(request.query, 'PatchOptions')
    const patch = await readPatch(request, false, options.fieldValidation !== 'Ignore')
    checkPatchOptions(patch.type, options, request.query.has('force'))
    const { status, object } = await handler.patch(context, patch, options)
    return valueResponse(form, status, object)
  }
  const write = info.verb === 'create' ? handler.create : info.verb === 'update' ? handler.update : undefined
  if (!write) throw errors.methodNotAllowed(call.kind, info.verb)
  const options = writeOptions(request.query, info.verb === 'create' ? 'CreateOptions' : 'UpdateOptions')
  const document = await parseBody(bodyType(request), await request.body(), options.fieldValidation !== 'Ignore')
  const body = decodeObject(kind, document, options.fieldValidation, call.warn)
  const { status, object } = await write(context, body, options)
  return valueResponse(form, status, object)
}

/** POST of a Binding to its own collection: the same as to the pod it names. */
export async function handleBinding({ deps, verbs }: HandlerParts, { call, request }: Exchange): Promise<ApiResponse> {
  const form = negotiate(request, false)
  const options = writeOptions(request.query, 'CreateOptions')
  const document = await parseBody(bodyType(request), await request.body(), options.fieldValidation !== 'Ignore')
  const body = decodeObject(call.kind, document, options.fieldValidation, call.warn)
  const pods = deps.registry.byResource('', 'v1', 'pods')!
  const pod = { ...call, kind: pods, name: body.metadata.name ?? '', subresource: 'binding' }
  const { status, object } = await binding.create!({ deps, verbs, call: pod, kind: call.kind }, body, options)
  return valueResponse(form, status, object)
}
