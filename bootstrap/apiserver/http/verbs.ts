/** The verbs of resources over HTTP: what is read from the request, which verb runs, what is answered. */
import { errors } from '../../api/errors.ts'
import { apiVersionOf } from '../../api/object.ts'
import type { Call, VerbDeps, Written } from '../verbs/call.ts'
import { createObject } from '../verbs/create.ts'
import { decodeObject, lenientYaml, parseBody } from '../verbs/decode.ts'
import { deleteCollection, deletedStatus, deleteObject } from '../verbs/delete.ts'
import { listOptions } from '../verbs/listoptions.ts'
import type { Patch } from '../verbs/patch.ts'
import { checkPatchOptions, patchObject, patchTypes, patchTypesOf } from '../verbs/patch.ts'
import type { UpdateProfile } from '../verbs/profiles.ts'
import { getObject, listObjects } from '../verbs/read.ts'
import { updateObject } from '../verbs/update.ts'
import { watchObjects } from '../verbs/watch.ts'
import type { View } from './encode.ts'
import { listResponse, objectResponse, valueResponse } from './encode.ts'
import { frames } from './frames.ts'
import type { ApiRequest, ApiResponse } from './message.ts'
import { bodyType, negotiate } from './negotiate.ts'
import { deleteOptions, writeOptions } from './queryoptions.ts'
import { includeObjectOf } from './table.ts'

const streamTypes = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch']

export interface Exchange {
  readonly deps: VerbDeps
  readonly call: Call
  readonly request: ApiRequest
}

export async function handleGet({ deps, call, request }: Exchange): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  const stored = await getObject(deps, call, request.query.get('resourceVersion') ?? '')
  return objectResponse(view, 200, stored.object, stored.bytes)
}

export async function handleList({ deps, call, request }: Exchange): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  return await listResponse(view, await listObjects(deps, call, listOptions(request.query, 'list')))
}

export async function handleWatch({ deps, call, request }: Exchange): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  if (view.form.format !== 'json') throw errors.notAcceptable(streamTypes)
  const events = await watchObjects(deps, call, listOptions(request.query, 'watch'))
  return { status: 200, headers: { 'content-type': 'application/json' }, body: frames(view, events) }
}

export async function handleCreate({ deps, call, request }: Exchange): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  const options = writeOptions(request.query, 'CreateOptions')
  const body = await bodyObject({ deps, call, request }, options.fieldValidation)
  return writtenResponse(view, await createObject(deps, call, body, options))
}

export async function handleUpdate({ deps, call, request }: Exchange, profile?: UpdateProfile): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  const options = writeOptions(request.query, 'UpdateOptions')
  const body = await bodyObject({ deps, call, request }, options.fieldValidation)
  return writtenResponse(view, await updateObject(deps, call, body, options, profile))
}

export async function handlePatch({ deps, call, request }: Exchange, profile?: UpdateProfile): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  const options = writeOptions(request.query, 'PatchOptions')
  const patch = await readPatch(request, call.kind.custom, options.fieldValidation !== 'Ignore')
  checkPatchOptions(patch.type, options, request.query.has('force'))
  return writtenResponse(view, await patchObject(deps, call, patch, options, profile))
}

/** The body of a PATCH request. Throws 415 for a media type the resource cannot be patched with. */
export async function readPatch(request: ApiRequest, custom: boolean, strict: boolean): Promise<Patch> {
  const mediaType = bodyType(request)
  const accepted = patchTypesOf(custom)
  const type = patchTypes[mediaType]
  if (type === undefined || !accepted.includes(mediaType)) throw errors.unsupportedMediaType(accepted)
  const body = await request.body()
  if (type === 'apply') return { type, ...lenientYaml(body) }
  const { value, duplicates } = await parseBody('application/json', body, strict)
  return { type, value, duplicates }
}

export async function handleDelete({ deps, call, request }: Exchange): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  const options = deleteOptions(request.query, await optionsBody(request))
  const deleted = await deleteObject(deps, call, options)
  if (deleted.gone) return valueResponse(view.form, 200, deletedStatus(call, deleted.object))
  const status = options.orphanDependents === false ? 202 : 200
  return objectResponse(view, status, deleted.object, deleted.stored?.bytes)
}

export async function handleDeleteCollection({ deps, call, request }: Exchange): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  const list = listOptions(request.query, 'deletecollection')
  const options = deleteOptions(request.query, await optionsBody(request))
  const { items, revision } = await deleteCollection(deps, call, list, options)
  return await listResponse(view, { items, revision, continue: '', remaining: undefined })
}

async function optionsBody(request: ApiRequest): Promise<unknown> {
  const body = await request.body()
  return body.length === 0 ? undefined : (await parseBody(bodyType(request), body, false)).value
}

async function bodyObject({ call, request }: Exchange, validation: 'Strict' | 'Warn' | 'Ignore') {
  const document = await parseBody(bodyType(request), await request.body(), validation !== 'Ignore')
  return decodeObject(call.kind, document, validation, text => call.warn(text))
}

function viewOf({ deps, call, request }: Exchange): View {
  const { kind } = call
  const form = negotiate(request, kind.strategy.virtual !== true)
  const include = form.as === 'Table' ? includeObjectOf(request.query) : 'Metadata'
  return { kind, form, include, now: deps.clock.now() }
}

function writtenResponse(view: View, written: Written): ApiResponse {
  return objectResponse(view, written.status, written.object, written.stored?.bytes)
}

/** POST of a kind that stores nothing: the review with its answer. */
export async function handleReview(
  { deps, call, request }: Exchange,
  review: (object: never) => Promise<object>,
): Promise<ApiResponse> {
  const view = viewOf({ deps, call, request })
  const options = writeOptions(request.query, 'CreateOptions')
  const object = await bodyObject({ deps, call, request }, options.fieldValidation)
  call.kind.strategy.defaults?.(object)
  if (call.kind.namespaced) object.metadata.namespace ??= call.namespace
  const answered = await review(object as never)
  return valueResponse(view.form, 201, { kind: call.kind.kind, apiVersion: apiVersionOf(call.kind), ...answered })
}
