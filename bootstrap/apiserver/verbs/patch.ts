/** patch: the four ways to change part of an object (apiserver pkg/endpoints/handlers/patch.go). */
import { errors, failure, field, isStatusError } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { apiVersionOf } from '../../api/object.ts'
import type { Mutable } from '../kinds/kind.ts'
import { applyJsonPatch } from '../patch/json-patch.ts'
import { applyMergePatch } from '../patch/merge-patch.ts'
import { strategicMergePatch } from '../patch/strategic.ts'
import { unknownFields } from '../schema/decode.ts'
import type { Schema } from '../schema/schema.ts'
import type { Call, VerbDeps, WriteOptions, Written } from './call.ts'
import { authorizeCreate, gr, storeOf } from './call.ts'
import { copyOf } from './copy.ts'
import { createObject } from './create.ts'
import type { Target } from './decode.ts'
import { decodeObject, decodePatched } from './decode.ts'
import { catchUp, isMissing } from './newest.ts'
import { applied } from './ownership.ts'
import type { UpdateProfile } from './profiles.ts'
import { mainProfile } from './profiles.ts'
import { changeObject } from './update.ts'

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

export const patchTypes: { readonly [mediaType: string]: PatchType } = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

export interface Patch {
  readonly type: PatchType
  /** The parsed body. */
  readonly value: unknown
  readonly duplicates: readonly string[]
}

const maxOperations = 10_000

/** Throws 422 for options that do not go with the patch type. */
export function checkPatchOptions(type: PatchType, options: WriteOptions, forceGiven: boolean): void {
  const problems = []
  if (type === 'apply' && options.fieldManager === '') {
    problems.push(field.required('fieldManager', 'is required for apply patch'))
  }
  if (type !== 'apply' && forceGiven) {
    problems.push(field.forbidden('force', 'may not be specified for non-apply patch'))
  }
  if (problems.length > 0) throw errors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', problems)
}

/** The media types a kind can be patched with. */
export function patchTypesOf(custom: boolean): readonly string[] {
  return Object.keys(patchTypes).filter(type => !custom || patchTypes[type] !== 'strategic')
}

/** Applies a patch of any type to the object or, with a profile, to one of its subresources. */
export async function patchObject(
  deps: VerbDeps,
  call: Call,
  patch: Patch,
  options: WriteOptions,
  profile: UpdateProfile = mainProfile,
): Promise<Written> {
  if (patch.type === 'apply') return await applyObject(deps, call, patch, options, profile)
  return await changeObject(
    deps,
    call,
    options,
    live => {
      const draft = decodePatched(
        targetOf(call),
        patchDocument(live, patch, call.kind.schema),
        patch.value,
        patch.duplicates,
        options.fieldValidation,
        text => call.warn(text),
      )
      call.kind.strategy.defaults?.(draft)
      checkIdentity(draft, live)
      return draft
    },
    { profile, unconditional: true },
  )
}

/** The document a patch makes of another; any JSON, not yet checked against the schema. */
export function patchDocument(live: KubeObject, patch: Patch, schema: Schema): object {
  switch (patch.type) {
    case 'json': {
      if (Array.isArray(patch.value) && patch.value.length > maxOperations) {
        throw failure(
          413,
          'RequestEntityTooLarge',
          `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.value.length}`,
        )
      }
      return asObject(applyJsonPatch(live, patch.value))
    }
    case 'merge':
      return applyMergePatch(live, patch.value)
    case 'strategic':
      return strategicMergePatch(live, patch.value, schema)
    case 'apply':
      throw errors.internal('apply is no document patch')
  }
}

function asObject(value: unknown): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw errors.invalid({ group: '', kind: '' }, '', [field.invalid('patch', value, 'the result is no object')])
}

/** A patch may not turn the object into another one. */
function checkIdentity(draft: Mutable, live: KubeObject): void {
  if (draft.apiVersion !== live.apiVersion || draft.kind !== live.kind) {
    throw errors.badRequest(
      `the patch changes the type of the object from ${live.apiVersion} ${live.kind} to ${draft.apiVersion} ${draft.kind}`,
    )
  }
  const { name, namespace } = live.metadata
  if (draft.metadata.name !== name) {
    throw errors.badRequest(
      `the name of the object (${draft.metadata.name ?? ''}) does not match the name on the URL (${name})`,
    )
  }
  if ((draft.metadata.namespace ?? '') !== (namespace ?? '')) {
    throw errors.badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
}

async function applyObject(
  deps: VerbDeps,
  call: Call,
  patch: Patch,
  options: WriteOptions,
  profile: UpdateProfile,
): Promise<Written> {
  const configuration = decodeApplied(call, patch, options)
  const cache = await storeOf(deps, call.kind)
  const exists = () => cache.get(call.namespace, call.name) !== undefined
  if (profile === mainProfile && (await isMissing(cache, call))) {
    authorizeCreate(deps, call)
    const { uid } = configuration.metadata
    if (uid) {
      throw errors.conflict(
        gr(call.kind),
        call.name,
        `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
      )
    }
    try {
      const draft = finishApplied(call, applied(deps, call, options, undefined, copyOf(configuration)))
      return await createObject(deps, call, draft, options, true)
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists')) throw error
      await catchUp(cache)
      if (!exists()) throw error
    }
  }
  return await changeObject(
    deps,
    call,
    options,
    live => {
      const draft = finishApplied(call, applied(deps, call, options, live, configuration))
      checkIdentity(draft, live)
      return draft
    },
    { profile, owned: true, unconditional: true },
  )
}

/** The merged object with the defaults of what the configuration added. */
function finishApplied(call: Call, draft: Mutable): Mutable {
  call.kind.strategy.defaults?.(draft)
  return draft
}

/** What is applied must be typed: a field that the schema lacks cannot be owned, under any field validation. */
function refuseUndeclared(call: Call, target: Target, value: object): void {
  const undeclared = unknownFields(target.schema, value).map(path => `.${path}: field not declared in schema`)
  if (undeclared.length === 0) return
  const subject = `(${call.namespace}/${call.name}; ${versionOf(call)}, Kind=${call.kind.kind})`
  const text = undeclared.length === 1 ? undeclared[0] : `errors:\n  ${undeclared.join('\n  ')}`
  throw failure(500, '', `failed to create typed patch object ${subject}: ${text}`)
}

function decodeApplied(call: Call, patch: Patch, options: WriteOptions): KubeObject {
  const target = targetOf(call)
  const { value } = patch
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw errors.badRequest('error decoding YAML: the apply configuration must be an object')
  }
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown }
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || apiVersion === '' || kind === '') {
    const [group, version] = [call.kind.group, call.kind.version]
    throw errors.badRequest(
      `invalid object type: ${group === '' ? '' : `${group}/`}${version}, Kind=${String(kind ?? '')}`,
    )
  }
  if (patch.duplicates.length > 0 && options.fieldValidation !== 'Ignore') {
    const complaint = `error converting YAML to JSON: yaml: unmarshal errors:\n  ${patch.duplicates.join('\n  ')}`
    if (options.fieldValidation === 'Strict') throw errors.badRequest(`error strict decoding YAML: ${complaint}`)
    call.warn(complaint)
  }
  refuseUndeclared(call, target, value)
  const document = { value, duplicates: [], summary: '' }
  const configuration = decodeObject(target, document, 'Ignore', () => {})
  if (configuration.metadata.managedFields !== undefined && configuration.metadata.managedFields.length > 0) {
    throw errors.badRequest('metadata.managedFields must be nil')
  }
  configuration.metadata.name ??= call.name
  if (call.kind.namespaced) configuration.metadata.namespace ??= call.namespace
  return configuration
}

function targetOf(call: Call): Target {
  return call.kind
}

/** The version that names a call's fields in managedFields. */
export const versionOf = (call: Call) => apiVersionOf(call.kind)
