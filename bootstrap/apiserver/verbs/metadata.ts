/** What the server itself writes into metadata (upstream: apiserver pkg/registry/rest/{meta,create,update}.go). */
import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { rfc3339 } from '../../api/time.ts'
import { same } from '../kinds/common/defaulting.ts'
import type { MetadataRules } from '../kinds/common/metadata.ts'
import { collapseOwners } from '../kinds/common/metadata.ts'
import type { Kind, Mutable } from '../kinds/kind.ts'
import type { Call, VerbDeps } from './call.ts'
import { gr, hasSubresource } from './call.ts'

/** Groups whose objects upstream checks with the rules of any API, not with those of its own. */
const genericGroups = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io'])

/** What holds for the metadata of a kind, its name apart. */
export function metadataRules(kind: Kind): MetadataRules {
  return { namespaced: kind.namespaced, anyFinalizer: kind.custom || genericGroups.has(kind.group) }
}

const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789'
const maxGeneratedBase = 58

/** `base` and five random characters. */
export function generateName(base: string, random: () => number): string {
  let suffix = ''
  for (let i = 0; i < 5; i++) suffix += nameAlphabet[Math.floor(random() * nameAlphabet.length)]
  return base.slice(0, maxGeneratedBase) + suffix
}

/** Throws 400 unless name and namespace of the body agree with the URL; fills what the body leaves out. */
export function matchRequest(call: Call, draft: Mutable): void {
  const { metadata } = draft
  if (!call.kind.namespaced) delete metadata.namespace
  else if (!metadata.namespace) metadata.namespace = call.namespace
  else if (metadata.namespace !== call.namespace) {
    throw errors.badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  if (call.name === '') return
  if (!metadata.name) metadata.name = call.name
  else if (metadata.name !== call.name) {
    throw errors.badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${call.name})`,
    )
  }
}

/** System fields of a new object. */
export function stampNew(deps: VerbDeps, call: Call, draft: Mutable): void {
  const { metadata } = draft
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete (metadata as { selfLink?: unknown }).selfLink
  delete metadata.resourceVersion
  metadata.creationTimestamp = rfc3339(deps.clock.now())
  metadata.uid = deps.uid()
  if (hasGeneration(call.kind)) metadata.generation = 1
  else delete metadata.generation
  if (metadata.generateName && !metadata.name) metadata.name = generateName(metadata.generateName, deps.random)
  dedupOwners(call, draft)
}

/** Puts back what an update may not change. Throws 409 when the body means another object of the same name. */
export function restoreSystem(call: Call, draft: Mutable, live: KubeObject): void {
  const { metadata } = draft
  const old = live.metadata
  if (metadata.uid && metadata.uid !== old.uid) {
    throw errors.conflict(
      gr(call.kind),
      call.name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.uid}`,
    )
  }
  metadata.uid = old.uid
  metadata.creationTimestamp = old.creationTimestamp
  metadata.resourceVersion = old.resourceVersion
  restore(metadata, 'generation', old.generation)
  restore(metadata, 'deletionTimestamp', old.deletionTimestamp)
  restore(metadata, 'deletionGracePeriodSeconds', old.deletionGracePeriodSeconds)
  if (old.generateName !== undefined && metadata.generateName === undefined) metadata.generateName = old.generateName
  delete (metadata as { selfLink?: unknown }).selfLink
  dedupOwners(call, draft)
}

function restore<K extends 'generation' | 'deletionTimestamp' | 'deletionGracePeriodSeconds'>(
  metadata: Mutable['metadata'],
  field: K,
  value: Mutable['metadata'][K],
): void {
  if (value === undefined) delete metadata[field]
  else metadata[field] = value
}

function dedupOwners(call: Call, draft: Mutable): void {
  const warning = collapseOwners(draft.metadata)
  if (warning !== undefined) call.warn(warning)
}

/** Custom objects always have a generation, built-in ones where their kind says so. */
export function hasGeneration(kind: Kind): boolean {
  if (kind.custom) return true
  return kind.strategy.hasGeneration === true
}

/** Counts a change of the desired state. */
export function bumpGeneration(kind: Kind, draft: Mutable, live: KubeObject): void {
  if (!hasGeneration(kind) || !desiredStateDiffers(kind, draft, live)) return
  draft.metadata.generation = (live.metadata.generation ?? 0) + 1
}

function desiredStateDiffers(kind: Kind, draft: KubeObject, live: KubeObject): boolean {
  if (kind.strategy.bumpsGeneration) return kind.strategy.bumpsGeneration(draft, live)
  if (!kind.custom) return !same(draft.spec, live.spec)
  const ignored = new Set(['apiVersion', 'kind', 'metadata', ...(hasSubresource(kind, 'status') ? ['status'] : [])])
  const fields = new Set([...Object.keys(draft), ...Object.keys(live)])
  return [...fields].some(field => !ignored.has(field) && !same(draft[field], live[field]))
}

/** Whether nothing but managedFields' times would be written. */
export function isNoop(draft: KubeObject, live: KubeObject): boolean {
  const { metadata: a, ...newRest } = draft
  const { metadata: b, ...oldRest } = live
  if (!same({ ...a, managedFields: undefined }, { ...b, managedFields: undefined })) return false
  if (!same(newRest, oldRest)) return false
  const timeless = (entries: typeof a.managedFields) => entries?.map(entry => ({ ...entry, time: undefined }))
  return same(timeless(a.managedFields), timeless(b.managedFields))
}
