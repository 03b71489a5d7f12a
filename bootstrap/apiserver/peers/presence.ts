/** This server's place among those that clients are sent to: the Service default/kubernetes and its endpoints. */
import type { Client } from '../../client/client.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import type { Clock } from '../../datastore/effects.ts'
import { bootstrapObjects } from '../bootstrap-objects.ts'
import { MasterLeases } from './master-leases.ts'

export interface PresenceParts {
  readonly client: () => Client
  /** Undefined where no other server can use it: there is nobody to be told apart from. */
  readonly shared: Pick<Datastore, 'commit' | 'read'> | undefined
  readonly clock: Clock
  /** Cluster IP of the Service. */
  readonly serviceAddress: () => string
  readonly onError: (error: unknown) => void
}

export interface PresenceOptions {
  /** Port of the Service, 443. */
  readonly servicePort: number
  /** Where this server can be reached, and its port. */
  readonly advertiseAddresses: readonly string[]
  readonly securePort: number
}

export class Presence {
  readonly #parts: PresenceParts
  readonly #options: PresenceOptions
  readonly #leases: MasterLeases | undefined
  #own: readonly string[]

  constructor(parts: PresenceParts, options: PresenceOptions) {
    const { shared: datastore, clock, onError } = parts
    const own = { ip: options.advertiseAddresses[0]!, port: options.securePort }
    this.#parts = parts
    this.#options = options
    this.#own = options.advertiseAddresses
    this.#leases = datastore && new MasterLeases({ datastore, clock, own, onError })
  }

  /** Looks who is there, once. */
  async begin(): Promise<void> {
    await this.#leases?.round()
  }

  /** Creates what is missing of the objects every cluster has, and corrects where its servers are. */
  readonly restore = async (): Promise<void> => {
    await this.#leases?.look()
    const { servicePort, securePort: port } = this.#options
    const servers = this.#leases?.live ?? this.#own.map(ip => ({ ip, port }))
    const serviceAddress = this.#parts.serviceAddress()
    await bootstrapObjects(this.#parts.client(), { servicePort, servers, serviceAddress })
  }

  /** Until aborted. */
  async keep(signal: AbortSignal): Promise<void> {
    await this.#leases?.run(this.restore, signal)
  }

  /** Clients and nodes reach this server at another address from now on. */
  async advertise(ip: string): Promise<void> {
    this.#own = [ip]
    await this.#leases?.moveTo({ ip, port: this.#options.securePort })
    await this.restore()
  }

  /** Takes this server off the list; the only one stays on it. */
  async leave(): Promise<void> {
    if (!this.#leases) return
    await this.#leases.leave()
    await this.restore()
  }
}
