/** Informers that several terms of leadership on one server share: each resource is followed once, whoever leads what. */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Resource } from '../../bootstrap/client/client.ts'
import type { Informer, Informers } from '../../bootstrap/client/informer.ts'

export class SharedInformers {
  readonly #make: (signal: AbortSignal) => Informers
  #running: { readonly informers: Informers; readonly stop: AbortController; terms: number } | undefined

  /** `make` starts a set that runs until its signal aborts. */
  constructor(make: (signal: AbortSignal) => Informers) {
    this.#make = make
  }

  /** For one term, until its signal aborts: then what was subscribed in it ends, and with the last term the set. */
  during(signal: AbortSignal): Informers {
    if (signal.aborted) return this.#make(signal)
    this.#running ??= this.#begin()
    const running = this.#running
    running.terms++
    const over = () => {
      if (--running.terms > 0) return
      running.stop.abort()
      if (this.#running === running) this.#running = undefined
    }
    signal.addEventListener('abort', over, { once: true })
    return scoped(running.informers, signal)
  }

  #begin() {
    const stop = new AbortController()
    return { informers: this.#make(stop.signal), stop, terms: 0 }
  }
}

function scoped(informers: Informers, signal: AbortSignal): Informers {
  return {
    get<T extends KubeObject>(resource: Resource<T>, options?: Parameters<Informers['get']>[1]) {
      return ending(informers.get(resource, options), signal)
    },
    drop: resource => informers.drop?.(resource),
  }
}

function ending<T extends KubeObject>(informer: Informer<T>, signal: AbortSignal): Informer<T> {
  return {
    resource: informer.resource,
    get synced() {
      return informer.synced
    },
    get: key => informer.get(key),
    list: namespace => informer.list(namespace),
    byIndex: (name, value) => informer.byIndex(name, value),
    addIndex: (name, values) => informer.addIndex(name, values),
    whenSynced: () => informer.whenSynced(),
    subscribe(handlers) {
      const end = informer.subscribe(handlers)
      const unsubscribe = () => {
        signal.removeEventListener('abort', unsubscribe)
        end()
      }
      signal.addEventListener('abort', unsubscribe, { once: true })
      if (signal.aborted) unsubscribe()
      return unsubscribe
    },
  }
}
