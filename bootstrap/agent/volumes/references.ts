/**
 * ConfigMaps and Secrets that pods refer to, watched one by one by name, as the node authorizer allows. Each object is
 * watched while someone has asked for changes and read directly otherwise.
 */
import { ignoreNotFound } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Client, Resource } from '../../client/client.ts'
import { backoffMs, type Clock } from '../../client/clock.ts'
import { type ConfigMap, configMaps, type Secret, secrets } from '../../client/resources.ts'

interface Watched {
  readonly listeners: Set<() => void>
  readonly stop: AbortController
  /** Set once the first list has arrived. */
  known: { readonly object: KubeObject | undefined } | undefined
}

export interface ReferenceDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: () => number
  readonly signal: AbortSignal
}

export class References {
  readonly #deps: ReferenceDeps
  readonly #watched = new Map<string, Watched>()

  constructor(deps: ReferenceDeps) {
    this.#deps = deps
  }

  configMap(namespace: string, name: string): Promise<ConfigMap | undefined> {
    return this.#get(configMaps, namespace, name)
  }

  secret(namespace: string, name: string): Promise<Secret | undefined> {
    return this.#get(secrets, namespace, name)
  }

  /** Calls `changed` after every change of the object, its creation and deletion included. Returns the unsubscriber. */
  watch(kind: 'configMap' | 'secret', namespace: string, name: string, changed: () => void): () => void {
    const resource: Resource = kind === 'configMap' ? configMaps : secrets
    const key = `${resource.resource}/${namespace}/${name}`
    let watched = this.#watched.get(key)
    if (!watched) {
      watched = { listeners: new Set(), stop: new AbortController(), known: undefined }
      this.#watched.set(key, watched)
      void this.#follow(resource, namespace, name, watched)
    }
    const { listeners, stop } = watched
    listeners.add(changed)
    return () => {
      listeners.delete(changed)
      if (listeners.size > 0 || this.#watched.get(key)?.listeners !== listeners) return
      this.#watched.delete(key)
      stop.abort()
    }
  }

  async #get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): Promise<T | undefined> {
    const known = this.#watched.get(`${resource.resource}/${namespace}/${name}`)?.known
    if (known?.object) return known.object as T
    return await this.#deps.client.get(resource, { namespace, name }).catch(ignoreNotFound)
  }

  async #follow(resource: Resource, namespace: string, name: string, watched: Watched): Promise<void> {
    const { client, clock, random } = this.#deps
    const signal = AbortSignal.any([watched.stop.signal, this.#deps.signal])
    const selector = { namespace, fieldSelector: `metadata.name=${name}` }
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const { items, resourceVersion } = await client.list(resource, selector)
        this.#learn(watched, items[0])
        for await (const event of client.watch(resource, { ...selector, resourceVersion }, signal)) {
          failures = 0
          if (event.type !== 'BOOKMARK') this.#learn(watched, event.type === 'DELETED' ? undefined : event.object)
        }
      } catch {
        // Listed again below; a gap shows as a change then.
      }
      await clock.sleep(backoffMs(failures, 100, 30_000, random), signal).catch(() => undefined)
    }
  }

  #learn(watched: Watched, object: KubeObject | undefined): void {
    const before = watched.known
    watched.known = { object }
    if (before && before.object?.metadata.resourceVersion === object?.metadata.resourceVersion) return
    if (before || object) for (const listener of [...watched.listeners]) listener()
  }
}
