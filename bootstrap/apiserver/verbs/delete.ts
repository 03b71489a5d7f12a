/** delete and deletecollection: grace, finalizers, preconditions (apiserver pkg/registry/rest/delete.go, generic/registry/store.go). */
import type { FieldError, Status } from '../../api/errors.ts'
import { errors, field, ignoreNotFound } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { rfc3339 } from '../../api/time.ts'
import type { Kind, Mutable } from '../kinds/kind.ts'
import type { Stored } from '../store/store.ts'
import type { Call, VerbDeps } from './call.ts'
import { gr, hookOf, storeOf } from './call.ts'
import { copyOf } from './copy.ts'
import type { ListOptions } from './listoptions.ts'
import { hasGeneration } from './metadata.ts'
import { onNewest } from './newest.ts'
import { present, toStored } from './present.ts'
import { listObjects } from './read.ts'

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined
  readonly propagationPolicy?: string | undefined
  readonly orphanDependents?: boolean | undefined
  readonly preconditions?:
    | { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined }
    | undefined
  readonly dryRun?: readonly string[] | undefined
}

export type Deleted =
  | { readonly gone: true; readonly object: KubeObject }
  /** Waits for its grace or its finalizers. */
  | { readonly gone: false; readonly object: KubeObject; readonly stored?: Stored }

const deletesAtOnce = 32
const policies = ['Background', 'Foreground', 'Orphan']

/** Throws 422 for options that contradict each other. */
export function checkDeleteOptions(options: DeleteOptions): void {
  const problems: FieldError[] = []
  if (options.propagationPolicy !== undefined && options.orphanDependents !== undefined) {
    problems.push(
      field.invalid(
        'propagationPolicy',
        options.propagationPolicy,
        'orphanDependents and deletionPropagation cannot be both set',
      ),
    )
  }
  if (options.propagationPolicy !== undefined && !policies.includes(options.propagationPolicy)) {
    problems.push(
      field.notSupported('propagationPolicy', options.propagationPolicy, ['Foreground', 'Background', 'Orphan']),
    )
  }
  problems.push(...dryRunProblems(options.dryRun))
  if (problems.length > 0) throw errors.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', problems)
}

export function dryRunProblems(dryRun: readonly string[] | undefined): FieldError[] {
  return (dryRun ?? []).every(value => value === 'All') ? [] : [field.notSupported('dryRun', dryRun, ['All'])]
}

/** The answer for an object that is gone. */
export function deletedStatus(call: Call, object: KubeObject): Status {
  const { group, resource } = call.kind
  const { name = '', uid = '' } = object.metadata
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(group === '' ? {} : { group }), kind: resource, uid },
  }
}

/** Deletes one object, or starts to. Throws 404, and 409 when a precondition fails. */
export async function deleteObject(deps: VerbDeps, call: Call, options: DeleteOptions): Promise<Deleted> {
  const { kind } = call
  const cache = await storeOf(deps, kind)
  const dryRun = (options.dryRun ?? []).length > 0
  return await onNewest<Deleted>(cache, call, async stored => {
    if (!stored) throw errors.notFound(gr(kind), call.name)
    const live = present(kind, stored).object
    checkPreconditions(call, live, options)
    const request = {
      operation: 'DELETE' as const,
      kind,
      subresource: call.subresource,
      namespace: call.namespace,
      name: call.name,
      user: call.user,
      dryRun,
      object: undefined,
      old: live,
      options: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options },
      warn: (text: string) => call.warn(text),
    }
    await deps.admission.mutate(request)
    await deps.admission.validate(request)
    const next = markDeleted(deps, call, live, options)
    const undone = (value: Deleted) => ({ value, committed: false })
    if (next === 'unchanged') return undone({ gone: false, object: live, stored: present(kind, stored) })
    if (dryRun) return undone(next === 'gone' ? { gone: true, object: live } : { gone: false, object: next })
    if (next === 'gone') {
      const last = await cache.delete(stored.namespace, stored.name, stored.revision)
      await hookOf(deps, kind)?.after(live, undefined)
      return { value: { gone: true, object: present(kind, last).object }, committed: true }
    }
    const marked = present(kind, await cache.update(toStored(kind, next), stored.revision))
    return { value: { gone: false, object: marked.object, stored: marked }, committed: true }
  })
}

/** Deletes what the selectors match; objects that vanish meanwhile do not count. Resolves with what was found. */
export async function deleteCollection(
  deps: VerbDeps,
  call: Call,
  list: ListOptions,
  options: DeleteOptions,
): Promise<{ readonly items: readonly Stored[]; readonly revision: number }> {
  const found = await listObjects(deps, call, list)
  for (let start = 0; start < found.items.length; start += deletesAtOnce) {
    await Promise.all(found.items.slice(start, start + deletesAtOnce).map(remove))
  }
  return found

  async function remove(item: Stored): Promise<void> {
    await deleteObject(deps, { ...call, namespace: item.namespace, name: item.name }, options).catch(ignoreNotFound)
  }
}

function checkPreconditions(call: Call, live: KubeObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {}
  const { metadata } = live
  if (uid !== undefined && uid !== metadata.uid) {
    throw errors.conflict(
      gr(call.kind),
      call.name,
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    )
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw errors.conflict(
      gr(call.kind),
      call.name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    )
  }
}

/** The object marked for deletion, or what else there is to do. */
function markDeleted(
  deps: VerbDeps,
  call: Call,
  live: KubeObject,
  options: DeleteOptions,
): Mutable | 'gone' | 'unchanged' {
  const grace = graceOf(call, live, options.gracePeriodSeconds)
  if (grace === 'pending') return 'unchanged'
  const finalizers = wantedFinalizers(call, live, options)
  const waits = finalizers.length > 0 || holdsContent(call.kind, live)
  if (!waits && grace === 0) return 'gone'
  const draft = copyOf(live)
  const { metadata } = draft
  const before = live.metadata
  if (finalizers.length > 0 || before.finalizers) metadata.finalizers = [...finalizers]
  const first = before.deletionTimestamp === undefined
  const shortened = grace < (before.deletionGracePeriodSeconds ?? 0)
  if (first || shortened) {
    const start = first
      ? deps.clock.now()
      : Date.parse(before.deletionTimestamp!) - (before.deletionGracePeriodSeconds ?? 0) * 1000
    metadata.deletionTimestamp = rfc3339(start + grace * 1000)
    metadata.deletionGracePeriodSeconds = grace
  }
  if (first && hasGeneration(call.kind) && (before.generation ?? 0) > 0) metadata.generation = before.generation! + 1
  if (holdsContent(call.kind, live)) draft.status = { ...(draft.status as object), phase: 'Terminating' }
  const changed = first || shortened || !sameSet(finalizers, before.finalizers ?? [])
  return changed ? draft : 'unchanged'
}

/** A namespace stays until its spec.finalizers are gone, which is when it is empty. */
export function holdsContent(kind: Kind, object: KubeObject): boolean {
  if (kind.group !== '' || kind.resource !== 'namespaces') return false
  return ((object.spec as { finalizers?: readonly string[] } | undefined)?.finalizers ?? []).length > 0
}

/** Seconds of grace from now on; "pending" when a deletion is under way that this request does not shorten. */
function graceOf(call: Call, live: KubeObject, asked: number | undefined): number | 'pending' {
  const { gracefulDelete } = call.kind.strategy
  if (!gracefulDelete) return 0
  const { deletionTimestamp, deletionGracePeriodSeconds: current } = live.metadata
  const wanted = asked !== undefined && asked < 0 ? 1 : asked
  if (deletionTimestamp === undefined) return gracefulDelete.seconds(live, wanted)
  if (current === undefined || current === 0) return 0
  return wanted !== undefined && wanted < current ? wanted : 'pending'
}

/** Finalizers as the propagation policy wants them; an explicit policy replaces what an earlier request asked for. */
function wantedFinalizers(call: Call, live: KubeObject, options: DeleteOptions): readonly string[] {
  const present = live.metadata.finalizers ?? []
  const policy = policyOf(call, present, options)
  const rest = present.filter(name => name !== 'orphan' && name !== 'foregroundDeletion')
  if (policy === 'Orphan') return [...rest, 'orphan']
  return policy === 'Foreground' ? [...rest, 'foregroundDeletion'] : rest
}

function policyOf(call: Call, present: readonly string[], options: DeleteOptions): string {
  if (options.propagationPolicy !== undefined) return options.propagationPolicy
  if (options.orphanDependents !== undefined) return options.orphanDependents ? 'Orphan' : 'Background'
  if (present.includes('orphan')) return 'Orphan'
  if (present.includes('foregroundDeletion')) return 'Foreground'
  return call.kind.strategy.defaultPropagation ?? 'Background'
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every(item => b.includes(item))
}
