/** What every verb works with: the server's parts, and one call to one resource. */

import type { FieldError } from '../../api/errors.ts'
import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { ConflictError } from '../../datastore/datastore.ts'
import type { AdmissionRequest } from '../admission/plugin.ts'
import { type Authorizer, attributesOf } from '../auth/authorizer.ts'
import type { UserInfo } from '../auth/user.ts'
import { forbidden } from '../http/authorize.ts'
import type { Clock, Kind, Mutable, WriteContext } from '../kinds/kind.ts'
import type { KindRegistry } from '../schema/registry.ts'
import type { ResourceStore, Store, Stored } from '../store/store.ts'

export interface AdmissionChain {
  mutate(request: AdmissionRequest): Promise<void> | void
  validate(request: AdmissionRequest): Promise<void> | void
}

type Undo = () => void | Promise<void>

/** Side effects tied to the writes of one resource, such as the IP addresses and ports of Services. */
export interface WriteHook {
  /** Fills allocated values into the draft before it is prepared and validated. Returns what undoes it. */
  before(draft: Mutable, old: KubeObject | undefined, dryRun: boolean): Undo | Promise<Undo>
  /** The write is durable. `now` is absent after a delete. */
  after(old: KubeObject | undefined, now: KubeObject | undefined): void | Promise<void>
}

export interface VerbDeps {
  readonly store: Store
  readonly registry: KindRegistry
  readonly admission: AdmissionChain
  readonly authorizer: Authorizer
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly uid: () => string
  /** By "group/resource" of the storage, e.g. "/services". */
  readonly hooks: ReadonlyMap<string, WriteHook>
}

export interface Call {
  readonly kind: Kind
  readonly namespace: string
  /** Empty for collections. */
  readonly name: string
  readonly subresource: string
  readonly user: UserInfo
  readonly userAgent: string
  readonly signal: AbortSignal
  warn(text: string): void
}

export interface WriteOptions {
  readonly dryRun: boolean
  /** Empty: derived from the user agent. */
  readonly fieldManager: string
  readonly force: boolean
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore'
}

export const plainWrite: WriteOptions = { dryRun: false, fieldManager: '', force: false, fieldValidation: 'Ignore' }

/** The outcome of a write; `stored` is absent for dry runs. */
export interface Written {
  readonly status: 200 | 201 | 202
  readonly object: KubeObject
  readonly stored?: Stored
}

export const gr = (kind: Kind) => ({ group: kind.group, resource: kind.resource })

export function invalid(kind: Kind, name: string, list: readonly FieldError[]): Error {
  return errors.invalid({ group: kind.group, kind: kind.kind }, name, list)
}

export function storeOf(deps: VerbDeps, kind: Kind): Promise<ResourceStore> | ResourceStore {
  const { group, resource } = kind.storage
  return deps.store.loaded(group, resource) ?? deps.store.resource(group, resource, kind.namespaced)
}

export function hookOf(deps: VerbDeps, kind: Kind): WriteHook | undefined {
  return deps.hooks.get(`${kind.storage.group}/${kind.storage.resource}`)
}

export function writeContext(deps: VerbDeps, call: Call, dryRun: boolean): WriteContext {
  return { user: call.user, clock: deps.clock, namespace: call.namespace, dryRun, warn: text => call.warn(text) }
}

/** Updates and applies that create an object need the right to create it too. Throws 403. */
export function authorizeCreate(deps: VerbDeps, call: Call): void {
  const { group, version, resource } = call.kind
  const { namespace, name } = call
  const attributes = attributesOf(call.user, 'create', { group, version, resource, namespace, name })
  const { allowed, reason } = deps.authorizer.authorize(attributes)
  if (!allowed) throw forbidden(attributes, reason)
}

/** Who owns the fields of this write: the manager named, or the user agent up to its first slash. */
export function managerOf(call: Call, options: WriteOptions): string {
  if (options.fieldManager !== '') return options.fieldManager
  const agent = call.userAgent.split('/')[0]!
  return agent.replace(/[^\x20-\x7e]/g, '').slice(0, 128) || 'unknown'
}

export function hasSubresource(kind: Kind, name: string): boolean {
  return kind.subresources.some(subresource => subresource.name === name)
}

export function isConflictError(error: unknown): error is ConflictError {
  return error instanceof Error && error.name === 'ConflictError'
}
