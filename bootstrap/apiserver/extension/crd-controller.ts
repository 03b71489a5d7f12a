/** Serves what CustomResourceDefinitions define: their names and conditions, their kinds, and the end of their objects. */
import { setImmediate as breathe } from 'node:timers/promises'
import type { KubeObject, Metadata } from '../../api/object.ts'
import { rfc3339 } from '../../api/time.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionStatus } from '../../api/types.gen.ts'
import { CompactedError, ConflictError } from '../../datastore/datastore.ts'
import type { Clock, Kind } from '../kinds/kind.ts'
import { jsonEqual } from '../patch/json.ts'
import type { KindRegistry } from '../schema/registry.ts'
import type { ResourceStore, Store, Stored } from '../store/store.ts'
import { approvalOf, conditionOf, hasCondition, isProtectedGroup, withCondition } from './conditions.ts'
import { cleanupFinalizer } from './crd-strategy.ts'
import { kindsOfCrd } from './custom-kind.ts'
import { acceptNames, type UsedNames, usedNames } from './names.ts'

export interface CustomResourcesOptions {
  readonly registry: KindRegistry
  readonly store: Store
  readonly clock: Clock
  /** Told of failures that are not a lost race; the definition is looked at again with its next event. */
  readonly onError?: (error: unknown, name: string) => void
}

interface Served {
  /** What the kinds were made from. */
  readonly source: string
  readonly kinds: readonly Kind[]
}

const attempts = 5
const group = 'apiextensions.k8s.io'
const resource = 'customresourcedefinitions'

const crdOf = (stored: Stored) => stored.object as unknown as CustomResourceDefinition

/** Follows the definitions. Everything known is served once `start` has resolved. */
export class CustomResources {
  readonly #options: CustomResourcesOptions
  readonly #served = new Map<string, Served>()
  readonly #emptying = new Set<string>()
  #crds: ResourceStore | undefined

  constructor(options: CustomResourcesOptions) {
    this.#options = options
  }

  /** Serves the definitions there are, then follows them until aborted. */
  async start(signal: AbortSignal): Promise<void> {
    this.#crds = await this.#options.store.resource(group, resource, false)
    const after = await this.#relist(signal)
    this.#follow(after, signal).catch((error: unknown) => this.#options.onError?.(error, ''))
  }

  get #all(): ResourceStore {
    if (!this.#crds) throw new Error('CustomResources is used before it is started')
    return this.#crds
  }

  async #relist(signal: AbortSignal): Promise<number> {
    const { revision } = this.#all
    const known = [...this.#all.all()]
    const names = new Set(known.map(({ name }) => name))
    for (const name of [...this.#served.keys()]) if (!names.has(name)) this.#forget(name)
    for (const { name } of known) await this.#settle(name, signal)
    return revision
  }

  async #follow(from: number, signal: AbortSignal): Promise<void> {
    let after = from
    while (!signal.aborted) {
      try {
        for await (const batch of this.#all.watch({ after, signal })) {
          for (const event of batch) {
            if (event.type === 'BOOKMARK') after = event.revision
            else {
              after = event.stored.revision
              if (event.type === 'DELETED') await this.#gone(event.stored, signal)
              else await this.#settle(event.stored.name, signal)
            }
          }
        }
        await breathe()
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof CompactedError)) this.#options.onError?.(error, '')
        await breathe()
        after = await this.#relist(signal)
      }
    }
  }

  /** Brings one definition to where it should be, from its newest state. */
  async #settle(name: string, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (await this.#settleOnce(name, signal)) return
      // Another server does the same. The next definition is judged once it is known what came of this one.
      await this.#all.fresh().catch(() => undefined)
    }
  }

  /** False when another write came between. */
  async #settleOnce(name: string, signal: AbortSignal): Promise<boolean> {
    const stored = this.#all.get('', name)
    if (!stored) return true
    try {
      const status = this.#statusOf(stored)
      if (status.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')) {
        this.#serve(stored, status)
      }
      const next = { ...stored.object, metadata: heldMetadata(crdOf(stored)), status } as KubeObject
      if (!jsonEqual(next, stored.object)) await this.#all.update(withoutRevision(next), stored.revision)
      else if (isHeld(stored.object.metadata)) this.#empty(name, signal)
      return true
    } catch (error) {
      if (error instanceof ConflictError) return !this.#all.shared
      this.#options.onError?.(error, name)
      return true
    }
  }

  #statusOf(stored: Stored): CustomResourceDefinitionStatus {
    const crd = crdOf(stored)
    const now = this.#options.clock.now()
    const { names, condition } = acceptNames(crd, this.#namesOfOthers(crd))
    const accepted = condition.status === 'True'
    const was = hasCondition(crd, 'Established')
    const established = {
      type: 'Established',
      status: 'True',
      reason: 'InitialNamesAccepted',
      message: 'the initial names have been accepted',
    }
    const waiting = {
      type: 'Established',
      status: 'False',
      reason: 'NotAccepted',
      message: 'not all names are accepted',
    }
    let conditions = withCondition(crd.status?.conditions ?? [], condition, now)
    if (!was) conditions = withCondition(conditions, accepted ? established : waiting, now)
    if (isProtectedGroup(crd.spec.group)) conditions = withCondition(conditions, approvalOf(crd), now)
    if (isHeld(heldMetadata(crd))) conditions = withCondition(conditions, terminating, now)
    return { ...crd.status, acceptedNames: names, conditions }
  }

  /** The names taken in the definition's group, by other definitions and by what is built in. */
  #namesOfOthers(crd: CustomResourceDefinition): UsedNames {
    const accepted = [...this.#all.all()]
      .map(crdOf)
      .filter(other => other.spec.group === crd.spec.group && other.metadata.name !== crd.metadata.name)
      .flatMap(other => other.status?.acceptedNames ?? [])
    const builtIn = [...this.#options.registry.all()]
      .filter(kind => !kind.custom && kind.group === crd.spec.group)
      .map(({ resource: plural, singular, shortNames, kind, listKind }) => ({
        plural,
        singular,
        shortNames,
        kind,
        listKind,
      }))
    return usedNames([...accepted, ...builtIn])
  }

  /** Registers the kinds of a definition, unless they are as they were. */
  #serve({ name, object }: Stored, status: CustomResourceDefinitionStatus): void {
    const { uid, generation, deletionTimestamp } = object.metadata
    const source = JSON.stringify([uid, generation, deletionTimestamp !== undefined, status.acceptedNames])
    const old = this.#served.get(name)
    if (old?.source === source) return
    const crd = { ...object, status } as unknown as CustomResourceDefinition
    const kinds = kindsOfCrd(crd)
    const { registry } = this.#options
    for (const { group, version, resource } of old?.kinds ?? []) {
      if (!kinds.some(kind => kind.version === version)) registry.remove(group, version, resource)
    }
    for (const kind of kinds) registry.add(kind)
    this.#served.set(name, { source, kinds })
  }

  #forget(name: string): void {
    for (const { group, version, resource } of this.#served.get(name)?.kinds ?? []) {
      this.#options.registry.remove(group, version, resource)
    }
    this.#served.delete(name)
  }

  /** A definition is gone: so are its kinds, and its names are free for others. */
  async #gone(stored: Stored, signal: AbortSignal): Promise<void> {
    this.#forget(stored.name)
    const { spec } = crdOf(stored)
    for (const other of [...this.#all.all()]) {
      const waits = crdOf(other).spec.group === spec.group && !hasCondition(crdOf(other), 'NamesAccepted')
      if (waits) await this.#settle(other.name, signal)
    }
  }

  /** Deletes the instances of a definition in the background, then lets go of it. */
  #empty(name: string, signal: AbortSignal): void {
    if (this.#emptying.has(name)) return
    this.#emptying.add(name)
    this.#deleteInstances(name, signal)
      .then(() => this.#release(name))
      .catch((error: unknown) => {
        if (!signal.aborted) this.#options.onError?.(error, name)
      })
      .finally(() => this.#emptying.delete(name))
  }

  async #deleteInstances(name: string, signal: AbortSignal): Promise<void> {
    const stored = this.#all.get('', name)
    if (!stored) return
    const { spec } = crdOf(stored)
    const instances = await this.#options.store.resource(spec.group, spec.names.plural, spec.scope === 'Namespaced')
    for (const instance of [...instances.all()]) await this.#deleteInstance(instances, instance)
    const done = new AbortController()
    const watch = { after: instances.revision, signal: AbortSignal.any([signal, done.signal]) }
    if (isEmpty(instances)) return
    for await (const _ of instances.watch(watch)) {
      if (isEmpty(instances)) break
    }
    done.abort()
    signal.throwIfAborted()
  }

  /** Deletes an instance, or marks it for those whose finalizers hold it. */
  async #deleteInstance(instances: ResourceStore, { namespace, name }: Stored): Promise<void> {
    for (;;) {
      const current = instances.get(namespace, name)
      if (!current) return
      const { finalizers = [], deletionTimestamp } = current.object.metadata
      try {
        if (finalizers.length === 0) await instances.delete(namespace, name, current.revision)
        else if (deletionTimestamp === undefined) {
          await instances.update(marked(current.object, this.#options.clock.now()), current.revision)
        }
        return
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error
      }
    }
  }

  /** Takes the finalizer off, with which the definition goes unless others hold it. */
  async #release(name: string): Promise<void> {
    for (;;) {
      const stored = this.#all.get('', name)
      if (!stored?.object.metadata.finalizers?.includes(cleanupFinalizer)) return
      const finalizers = stored.object.metadata.finalizers.filter(finalizer => finalizer !== cleanupFinalizer)
      try {
        if (finalizers.length === 0) await this.#all.delete('', name, stored.revision)
        else {
          const conditions = withCondition(
            crdOf(stored).status?.conditions ?? [],
            terminated,
            this.#options.clock.now(),
          )
          const status = { ...crdOf(stored).status, conditions }
          const metadata = { ...stored.object.metadata, finalizers }
          await this.#all.update(withoutRevision({ ...stored.object, metadata, status }), stored.revision)
        }
        return
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error
      }
    }
  }
}

const terminating = {
  type: 'Terminating',
  status: 'True',
  reason: 'InstanceDeletionInProgress',
  message: 'CustomResource deletion is in progress',
}
const terminated = {
  type: 'Terminating',
  status: 'False',
  reason: 'InstanceDeletionCompleted',
  message: 'removed all instances',
}

/** The metadata of a definition; one whose deletion has just been asked for is held until its instances are gone. */
function heldMetadata(crd: CustomResourceDefinition): Metadata {
  const { metadata } = crd
  if (metadata.deletionTimestamp === undefined || conditionOf(crd, 'Terminating') !== undefined) return metadata
  const others = (metadata.finalizers ?? []).filter(finalizer => finalizer !== cleanupFinalizer)
  return { ...metadata, deletionGracePeriodSeconds: 0, finalizers: [...others, cleanupFinalizer] }
}

/** Whether a definition is being deleted and its instances have not gone yet. */
function isHeld({ deletionTimestamp, finalizers }: Metadata): boolean {
  return deletionTimestamp !== undefined && (finalizers ?? []).includes(cleanupFinalizer)
}

function isEmpty(instances: ResourceStore): boolean {
  for (const _ of instances.all()) return false
  return true
}

function marked(object: KubeObject, now: number): KubeObject {
  const metadata = { ...object.metadata, deletionTimestamp: rfc3339(now), deletionGracePeriodSeconds: 0 }
  return withoutRevision({ ...object, metadata })
}

function withoutRevision(object: KubeObject): KubeObject {
  const { resourceVersion: _, ...metadata } = object.metadata
  return { ...object, metadata }
}
