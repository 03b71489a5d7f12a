/** What translators are given: the cluster as it is now. */
import type { Secret } from '../../bootstrap/client/resources.ts'
import type { Filter, Owner, PoolTls, Problem } from './model/model.ts'
import type { ServiceIndex } from './model/pools.ts'
import type { Settings } from './settings.ts'

export interface Sources {
  readonly settings: Settings
  readonly services: ServiceIndex
  secret(namespace: string, name: string): Secret | undefined
  /** Middlewares by name, as Traefik writes references: "namespace-name@kubernetescrd". */
  middleware(reference: string, owner: Owner): readonly Filter[]
  /** How https backends are verified. Throws NoService when it names secrets that are of no use. */
  serversTransport(namespace: string, name: string): PoolTls | undefined
  report(problem: Problem): void
}

/** A reference that leads nowhere or to something unsupported: the route answers 503. */
export class Unusable extends Error {
  readonly reason: string
  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}
