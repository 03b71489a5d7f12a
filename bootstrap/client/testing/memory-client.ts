/**
 * A small, honest stand-in for the API server in unit tests: versions, conflicts, finalizers, graceful deletion, status
 * isolation and watches behave as upstream's; there is no validation, defaulting or admission.
 */

import { errors } from '../../api/errors.ts'
import { type Draft, draftOf, type KubeObject, keyOf } from '../../api/object.ts'
import { parseLabelSelector } from '../../api/selectors.ts'
import type {
  Client,
  DeleteOptions,
  ListOptions,
  ListResult,
  Name,
  PatchOptions,
  Resource,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../client.ts'
import * as builtIn from '../resources.ts'
import { sameJson } from '../same.ts'
import { discovery } from './memory-discovery.ts'
import { patched } from './memory-patch.ts'
import { MemoryStore, pathOf } from './memory-store.ts'

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'

export interface Call {
  readonly verb: Verb
  readonly resource: string
  readonly name: string
  readonly subresource: string
}

const builtInResources = Object.values(builtIn).filter((value): value is Resource => typeof value === 'object')

export class MemoryClient implements Client {
  readonly store = new MemoryStore()
  /** Every write so far. */
  readonly calls: Call[] = []
  /** What discovery lists. */
  readonly resources: Resource[]
  /** Called before each request; what it throws is the answer. */
  before: (call: Call) => void = () => {}
  readonly #now: () => number
  readonly #whole: ReadonlySet<string>
  #uids = 0
  #names = 0

  /** `whole`: custom resources without a status subresource, whose status is written with all else. */
  constructor(options: { now?: () => number; resources?: readonly Resource[]; whole?: readonly Resource[] } = {}) {
    this.#now = options.now ?? (() => 0)
    this.#whole = new Set((options.whole ?? []).map(({ resource }) => resource))
    this.resources = [...(options.resources ?? builtInResources)]
  }

  async get<T extends KubeObject>(resource: Resource<T>, name: Name): Promise<T> {
    this.#called('get', resource, name.name)
    return this.#existing(resource, name)
  }

  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    this.#called('list', resource, '')
    const all = [...this.store.table(pathOf(resource as Resource)).values()].filter(matcher(options)) as unknown as T[]
    const start = Number(options.continue ?? 0)
    const end = options.limit === undefined ? all.length : start + options.limit
    return {
      items: all.slice(start, end),
      resourceVersion: String(this.store.revision),
      continue: end < all.length ? String(end) : undefined,
    }
  }

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>> {
    this.#called('watch', resource, '')
    const path = pathOf(resource as Resource)
    const matches = matcher(options)
    let from = Number(options.resourceVersion ?? 0)
    if (from === 0) {
      from = this.store.revision
      for (const object of [...this.store.table(path).values()].filter(matches))
        yield { type: 'ADDED', object: object as unknown as T }
    }
    yield* this.store.watch(path, from, matches, signal) as unknown as AsyncIterable<WatchEvent<T>>
  }

  async create<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions & { subresource?: string; name?: string } = {},
  ): Promise<T> {
    const { subresource = '' } = options
    this.#called('create', resource, options.name ?? object.metadata.name ?? '', subresource)
    if (subresource !== '') return this.#createSubresource(resource, object, subresource, options.name)
    const made = draftOf(object) as Draft<KubeObject>
    if (!this.#whole.has(resource.resource)) delete made.status
    return this.#insert(resource, made)
  }

  /** Stores the object with its status, the way it would be after its controllers ran. */
  seed<T extends KubeObject>(resource: Resource<T>, object: T): T {
    return this.#insert(resource, draftOf(object) as Draft<KubeObject>)
  }

  async update<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions & { subresource?: string } = {},
  ): Promise<T> {
    const { subresource = '' } = options
    const name = object.metadata.name ?? ''
    this.#called('update', resource, name, subresource)
    const old = this.#existing(resource, { name, namespace: object.metadata.namespace })
    return this.#replace(resource, old, draftOf(object) as Draft<KubeObject>, subresource)
  }

  async patch<T extends KubeObject>(
    resource: Resource<T>,
    name: Name,
    patch: unknown,
    options: PatchOptions,
  ): Promise<T> {
    const { type, subresource = '' } = options
    this.#called('patch', resource, name.name, subresource)
    const key = keyOf({ metadata: name })
    if (type === 'apply' && subresource === '' && !this.store.table(pathOf(resource as Resource)).has(key)) {
      const body = patch as KubeObject
      return this.#insert(resource, draftOf({ ...body, metadata: { ...body.metadata, ...name } }) as Draft<KubeObject>)
    }
    const old = this.#existing(resource, name)
    const next = patched(old, patch, type) as Draft<KubeObject>
    return this.#replace(resource, old, next, subresource)
  }

  async delete(resource: Resource, name: Name, options: DeleteOptions = {}): Promise<void> {
    this.#called('delete', resource, name.name)
    const old = this.#existing(resource, name)
    const { uid, resourceVersion } = options.preconditions ?? {}
    if (uid !== undefined && uid !== old.metadata.uid)
      throw errors.conflict(
        resource,
        name.name,
        `the UID in the precondition (${uid}) does not match the UID in record (${old.metadata.uid}). The object might have been deleted and then recreated`,
      )
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      throw errors.stale(resource, name.name)
    this.#markDeleted(resource, old, options)
  }

  async deleteCollection(resource: Resource, selector: ListOptions, options: DeleteOptions = {}): Promise<void> {
    this.#called('delete', resource, '')
    const matches = matcher(selector)
    for (const object of [...this.store.table(pathOf(resource)).values()].filter(matches))
      this.#markDeleted(resource, object, options)
  }

  async raw(method: string, path: string): Promise<unknown> {
    if (method !== 'GET') throw errors.unknownPath()
    return discovery(this.resources, path)
  }

  as(): Client {
    return this
  }

  #called(verb: Verb, resource: { resource: string }, name: string, subresource = ''): void {
    const call: Call = { verb, resource: resource.resource, name, subresource }
    if (verb !== 'get' && verb !== 'list' && verb !== 'watch') this.calls.push(call)
    this.before(call)
  }

  #existing<T extends KubeObject>(resource: Resource<T>, name: Name): T {
    const found = this.store.table(pathOf(resource as Resource)).get(keyOf({ metadata: name }))
    if (!found) throw errors.notFound(resource, name.name)
    return found as unknown as T
  }

  #insert<T extends KubeObject>(resource: Resource<T>, made: Draft<KubeObject>): T {
    const path = pathOf(resource as Resource)
    const { metadata } = made
    if (metadata.name === undefined && metadata.generateName !== undefined)
      metadata.name = `${metadata.generateName}${(++this.#names).toString(36).padStart(5, 'x')}`
    if (this.store.table(path).has(keyOf(made))) throw errors.alreadyExists(resource, metadata.name ?? '')
    metadata.uid ??= `uid-${++this.#uids}`
    metadata.creationTimestamp ??= seconds(this.#now())
    metadata.generation ??= 1
    made.kind = resource.kind
    if (resource.resource === 'namespaces') made.spec ??= { finalizers: ['kubernetes'] }
    return this.store.put(path, made) as unknown as T
  }

  #replace<T extends KubeObject>(resource: Resource<T>, old: T, next: Draft<KubeObject>, subresource: string): T {
    const name = old.metadata.name ?? ''
    const { uid, resourceVersion } = next.metadata
    if (uid !== undefined && uid !== old.metadata.uid)
      throw errors.conflict(
        resource,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
      )
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      throw errors.stale(resource, name)
    const result = settle(old, next, this.#whole.has(resource.resource) ? 'whole' : subresource)
    const path = pathOf(resource as Resource)
    if (sameJson(result, old)) return old
    if (mayGo(result)) return this.store.remove(path, result) as unknown as T
    return this.store.put(path, result) as unknown as T
  }

  #markDeleted(resource: Resource, old: KubeObject, options: DeleteOptions): void {
    const next = draftOf(old)
    const kept = (next.metadata.finalizers ?? []).filter(name => name !== 'orphan' && name !== 'foregroundDeletion')
    const policy = options.propagationPolicy
    if (policy === 'Orphan') next.metadata.finalizers = [...kept, 'orphan']
    else if (policy === 'Foreground') next.metadata.finalizers = [...kept, 'foregroundDeletion']
    else if (policy === 'Background') next.metadata.finalizers = kept
    if (next.metadata.finalizers?.length === 0) delete next.metadata.finalizers
    const grace = graceOf(resource, old, options)
    next.metadata.deletionTimestamp ??= seconds(this.#now() + grace * 1000)
    next.metadata.deletionGracePeriodSeconds = grace
    if (resource.resource === 'namespaces') next.status = { ...(next.status as object), phase: 'Terminating' }
    if (sameJson(next, old)) return
    if (mayGo(next)) this.store.remove(pathOf(resource), next)
    else this.store.put(pathOf(resource), next)
  }

  #createSubresource<T extends KubeObject>(resource: Resource<T>, body: T, subresource: string, name?: string): T {
    const at = { name: name ?? body.metadata.name ?? '', namespace: body.metadata.namespace }
    const target = this.#existing(resource, at) as KubeObject
    if (subresource === 'eviction') {
      this.#markDeleted(resource as Resource, target, (body.deleteOptions as DeleteOptions | undefined) ?? {})
      return body
    }
    if (subresource === 'binding') {
      const nodeName = (body.target as { name: string }).name
      const next = { ...draftOf(target), spec: { ...(target.spec as object), nodeName } } as Draft<KubeObject>
      this.#replace(resource, target as T, next, '')
      return body
    }
    if (subresource === 'token')
      return {
        ...body,
        status: { token: `token-of-${at.name}`, expirationTimestamp: seconds(this.#now() + 3_600_000) },
      }
    throw errors.unknownPath()
  }
}

/** What an update stores: the main resource leaves the status alone, `status` everything but that and the metadata. */
function settle(old: KubeObject, next: Draft<KubeObject>, subresource: string): KubeObject {
  const metadata = {
    ...next.metadata,
    uid: old.metadata.uid,
    creationTimestamp: old.metadata.creationTimestamp,
    resourceVersion: old.metadata.resourceVersion,
    generation: old.metadata.generation,
    ...(old.metadata.deletionTimestamp === undefined ? {} : { deletionTimestamp: old.metadata.deletionTimestamp }),
  }
  if (subresource === 'status') return { ...old, metadata, status: next.status } as KubeObject
  const { status, ...rest } = next
  const [owner, value] = subresource === 'whole' ? [next, status] : [old, old.status]
  const kept = 'status' in owner ? { status: value } : {}
  const result = { ...rest, metadata, ...kept } as KubeObject
  if (sameJson(result.spec, old.spec)) return result
  return { ...result, metadata: { ...metadata, generation: (old.metadata.generation ?? 0) + 1 } }
}

function mayGo(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata
  if (deletionTimestamp === undefined || finalizers.length > 0 || deletionGracePeriodSeconds > 0) return false
  return object.kind !== 'Namespace' || ((object.spec as { finalizers?: string[] }).finalizers ?? []).length === 0
}

function graceOf(resource: { resource: string }, object: KubeObject, options: DeleteOptions): number {
  if (resource.resource !== 'pods') return 0
  const spec = object.spec as { nodeName?: string; terminationGracePeriodSeconds?: number } | undefined
  const phase = (object.status as { phase?: string } | undefined)?.phase
  if (!spec?.nodeName || phase === 'Succeeded' || phase === 'Failed') return 0
  const asked = options.gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30
  return Math.min(asked, object.metadata.deletionGracePeriodSeconds ?? asked)
}

function matcher(options: ListOptions | WatchOptions): (object: KubeObject) => boolean {
  const labels = parseLabelSelector(options.labelSelector ?? '')
  const fields = (options.fieldSelector ?? '').split(',').filter(Boolean)
  return object =>
    (options.namespace === undefined || options.namespace === object.metadata.namespace) &&
    labels.matches(object.metadata.labels) &&
    fields.every(term => {
      const [path = '', not = '', value = ''] = term.split(/(!?)==?/)
      return (fieldOf(object, path) === value) === (not === '')
    })
}

function fieldOf(object: KubeObject, path: string): string {
  let value: unknown = object
  for (const step of path.split('.')) value = (value as { [key: string]: unknown } | undefined)?.[step]
  return value === undefined ? '' : String(value)
}

const seconds = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
