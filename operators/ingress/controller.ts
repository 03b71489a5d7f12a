/**
 * Keeps the data plane at what the cluster says: every change of an object that matters makes a new routing. Changes that
 * come together make one; nothing is timed, so an endpoint reaches the data plane as soon as it is known.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import type { Informer } from '../../bootstrap/client/informer.ts'
import {
  endpointSlices,
  ingressClasses,
  ingresses,
  namespaces,
  secrets,
  services,
} from '../../bootstrap/client/resources.ts'
import type { Cluster } from '../runtime/operator.ts'
import { gatewayStatuses } from './gateway/status.ts'
import { ingressStatuses } from './ingress/status.ts'
import * as kinds from './kinds.ts'
import { type Built, buildModel, type Snapshot } from './model/build.ts'
import type { Model, Problem } from './model/model.ts'
import { serviceIndex } from './model/pools.ts'
import type { Settings } from './settings.ts'
import { inSlices, patience } from './slices.ts'
import { StatusWriter } from './status-writer.ts'
import { optionalKind } from './watching.ts'

export interface ControllerOptions {
  readonly cluster: Cluster
  readonly settings: Settings
  /** Resolves once this routing or a later one is served. */
  readonly serve: (model: Model) => Promise<void>
  readonly log: (line: string) => void
}

/** Helm's releases are large and no business of ours. */
const secretSelector = { labelSelector: 'owner!=helm' }

export class Controller {
  readonly #options: ControllerOptions
  /** What the routing that is served was made of, and what the one in the making has read so far. */
  #used = emptyUse()
  #reading = emptyUse()
  readonly #announced = new Set<string>()
  readonly #status: StatusWriter
  #snapshot: Snapshot | undefined
  /** Something has changed since the routing in the making was begun. */
  #changed = false
  #building = false
  readonly #first = Promise.withResolvers<void>()
  /** Of the last build. */
  #built: Built | undefined

  constructor(options: ControllerOptions) {
    this.#options = options
    this.#status = new StatusWriter(options.cluster.client as Client, options.cluster.signal, options.log)
  }

  /** Follows the cluster; resolves once the first routing is served. */
  async start(): Promise<void> {
    const { informers } = this.#options.cluster
    const changed = () => this.#schedule()
    const core = [informers.get(ingresses), informers.get(ingressClasses)]
    const waiting: Promise<void>[] = []
    for (const informer of core) follow(informer as unknown as Informer, changed)
    follow(informers.get(services), service => this.#serviceChanged(keyOf(service)))
    follow(informers.get(endpointSlices), ({ metadata }) =>
      this.#serviceChanged(`${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name']}`),
    )
    follow(informers.get(secrets, secretSelector), secret => {
      if (this.#uses('secrets', keyOf(secret))) this.#schedule()
    })
    this.#snapshot = this.#snapshotOf(waiting)
    await Promise.all([
      ...core.map(informer => (informer as unknown as Informer).whenSynced()),
      informers.get(services).whenSynced(),
      informers.get(endpointSlices).whenSynced(),
      informers.get(secrets, secretSelector).whenSynced(),
      ...waiting,
    ])
    this.#schedule()
    await this.#first.promise
  }

  /** Problems that HAProxy's side found; those of the translation are known already. */
  announce(problems: readonly Problem[]): void {
    const all = [...(this.#built?.model.problems ?? []), ...problems]
    const now = new Set<string>()
    for (const { owner, reason, message } of all) {
      const key = `${owner.metadata.uid} ${reason} ${message}`
      const known = now.has(key) || this.#announced.has(key)
      now.add(key)
      if (known) continue
      this.#options.log(`${owner.kind} ${owner.metadata.namespace ?? ''}/${owner.metadata.name}: ${message}`)
      this.#options.cluster.events.event(owner, 'Warning', reason, message)
    }
    this.#announced.clear()
    for (const key of now) this.#announced.add(key)
  }

  #serviceChanged(key: string): void {
    const { ingress, gateway } = this.#options.settings
    if (this.#uses('services', key) || key === ingress.publishedService || key === gateway.publishedService)
      this.#schedule()
  }

  #uses(kind: 'services' | 'secrets', key: string): boolean {
    return this.#used[kind].has(key) || this.#reading[kind].has(key)
  }

  /** Changes of one turn of the event loop make one routing; one that comes while it is made begins it anew. */
  #schedule(): void {
    if (!this.#snapshot) return
    this.#changed = true
    if (!this.#building) void this.#build()
  }

  async #build(): Promise<void> {
    const { settings, cluster, log } = this.#options
    const now = () => cluster.clock.now()
    this.#building = true
    for (let skipped = 0; this.#changed && !cluster.signal.aborted; ) {
      await turn()
      this.#changed = false
      this.#reading = emptyUse()
      try {
        const stale = () => cluster.signal.aborted || (this.#changed && skipped < patience)
        const built = await inSlices(buildModel(this.#snapshot!, settings), { now, stale })
        skipped = built ? 0 : skipped + 1
        if (!built) continue
        this.#used = this.#reading
        this.#built = built
        void this.#serve(built)
      } catch (error) {
        log(`cannot make the new routing: ${(error as Error).stack}`)
        this.#first.resolve()
      }
    }
    this.#building = false
  }

  async #serve(built: Built): Promise<void> {
    const { serve, log } = this.#options
    try {
      await serve(built.model)
      if (built === this.#built) this.#writeStatus(built)
    } catch (error) {
      log(`cannot serve the new routing: ${(error as Error).stack}`)
    }
    this.#first.resolve()
  }

  #writeStatus(built: Built): void {
    const { settings, cluster } = this.#options
    const service = (name: string | undefined) =>
      name === undefined ? undefined : cluster.informers.get(services).get(name)
    this.#status.write(ingressStatuses(built.ingresses, settings, service))
    if (built.gateway) this.#status.write(gatewayStatuses(built.gateway, settings, service, cluster.clock.now()))
  }

  #snapshotOf(waiting: Promise<void>[]): Snapshot {
    const { cluster, settings } = this.#options
    const { informers } = cluster
    const optional = <T extends KubeObject>(resource: Parameters<typeof optionalKind<T>>[1], wanted: boolean) => {
      if (!wanted) return { list: (): readonly T[] => [], get: (): T | undefined => undefined }
      const kind = optionalKind<T>(cluster, resource, () => this.#schedule())
      waiting.push(kind.ready)
      return kind
    }
    const { enabled } = settings.crd
    const routes = optional(kinds.ingressRoutes, enabled)
    const tcp = optional(kinds.ingressRouteTcps, enabled)
    const udp = optional(kinds.ingressRouteUdps, enabled)
    const stores = optional(kinds.tlsStores, enabled)
    const middlewares = optional(kinds.middlewares, enabled)
    const traefikServices = optional(kinds.traefikServices, enabled)
    const tlsOptions = optional(kinds.tlsOptions, enabled)
    const transports = optional(kinds.serversTransports, enabled)
    const inert = [optional(kinds.middlewareTcps, enabled), optional(kinds.serversTransportTcps, enabled)]
    const custom = [routes, tcp, udp, stores, middlewares, traefikServices, tlsOptions, transports, ...inert]
    const gateway = settings.gateway.enabled
    const classes = optional(kinds.gatewayClasses, gateway)
    const gateways = optional(kinds.gateways, gateway)
    const httpRoutes = optional(kinds.httpRoutes, gateway)
    const grants = optional(kinds.referenceGrants, gateway)
    if (gateway) follow(informers.get(namespaces) as unknown as Informer, () => this.#schedule())
    const index = serviceIndex(informers)
    const reading = () => this.#reading
    return {
      get ingresses() {
        return informers.get(ingresses).list()
      },
      get ingressClasses() {
        return informers.get(ingressClasses).list()
      },
      get ingressRoutes() {
        return routes.list()
      },
      get ingressRouteTcps() {
        return tcp.list()
      },
      get ingressRouteUdps() {
        return udp.list()
      },
      get customResources() {
        return custom.flatMap((kind): readonly KubeObject[] => kind.list())
      },
      get tlsStores() {
        return stores.list()
      },
      services: {
        exists: index.exists,
        resolve(ref, options) {
          reading().services.add(`${ref.namespace}/${ref.name}`)
          return index.resolve(ref, options)
        },
      },
      secret(namespace, name) {
        reading().secrets.add(`${namespace}/${name}`)
        return informers.get(secrets, secretSelector).get(`${namespace}/${name}`)
      },
      middleware: middlewares.get,
      traefikService: traefikServices.get,
      tlsOption: tlsOptions.get,
      serversTransport: transports.get,
      get gateway() {
        if (!gateway) return undefined
        return {
          classes: classes.list(),
          gateways: gateways.list(),
          routes: httpRoutes.list(),
          grants: grants.list(),
          labelsOf: (name: string) => informers.get(namespaces).get(name)?.metadata.labels ?? {},
        }
      },
    }
  }
}

const emptyUse = () => ({ services: new Set<string>(), secrets: new Set<string>() })

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`

function follow<T extends KubeObject>(informer: Informer<T>, changed: (object: T) => void): void {
  informer.subscribe({ added: changed, updated: changed, deleted: changed })
}
