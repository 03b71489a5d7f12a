/** Subresources that are objects of their own (Scale, Binding, Eviction, TokenRequest), whatever the transport. */

import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Kind, Mutable } from '../kinds/kind.ts'
import type { ApiServerDeps } from '../server.ts'
import type { Call, VerbDeps, WriteOptions } from '../verbs/call.ts'
import { gr, storeOf } from '../verbs/call.ts'
import { copyOf } from '../verbs/copy.ts'
import { onNewest } from '../verbs/newest.ts'
import type { Patch } from '../verbs/patch.ts'
import { present, toStored } from '../verbs/present.ts'

export interface SubresourceContext {
  readonly deps: ApiServerDeps
  readonly verbs: VerbDeps
  /** Of the parent: its kind, namespace and name. */
  readonly call: Call
  /** The subresource's own type. */
  readonly kind: Kind
}

export interface Answer {
  readonly status: 200 | 201
  /** Complete with apiVersion and kind. */
  readonly object: object
}

export interface ObjectSubresource {
  get?(context: SubresourceContext): Promise<object>
  create?(context: SubresourceContext, body: Mutable, options: WriteOptions): Promise<Answer>
  update?(context: SubresourceContext, body: Mutable, options: WriteOptions): Promise<Answer>
  patch?(context: SubresourceContext, patch: Patch, options: WriteOptions): Promise<Answer>
}

/** What bindings and evictions answer. */
export const success: Answer = {
  status: 201,
  object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
}

/** Runs admission for the creation of a subresource object. */
export async function admit(
  { verbs, call }: SubresourceContext,
  object: Mutable,
  options: WriteOptions,
): Promise<void> {
  const request = {
    operation: 'CREATE' as const,
    kind: call.kind,
    subresource: call.subresource,
    namespace: call.namespace,
    name: call.name,
    user: call.user,
    dryRun: options.dryRun,
    object,
    old: undefined,
    options: {},
    warn: (text: string) => call.warn(text),
  }
  await verbs.admission.mutate(request)
  await verbs.admission.validate(request)
}

/**
 * Changes the stored object of the call past its strategy, as the server itself does. `change` may throw to refuse; it starts over when
 * another write comes between. Throws 404.
 */
export async function rawUpdate(
  verbs: VerbDeps,
  call: Call,
  change: (draft: Mutable) => void,
  dryRun: boolean,
): Promise<KubeObject> {
  const { kind } = call
  const cache = await storeOf(verbs, kind)
  return await onNewest(cache, call, async stored => {
    if (!stored) throw errors.notFound(gr(kind), call.name)
    const draft = copyOf(present(kind, stored).object)
    change(draft)
    if (dryRun) return { value: draft, committed: false }
    const written = await cache.update(toStored(kind, draft), stored.revision)
    return { value: present(kind, written).object, committed: true }
  })
}
