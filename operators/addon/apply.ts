/** Makes the cluster have what a file says: its objects applied in order, those it no longer names removed. */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'
import type { KindResolver } from '../runtime/kinds.ts'
import type { Clock } from '../runtime/operator.ts'
import { hashLabel, marked, objectSetHash, pruneLabel } from './object-set.ts'
import type { ManifestObject } from './parse.ts'

export interface ApplyDeps {
  readonly client: Client
  readonly kinds: KindResolver
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** One Addon's identity. */
export interface SetId {
  readonly name: string
  readonly namespace: string
}

export interface Placed {
  readonly resource: Resource
  readonly object: KubeObject
}

/** A kind whose CRD was just applied is served a moment later. */
const kindAttempts = 20
const kindWaitMs = 50

/** Some objects of a file were refused; the message names each with its place. */
export class ApplyError extends Error {
  constructor(failures: readonly string[]) {
    super(failures.join('; '))
    this.name = 'ApplyError'
  }
}

/**
 * Applies a file's objects: namespaces and CRDs first, the others as they stand in the file. A refused object does not hold
 * back the others. Resolves with where each was put; rejects with ApplyError when any was refused.
 */
export async function applyObjects(
  objects: readonly ManifestObject[],
  set: SetId,
  deps: ApplyDeps,
): Promise<readonly Placed[]> {
  const crdInFile = objects.some(({ object }) => object.kind === 'CustomResourceDefinition')
  const placed: Placed[] = []
  const failures: string[] = []
  for (const { object, where } of inOrder(objects)) {
    try {
      placed.push(await applyObject(object, set, crdInFile, deps))
    } catch (error) {
      if (deps.signal.aborted) throw error
      failures.push(`${where}, ${object.kind} ${nameText(object)}: ${(error as Error).message}`)
    }
  }
  if (failures.length > 0) throw new ApplyError(failures)
  return placed
}

const early = ['Namespace', 'CustomResourceDefinition']

function inOrder(objects: readonly ManifestObject[]): ManifestObject[] {
  const first = early.flatMap(kind => objects.filter(({ object }) => object.kind === kind))
  return [...first, ...objects.filter(({ object }) => !early.includes(object.kind))]
}

function nameText({ metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined ? `${name}` : `${namespace}/${name}`
}

/**
 * Applies one object by server-side apply, so that fields it does not name are left alone. Resolves with where it was put.
 * Rejects with the API's StatusError, or with a plain error when the server does not know the kind.
 */
async function applyObject(object: KubeObject, set: SetId, crdInFile: boolean, deps: ApplyDeps): Promise<Placed> {
  const resource = await resolveKind(object, crdInFile, deps)
  const { namespace: given, ...metadata } = object.metadata
  const namespace = resource.namespaced ? (given ?? 'default') : undefined
  const placed: KubeObject = { ...object, metadata: { ...metadata, ...(namespace === undefined ? {} : { namespace }) } }
  const name = { name: metadata.name!, namespace }
  await deps.client.patch(resource, name, marked(placed, set.name, set.namespace), {
    type: 'apply',
    fieldManager: 'deploy',
    force: true,
  })
  return { resource, object: placed }
}

async function resolveKind(
  object: KubeObject,
  crdInFile: boolean,
  { kinds, clock, signal }: ApplyDeps,
): Promise<Resource> {
  for (let attempt = 1; ; attempt++) {
    const resource = await kinds.resolve(object.apiVersion, object.kind)
    if (resource) return resource
    if (!crdInFile || attempt >= kindAttempts)
      throw new Error(`no matches for kind "${object.kind}" in version "${object.apiVersion}"`)
    await clock.sleep(kindWaitMs, signal)
  }
}

/** Deletes objects of the set that are not in `keep`, except those labelled prune=false. Resolves with how many went. */
export async function pruneSet(
  resources: readonly Resource[],
  keep: readonly Placed[],
  set: SetId,
  { client }: ApplyDeps,
): Promise<number> {
  const kept = new Set(keep.map(({ resource, object }) => idOf(resource, object)))
  let removed = 0
  for (const resource of resources) {
    const { items } = await client.list(resource, {
      labelSelector: `${hashLabel}=${objectSetHash(set.name, set.namespace)}`,
    })
    for (const object of items) {
      if (kept.has(idOf(resource, object)) || object.metadata.labels?.[pruneLabel] === 'false') continue
      const { name = '', namespace } = object.metadata
      await client.delete(resource, { name, namespace }, { propagationPolicy: 'Background' }).catch(ignoreNotFound)
      removed++
    }
  }
  return removed
}

/** Names an object across versions of its kind. */
export function idOf(resource: Resource, object: KubeObject): string {
  return `${resource.group}/${resource.resource}/${object.metadata.namespace ?? ''}/${object.metadata.name}`
}
