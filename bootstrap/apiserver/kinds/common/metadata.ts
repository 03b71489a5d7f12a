/** Validation of metadata, the same for every kind (apimachinery pkg/api/validation, pkg/apis/meta/v1/validation). */
import type { FieldError } from '../../../api/errors.ts'
import { field } from '../../../api/errors.ts'
import { labelValueErrors, qualifiedNameErrors } from '../../../api/labels.ts'
import type { KubeObject, Metadata, OwnerReference } from '../../../api/object.ts'
import type { Errors } from './build.ts'
import { same } from './defaulting.ts'
import type { NameCheck } from './names.ts'
import { dnsLabel, dnsSubdomain } from './names.ts'

const maxAnnotationBytes = 256 * 1024
const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion'])

type Strings = { readonly [key: string]: string }

export interface MetadataRules {
  readonly namespaced: boolean
  /** The kind's name check; DNS-1123 subdomain when absent. */
  readonly validateName?: ((name: string) => readonly string[]) | undefined
  /** Finalizers may have any name; true for definitions, aggregated services and custom objects. */
  readonly anyFinalizer?: boolean
}

/** Checks the metadata of an object about to be created or updated. Names the fields "metadata...." */
export function validateObjectMeta(object: KubeObject, rules: MetadataRules): FieldError[] {
  return [...metaErrors(object.metadata ?? {}, 'metadata', rules)]
}

function* metaErrors(meta: Metadata, path: string, rules: MetadataRules): Errors {
  const validateName = rules.validateName ?? dnsSubdomain
  if (meta.generateName) {
    for (const text of validateName(maskTrailingDash(meta.generateName))) {
      yield field.invalid(`${path}.generateName`, meta.generateName, text)
    }
  }
  if (!meta.name) yield field.required(`${path}.name`, 'name or generateName is required')
  else yield* textErrors(validateName, meta.name, `${path}.name`)
  if (!rules.namespaced) {
    if (meta.namespace) yield field.forbidden(`${path}.namespace`, 'not allowed on this type')
  } else if (!meta.namespace) yield field.required(`${path}.namespace`)
  else yield* textErrors(dnsLabel, meta.namespace, `${path}.namespace`)
  yield* nonNegative(meta.generation, `${path}.generation`)
  yield* labelErrors(meta.labels, `${path}.labels`)
  yield* annotationErrors(meta.annotations, `${path}.annotations`)
  yield* ownerErrors(meta.ownerReferences, `${path}.ownerReferences`)
  yield* finalizerErrors(meta.finalizers, `${path}.finalizers`, rules.anyFinalizer ?? false)
  yield* managedFieldsErrors(meta.managedFields, `${path}.managedFields`)
}

/** Checks what an update may not do to metadata. `old` is the stored object. */
export function validateObjectMetaUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  return [...metaUpdateErrors(object.metadata ?? {}, old.metadata ?? {})]
}

function* metaUpdateErrors(meta: Metadata, old: Metadata): Errors {
  if (old.deletionTimestamp) {
    const known = new Set(old.finalizers)
    const added = [...new Set(meta.finalizers)].filter(name => !known.has(name)).sort()
    if (added.length > 0) {
      const list = added.map(name => JSON.stringify(name)).join(', ')
      yield field.forbidden(
        'metadata.finalizers',
        `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
      )
    }
  }
  if (!meta.resourceVersion) yield field.invalid('metadata.resourceVersion', '', 'must be specified for an update')
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    yield field.invalid('metadata.generation', meta.generation ?? 0, 'must not be decremented')
  }
  for (const name of immutableMetadata) {
    if (!same(meta[name], old[name])) yield field.immutable(`metadata.${name}`, meta[name])
  }
}

const immutableMetadata = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const

/** A generated name ends with random characters, so a final dash is fine in its base. */
function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name
}

/** One Invalid error per explanation of the check. */
export function* textErrors(
  check: NameCheck | ((value: string) => readonly string[]),
  value: string,
  path: string,
): Errors {
  for (const text of check(value)) yield field.invalid(path, value, text)
}

/** "must be greater than or equal to 0" unless absent. */
export function* nonNegative(value: number | undefined | null, path: string): Errors {
  if (value !== undefined && value !== null && value < 0) {
    yield field.invalid(path, value, 'must be greater than or equal to 0')
  }
}

/** Checks label keys and values. */
export function* labelErrors(labels: Strings | undefined, path: string): Errors {
  for (const [key, value] of Object.entries(labels ?? {})) {
    yield* textErrors(qualifiedNameErrors, key, path)
    yield* textErrors(labelValueErrors, value, path)
  }
}

/** Checks annotation keys and the total size. */
export function* annotationErrors(annotations: Strings | undefined, path: string): Errors {
  let bytes = 0
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const text of qualifiedNameErrors(key.toLowerCase())) yield field.invalid(path, key, text)
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (bytes > maxAnnotationBytes) yield field.tooLong(path, maxAnnotationBytes)
}

function* ownerErrors(owners: readonly OwnerReference[] | undefined, path: string): Errors {
  let controller = ''
  for (const owner of owners ?? []) {
    if (!owner.apiVersion || owner.apiVersion.endsWith('/')) {
      yield field.invalid(`${path}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty')
    }
    for (const name of ['kind', 'name', 'uid'] as const) {
      if (!owner[name]) yield field.invalid(`${path}.${name}`, owner[name] ?? '', 'must not be empty')
    }
    if (owner.kind === 'Event' && owner.apiVersion === 'v1') {
      yield field.invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner')
    }
    if (!owner.controller) continue
    const current = `${owner.kind}/${owner.name}`
    if (controller !== '') {
      yield field.invalid(
        path,
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${current}`,
      )
    } else controller = current
  }
}

function* finalizerErrors(finalizers: readonly string[] | undefined, path: string, anyName: boolean): Errors {
  for (const [index, name] of (finalizers ?? []).entries()) {
    yield* textErrors(qualifiedNameErrors, name, path)
    if (!anyName && !name.includes('/') && !standardFinalizers.has(name)) {
      const text = 'name is neither a standard finalizer name nor is it fully qualified'
      yield field.invalid(`${path}[${index}]`, name, text)
    }
  }
  if (finalizers?.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    yield field.invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set')
  }
}

function* managedFieldsErrors(entries: Metadata['managedFields'], path: string): Errors {
  for (const [index, entry] of (entries ?? []).entries()) {
    const at = `${path}[${index}]`
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      yield field.invalid(`${at}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`')
    }
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1') {
      yield field.invalid(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`')
    }
    if ((entry.manager?.length ?? 0) > 128) yield field.tooLong(`${at}.manager`, 128)
    if ((entry.subresource?.length ?? 0) > 256) yield field.tooLong(`${at}.subresource`, 256)
  }
}

/** Collapses repeated owner references in place. Returns the warning to send, if any were dropped. */
export function collapseOwners(metadata: { ownerReferences?: OwnerReference[] | undefined }): string | undefined {
  const owners = metadata.ownerReferences
  if (!owners || owners.length < 2) return undefined
  const repeated = new Set<string>()
  const kept: OwnerReference[] = []
  for (const owner of owners) {
    if (kept.some(other => same(other, owner))) repeated.add(owner.uid)
    else kept.push(owner)
  }
  if (repeated.size === 0) return undefined
  metadata.ownerReferences = kept
  return `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${[...repeated].join(', ')}`
}
