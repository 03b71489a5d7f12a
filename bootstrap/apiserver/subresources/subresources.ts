/** Which code answers a subresource. */
import { errors } from '../../api/errors.ts'
import type { HandlerParts } from '../handler.ts'
import type { ApiResponse } from '../http/message.ts'
import type { RequestInfo } from '../http/requestinfo.ts'
import type { Exchange } from '../http/verbs.ts'
import { handleGet, handlePatch, handleUpdate } from '../http/verbs.ts'
import type { UpdateProfile } from '../verbs/profiles.ts'
import { statusProfile } from '../verbs/profiles.ts'

type Handler = (parts: HandlerParts, exchange: Exchange, info: RequestInfo) => Promise<ApiResponse>

/** Subresources that show the whole object and write part of it. */
const profiles: { readonly [name: string]: UpdateProfile } = {
  status: statusProfile,
}

const handlers: { readonly [name: string]: Handler } = {}

export async function handleSubresource(
  parts: HandlerParts,
  exchange: Exchange,
  info: RequestInfo,
): Promise<ApiResponse> {
  const profile = profiles[info.subresource]
  if (profile) return await handlePart(exchange, info, profile)
  const handler = handlers[info.subresource]
  if (!handler) throw errors.unknownPath()
  return await handler(parts, exchange, info)
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
