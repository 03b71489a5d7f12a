/** The client interface inside the server's own process: no sockets, no serialisation, the same checks. */
import type { Status } from '../api/errors.ts'
import { errors, StatusError } from '../api/errors.ts'
import type { KubeObject } from '../api/object.ts'
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
} from '../client/client.ts'
import { attributesOf } from './auth/authorizer.ts'
import type { UserInfo } from './auth/user.ts'
import { forbidden } from './http/authorize.ts'
import { handlerClient } from './inprocess-handler.ts'
import type { Kind } from './kinds/kind.ts'
import type { ApiServer } from './server.ts'
import type { SubresourceContext } from './subresources/object.ts'
import { partProfiles } from './subresources/parts.ts'
import { objectSubresources, subresourceKind } from './subresources/subresources.ts'
import type { Call, WriteOptions as VerbOptions } from './verbs/call.ts'
import { plainWrite } from './verbs/call.ts'
import { copyOf } from './verbs/copy.ts'
import { createObject } from './verbs/create.ts'
import { decodeObject, type Target } from './verbs/decode.ts'
import { deleteCollection, deleteObject } from './verbs/delete.ts'
import { checkListOptions, everything } from './verbs/listoptions.ts'
import { patchObject } from './verbs/patch.ts'
import { getObject, listObjects } from './verbs/read.ts'
import { updateObject } from './verbs/update.ts'
import { watchObjects } from './verbs/watch.ts'

const never = new AbortController().signal

/** A client acting as `user`. Objects it returns are the server's own: shared and read-only. */
export function inProcessClient(server: ApiServer, user: UserInfo): Client {
  return new InProcessClient(server, user)
}

class InProcessClient implements Client {
  readonly #server: ApiServer
  readonly #user: UserInfo
  readonly #agent: string

  constructor(server: ApiServer, user: UserInfo) {
    this.#server = server
    this.#user = user
    this.#agent = user.name.split(':').at(-1) ?? 'skiff'
  }

  async get<T extends KubeObject>(resource: Resource<T>, name: Name): Promise<T> {
    const other = this.#elsewhere(resource)
    if (other) return await other.get(resource, name)
    const call = this.#call(resource, 'get', name)
    return (await getObject(this.#server.verbs, call)).object as T
  }

  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    const other = this.#elsewhere(resource)
    if (other) return await other.list(resource, options)
    const call = this.#call(resource, 'list', collectionOf(options))
    const all = { ...everything, ...options }
    checkListOptions(all, false)
    const page = await listObjects(this.#server.verbs, call, all)
    return {
      items: page.items.map(item => item.object as T),
      resourceVersion: String(page.revision),
      continue: page.continue === '' ? undefined : page.continue,
    }
  }

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>> {
    const other = this.#elsewhere(resource)
    if (other) return yield* other.watch(resource, options, signal)
    const call = this.#call(resource, 'watch', collectionOf(options), '', signal)
    const all = { ...everything, ...options, allowWatchBookmarks: true }
    for await (const batch of await watchObjects(this.#server.verbs, call, all)) {
      for (const event of batch) {
        if (event.type === 'BOOKMARK') yield { type: 'BOOKMARK', resourceVersion: String(event.revision) }
        else yield { type: event.type, object: event.stored.object as T }
      }
    }
  }

  async create<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions & { subresource?: string; name?: string } = {},
  ): Promise<T> {
    const other = this.#elsewhere(resource)
    if (other) return await other.create(resource, object, options)
    const { subresource = '' } = options
    const { namespace } = object.metadata
    const name = subresource === '' ? '' : (options.name ?? object.metadata.name ?? '')
    const call = this.#call(resource, 'create', { name, namespace }, subresource)
    const write = writeOf(options)
    if (subresource !== '') {
      const handler = objectSubresources[subresource]
      if (!handler?.create) throw errors.methodNotAllowed(call.kind, 'create')
      const context = this.#subresource(call, object.apiVersion)
      return (await handler.create(context, decoded(context.kind, object), write)).object as T
    }
    const body = decoded(call.kind, object)
    if (call.kind.strategy.virtual !== true) {
      return (await createObject(this.#server.verbs, call, body, write)).object as T
    }
    const review = this.#server.deps.reviews?.get(call.kind.kind)
    if (!review) throw errors.methodNotAllowed(call.kind, 'create')
    return (await review(body as never, this.#user, call)) as T
  }

  async update<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions & { subresource?: string } = {},
  ): Promise<T> {
    const other = this.#elsewhere(resource)
    if (other) return await other.update(resource, object, options)
    const { subresource = '' } = options
    const call = this.#call(resource, 'update', object.metadata as Name, subresource)
    const write = writeOf(options)
    const handler = objectSubresources[subresource]
    if (handler?.update) {
      const context = this.#subresource(call)
      return (await handler.update(context, decoded(context.kind, object), write)).object as T
    }
    const profile = subresource === '' ? undefined : partProfiles[subresource]
    if (subresource !== '' && !profile) throw errors.methodNotAllowed(call.kind, 'update')
    const body = decoded(call.kind, object)
    return (await updateObject(this.#server.verbs, call, body, write, profile)).object as T
  }

  async patch<T extends KubeObject>(
    resource: Resource<T>,
    name: Name,
    patch: unknown,
    options: PatchOptions,
  ): Promise<T> {
    const other = this.#elsewhere(resource)
    if (other) return await other.patch(resource, name, patch, options)
    const { subresource = '', type } = options
    const call = this.#call(resource, 'patch', name, subresource)
    const write = {
      ...writeOf(options),
      fieldManager: options.fieldManager ?? this.#agent,
      force: options.force ?? false,
    }
    const document = { type, value: patch, duplicates: [] }
    const handler = objectSubresources[subresource]
    if (handler?.patch) return (await handler.patch(this.#subresource(call), document, write)).object as T
    const profile = subresource === '' ? undefined : partProfiles[subresource]
    if (subresource !== '' && !profile) throw errors.methodNotAllowed(call.kind, 'patch')
    return (await patchObject(this.#server.verbs, call, document, write, profile)).object as T
  }

  async delete(resource: Resource, name: Name, options: DeleteOptions = {}): Promise<void> {
    const other = this.#elsewhere(resource)
    if (other) return await other.delete(resource, name, options)
    await deleteObject(this.#server.verbs, this.#call(resource, 'delete', name), options)
  }

  async deleteCollection(resource: Resource, selector: ListOptions, options: DeleteOptions = {}): Promise<void> {
    const other = this.#elsewhere(resource)
    if (other) return await other.deleteCollection(resource, selector, options)
    const call = this.#call(resource, 'deletecollection', { name: '', namespace: selector.namespace })
    await deleteCollection(this.#server.verbs, call, { ...everything, ...selector }, options)
  }

  async raw(method: string, path: string, body?: unknown): Promise<unknown> {
    const { pathname, searchParams } = new URL(path, 'http://server')
    const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body))
    const response = await this.#server.handle({
      method,
      path: pathname,
      query: searchParams,
      headers: { accept: 'application/json', 'content-type': 'application/json', 'user-agent': this.#agent },
      body: async () => bytes,
      signal: never,
      remoteAddress: '',
      user: this.#user,
    })
    return await rawResult(response.status, response.body)
  }

  as(user: string, groups: readonly string[] = []): Client {
    return new InProcessClient(this.#server, { name: user, uid: '', groups: groupsOf(user, groups), extra: {} })
  }

  /** For resources of aggregated servers: requests as over the wire. Undefined for the server's own. */
  #elsewhere({ group, version, resource }: Resource): Client | undefined {
    if (this.#server.deps.registry.byResource(group, version, resource)) return undefined
    return handlerClient(this.#server, this.#user, this.#agent)
  }

  #subresource(call: Call, apiVersion?: string): SubresourceContext {
    const { deps, verbs } = this.#server
    return { deps, verbs, call, kind: subresourceKind(deps.registry, call.kind, call.subresource, apiVersion) }
  }

  /** Authorizes; throws 403, or 404 for a resource that is not served. */
  #call(resource: Resource, verb: string, where: Name, subresource = '', signal = never): Call {
    const kind = this.#kind(resource)
    const namespace = kind.namespaced ? (where.namespace ?? '') : ''
    const { group, version } = resource
    const attributes = attributesOf(this.#user, verb, {
      group,
      version,
      resource: resource.resource,
      subresource,
      namespace: kind.group === '' && kind.resource === 'namespaces' ? where.name : namespace,
      name: where.name,
    })
    const { allowed, reason } = this.#server.deps.authorizer.authorize(attributes)
    if (!allowed) throw forbidden(attributes, reason)
    return {
      kind,
      namespace,
      name: where.name,
      subresource,
      user: this.#user,
      userAgent: this.#agent,
      signal,
      warn: () => {},
    }
  }

  #kind({ group, version, resource }: Resource): Kind {
    const kind = this.#server.deps.registry.byResource(group, version, resource)
    if (!kind) throw errors.unknownPath()
    return kind
  }
}

/** A field selector for one name narrows what is authorized, as in a request's URL. */
function collectionOf({ namespace, fieldSelector = '' }: ListOptions): Name {
  return { name: /^metadata\.name==?([^,]+)$/.exec(fieldSelector)?.[1] ?? '', namespace }
}

function decoded(target: Target, object: KubeObject) {
  return decodeObject(target, { value: copyOf(object), duplicates: [], summary: '' }, 'Ignore', () => {})
}

function writeOf(options: WriteOptions): VerbOptions {
  const { dryRun = false, fieldManager = '', fieldValidation = plainWrite.fieldValidation } = options
  return { ...plainWrite, dryRun, fieldManager, fieldValidation }
}

function groupsOf(user: string, groups: readonly string[]): readonly string[] {
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(user)
  const implied = account ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : []
  return [...new Set([...groups, ...implied, 'system:authenticated'])]
}

async function rawResult(status: number, body: unknown): Promise<unknown> {
  const chunks: Uint8Array[] = []
  if (Buffer.isBuffer(body)) chunks.push(body)
  else if (body) for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  const value = parsed(text)
  if (status < 400) return value
  if (isStatus(value)) throw new StatusError(value)
  throw status === 503
    ? errors.serviceUnavailable('the server is currently unable to handle the request')
    : errors.internal(text)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function isStatus(value: unknown): value is Status {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Status'
}
