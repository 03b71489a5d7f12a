/** Finds the kind, the subresource and the verb a request is about, and runs it. */
import { setImmediate as breathe } from 'node:timers/promises'
import { errors } from '../api/errors.ts'
import type { UserInfo } from './auth/user.ts'
import type { HandlerParts } from './handler.ts'
import type { ApiRequest, ApiResponse } from './http/message.ts'
import { headerOf } from './http/message.ts'
import type { RequestInfo } from './http/requestinfo.ts'
import {
  type Exchange,
  handleCreate,
  handleDelete,
  handleDeleteCollection,
  handleGet,
  handleList,
  handlePatch,
  handleReview,
  handleUpdate,
  handleWatch,
} from './http/verbs.ts'
import type { Warnings } from './http/warnings.ts'
import type { Kind } from './kinds/kind.ts'
import { handleBinding, handleSubresource } from './subresources/subresources.ts'
import type { Call } from './verbs/call.ts'
import { catchUp } from './verbs/newest.ts'

export async function dispatch(
  parts: HandlerParts,
  request: ApiRequest,
  info: RequestInfo,
  user: UserInfo,
  warnings: Warnings,
): Promise<ApiResponse> {
  const { deps, verbs } = parts
  const kind = deps.registry.byResource(info.group, info.version, info.resource) ?? (await newKind(parts, info))
  if (!kind) throw errors.unknownPath()
  if (info.subresource === '') checkVerb(kind, info)
  else checkSubresource(kind, info, request.method)
  const call: Call = {
    kind,
    namespace: namespaceOf(kind, info),
    name: info.name,
    subresource: info.subresource,
    user,
    userAgent: headerOf(request, 'user-agent'),
    get signal() {
      return request.signal
    },
    warn: text => warnings.add(text),
  }
  const exchange: Exchange = { deps: verbs, call, request }
  if (info.subresource !== '') return await handleSubresource(parts, exchange, info)
  if (kind.strategy.virtual === true) return await review(parts, exchange)
  switch (info.verb) {
    case 'get':
      return await handleGet(exchange)
    case 'list':
      return await handleList(exchange)
    case 'watch':
      return await handleWatch(exchange)
    case 'create':
      return await handleCreate(exchange)
    case 'update':
      return await handleUpdate(exchange)
    case 'patch':
      return await handlePatch(exchange)
    case 'delete':
      return await handleDelete(exchange)
    case 'deletecollection':
      return await handleDeleteCollection(exchange)
    default:
      throw errors.methodNotAllowed(kind, info.verb)
  }
}

/** One whose definition another server has just said to be established. */
async function newKind({ deps }: HandlerParts, info: RequestInfo): Promise<Kind | undefined> {
  if (!deps.store.shared) return undefined
  await catchUp(deps.store)
  await breathe()
  return deps.registry.byResource(info.group, info.version, info.resource)
}

async function review(parts: HandlerParts, exchange: Exchange): Promise<ApiResponse> {
  const { deps } = parts
  const { call } = exchange
  if (call.kind.kind === 'Binding') return await handleBinding(parts, exchange)
  const answer = deps.reviews?.get(call.kind.kind)
  if (!answer) throw errors.methodNotAllowed(call.kind, 'create')
  return await handleReview(exchange, object => answer(object, call.user, call))
}

/** "namespaces" itself carries its own name as namespace in the URL. */
function namespaceOf(kind: Kind, info: RequestInfo): string {
  return kind.namespaced ? info.namespace : ''
}

function checkVerb(kind: Kind, info: RequestInfo): void {
  const named = info.name !== ''
  if (!kind.namespaced && info.namespace !== '' && info.resource !== 'namespaces') throw errors.unknownPath()
  if (!kind.verbs.includes(info.verb)) throw errors.methodNotAllowed(kind, info.verb)
  const misplaced = info.verb === 'create' ? named : !named && (info.verb === 'update' || info.verb === 'patch')
  if (misplaced) throw errors.methodNotAllowed(kind, info.verb)
  const everywhere = kind.namespaced && info.namespace === ''
  if (!everywhere || info.verb === 'list' || info.verb === 'watch') return
  throw named ? errors.unknownPath() : errors.methodNotAllowed(kind, info.verb)
}

function checkSubresource(kind: Kind, info: RequestInfo, method: string): void {
  if (kind.namespaced !== (info.namespace !== '') && info.resource !== 'namespaces') throw errors.unknownPath()
  const subresource = kind.subresources.find(candidate => candidate.name === info.subresource)
  if (!subresource) throw errors.unknownPath()
  // Proxies take OPTIONS too, which is no API verb and so not in discovery.
  const proxiedOptions = info.subresource === 'proxy' && method === 'OPTIONS'
  if (!proxiedOptions && !subresource.verbs.includes(info.verb)) {
    throw errors.methodNotAllowed({ group: kind.group, resource: `${kind.resource}/${info.subresource}` }, info.verb)
  }
}
