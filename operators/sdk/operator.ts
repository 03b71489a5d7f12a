/**
 * The base class for operators of others, with the methods of @dot-i/k8s-operator (1.3) on Skiff's runtime: changing the
 * import gives an operator relists, resumed watches, retries with back-off and leader election. See docs/operators.md.
 */
import { readFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { ignoreNotFound, isConflict, isNotFound } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { keyOf } from '../../bootstrap/api/object.ts'
import { parseYaml } from '../../bootstrap/api/yaml.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'
import { backoffMs, systemClock } from '../../bootstrap/client/clock.ts'
import { findKubeconfig } from '../../bootstrap/client/default-kubeconfig.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { type RemoteOptions, remoteClient } from '../../bootstrap/client/remote.ts'
import type { CustomResourceDefinition } from '../../bootstrap/client/resources.ts'
import { stayUntil } from '../../bootstrap/client/stay.ts'
import { retryOnConflict } from '../runtime/apply.ts'
import { establishCrd } from '../runtime/crds.ts'
import { createEventRecorder } from '../runtime/events.ts'
import { runAsLeader } from '../runtime/leader-election.ts'
import { type Clock, type Cluster, done, type Operator as Reconciler } from '../runtime/operator.ts'
import { runOperators } from '../runtime/run.ts'
import { Deliveries, type Handler } from './deliveries.ts'
import { type OperatorLogger, runtimeLogger, silent } from './logger.ts'
import { metaOf, type ResourceEvent, ResourceEventType, type ResourceMeta, watchId } from './resource.ts'

export interface OperatorOptions {
  /** By default the cluster is found as kubectl finds it: KUBECONFIG, ~/.kube/config, the pod's service account. */
  readonly kubeconfig?: string
  readonly context?: string
  /** Of several processes with the same lease only one works at a time. */
  readonly leaderElection?: { readonly name: string; readonly namespace?: string; readonly identity?: string }
  /** How many objects are handled at once; 1 by default, as in @dot-i/k8s-operator. */
  readonly concurrency?: number
  readonly clock?: Clock
}

type CrdVersion = CustomResourceDefinition['spec']['versions'][number]

/** One time of working: until stop(), or until the lease is lost. */
interface Term {
  readonly cluster: Cluster
  readonly deliveries: Map<string, Deliveries>
  readonly enqueue: (key: string) => void
}

export abstract class Operator {
  protected readonly logger: OperatorLogger
  readonly #options: OperatorOptions
  readonly #stop = new AbortController()
  readonly #resources = new Map<string, Resource>()
  #remote: RemoteOptions | undefined
  #client: (Client & { close(): void }) | undefined
  #term: Term | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(logger?: OperatorLogger, options: OperatorOptions = {}) {
    this.logger = logger ?? silent
    this.#options = options
  }

  /** Called when the operator begins to work, again each time it becomes the leader: add your watches here. */
  protected abstract init(): Promise<void>

  /** Connects and works. Resolves once init() has, or, with leader election, once it waits for its turn. */
  async start(): Promise<void> {
    const { kubeconfig, context, leaderElection, clock = systemClock } = this.#options
    const { remote } = await findKubeconfig({ env: process.env, home: homedir() }, kubeconfig, context)
    this.#remote = remote
    this.#client = remoteClient(remote)
    const { signal } = this.#stop
    stayUntil(signal)
    if (!leaderElection) {
      const begun = Promise.withResolvers<void>()
      const failed = (error: Error) => {
        this.#stop.abort()
        begun.reject(error)
      }
      this.#running = this.#work(signal, () => this.init().then(begun.resolve, failed))
      return begun.promise
    }
    const { name, namespace = 'default', identity = `${hostname()}_${process.pid}` } = leaderElection
    const log = runtimeLogger(this.logger)
    const elapsed = () => performance.now()
    const effects = { client: this.#client, clock, elapsed, log, random: Math.random, signal }
    this.#running = runAsLeader({ ...effects, name, namespace, identity }, ({ signal: term }) =>
      this.#work(term, () => this.#initUntilDone(clock, term)),
    )
  }

  /** Ends all watches; handlers that work are waited for. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running.catch(() => {})
    this.#client?.close()
  }

  /** The API. Typed access to whatever the watches do not cover. */
  protected get client(): Client {
    if (!this.#client) throw new Error('the operator is not started')
    return this.#client
  }

  /** Creates or updates a CRD from a YAML file, and waits until it is served. */
  protected async registerCustomResourceDefinition(
    crdFile: string,
  ): Promise<{ group: string; versions: readonly CrdVersion[]; plural: string }> {
    const crd = parseYaml(await readFile(crdFile, 'utf8')) as CustomResourceDefinition
    if (crd.kind !== 'CustomResourceDefinition')
      throw new Error(`${crdFile}: want a CustomResourceDefinition, found ${crd.kind}`)
    await establishCrd(this.client, crd, this.#options.clock ?? systemClock, this.#stop.signal)
    this.logger.info(`registered custom resource definition '${crd.metadata.name}'`)
    return { group: crd.spec.group, versions: crd.spec.versions, plural: crd.spec.names.plural }
  }

  /** The URL of a resource's collection. */
  protected getCustomResourceApiUri(group: string, version: string, plural: string, namespace?: string): string {
    if (!this.#remote) throw new Error('the operator is not started')
    const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    const scope = namespace === undefined ? '' : `/namespaces/${namespace}`
    return `${this.#remote.server}${root}${scope}/${plural}`
  }

  /**
   * Calls `onEvent` for every object there is (Added), then for every change, one object at a time. A handler that throws is
   * called again with back-off. Resolves once all objects that exist are known; waits for a kind that is not served yet.
   */
  protected async watchResource(
    group: string,
    version: string,
    plural: string,
    onEvent: Handler,
    namespace?: string,
  ): Promise<void> {
    const term = this.#term
    if (!term) throw new Error('watchResource belongs into init()')
    const id = watchId(group, version, plural)
    const resource = await this.#resolve(group, version, plural, term.cluster)
    this.#resources.set(id, resource)
    const informer = term.cluster.informers.get(resource, namespace === undefined ? {} : { namespace })
    const watch = `${term.deliveries.size}`
    term.deliveries.set(watch, new Deliveries(id, informer, onEvent))
    const changed = (object: KubeObject) => term.enqueue(`${watch} ${keyOf(object)}`)
    informer.subscribe({ added: changed, updated: changed, deleted: changed })
    await informer.whenSynced()
    this.logger.info(`watching resource ${id}`)
  }

  /** Replaces the status. Resolves with the object's new meta; with null, and a logged line, when it has changed or is gone. */
  protected setResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    return this.#writeStatus(meta, (resource, body) =>
      this.client.update(resource, { ...body, status }, { subresource: 'status' }),
    )
  }

  /** Merges into the status (RFC 7386); otherwise as setResourceStatus. */
  protected patchResourceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    return this.#writeStatus(meta, (resource, body) =>
      this.client.patch(resource, meta, { ...body, status }, { type: 'merge', subresource: 'status' }),
    )
  }

  /**
   * Adds the finalizer to a new object; runs `deleteAction` and takes the finalizer away once the object is to be deleted.
   * Resolves with true when the event needs nothing more. What `deleteAction` throws keeps the object and is tried again.
   */
  protected async handleResourceFinalizer(
    event: ResourceEvent,
    finalizer: string,
    deleteAction: (event: ResourceEvent) => Promise<void>,
  ): Promise<boolean> {
    if (event.type === ResourceEventType.Deleted) return false
    const { deletionTimestamp, finalizers = [] } = event.object.metadata as KubeObject['metadata']
    if (deletionTimestamp === undefined) {
      if (finalizers.includes(finalizer)) return false
      await this.#changeFinalizers(event.meta, present => [...present.filter(one => one !== finalizer), finalizer])
      return true
    }
    if (finalizers.includes(finalizer)) {
      await deleteAction(event)
      await this.#changeFinalizers(event.meta, present => present.filter(one => one !== finalizer))
    }
    return true
  }

  /** Sets the whole list of finalizers. */
  protected async setResourceFinalizers(meta: ResourceMeta, finalizers: string[]): Promise<void> {
    await this.#changeFinalizers(meta, () => finalizers)
  }

  /** A leader that cannot begin tries again: nobody else would while it holds the lease. */
  async #initUntilDone(clock: Clock, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.init()
      } catch (error) {
        if (signal.aborted) return
        this.logger.error(`cannot begin, will retry: ${(error as Error).message}`)
        await clock.sleep(backoffMs(attempt, 1000, 30_000, Math.random), signal)
      }
    }
  }

  async #work(signal: AbortSignal, begin: () => Promise<void>): Promise<void> {
    const { clock = systemClock, concurrency = 1 } = this.#options
    const log = runtimeLogger(this.logger)
    const effects = { clock, log, random: Math.random, signal }
    const events = createEventRecorder({ client: this.client, clock, log, component: this.constructor.name })
    const informers = createInformers(this.client, effects)
    const cluster: Cluster = { ...effects, client: this.client, informers, events }
    const deliveries: Term['deliveries'] = new Map()
    const reconciler: Reconciler = {
      name: this.constructor.name,
      watches: [],
      concurrency,
      reconcile: async key => {
        const [watch = '', object = ''] = key.split(' ')
        await deliveries.get(watch)?.deliver(object)
        return done
      },
      run: async (_, enqueue) => {
        this.#term = { cluster, deliveries, enqueue }
        await begin()
      },
    }
    await runOperators([reconciler], cluster)
  }

  /** The resource of a plural; a kind that is not served yet, say because its CRD is on its way, is waited for. */
  async #resolve(group: string, version: string, plural: string, { clock, signal }: Cluster): Promise<Resource> {
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    for (let attempt = 0; ; attempt++) {
      const list = (await this.client.raw('GET', path).catch(ignoreNotFound)) as
        | { resources: readonly { name: string; kind: string; namespaced: boolean }[] }
        | undefined
      const found = list?.resources.find(({ name }) => name === plural)
      if (found) return { group, version, resource: plural, kind: found.kind, namespaced: found.namespaced }
      if (attempt === 3) this.logger.warn(`${watchId(group, version, plural)} is not served; waiting for it`)
      await clock.sleep(backoffMs(attempt, 100, 10_000, Math.random), signal)
    }
  }

  async #writeStatus(
    meta: ResourceMeta,
    write: (resource: Resource, body: KubeObject) => Promise<KubeObject>,
  ): Promise<ResourceMeta | null> {
    const { apiVersion, kind, name, namespace, resourceVersion } = meta
    const place = namespace === undefined ? { name } : { name, namespace }
    const body: KubeObject = { apiVersion, kind, metadata: { ...place, resourceVersion } }
    try {
      return metaOf(meta.id, await write(this.#resourceOf(meta), body))
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error
      this.logger.warn(`status of ${meta.id} ${name} not written: ${error.message}`)
      return null
    }
  }

  async #changeFinalizers(
    meta: ResourceMeta,
    change: (present: readonly string[]) => readonly string[],
  ): Promise<void> {
    const resource = this.#resourceOf(meta)
    await retryOnConflict(async () => {
      const { metadata } = await this.client.get(resource, meta)
      const finalizers = change(metadata.finalizers ?? [])
      const patch = { metadata: { finalizers, resourceVersion: metadata.resourceVersion } }
      await this.client.patch(resource, meta, patch, { type: 'merge' })
    }).catch(ignoreNotFound)
  }

  #resourceOf(meta: ResourceMeta): Resource {
    const resource = this.#resources.get(meta.id)
    if (!resource) throw new Error(`${meta.id} is not watched by this operator`)
    return resource
  }
}
