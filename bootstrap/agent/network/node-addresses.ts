/** This node's addresses: those that were given, else the machine's own, which are followed when they change. */
import { familyOf } from '../../api/cidr.ts'
import { type AddressSources, machineAddresses } from '../../config/machine-addresses.ts'

export interface NodeAddressOptions extends AddressSources {
  /** At the start, the primary one first. */
  readonly initial: readonly string[]
  /** They were given with --node-ip: nothing moves them. */
  readonly given: boolean
  /** --flannel-iface: only its addresses count. */
  readonly iface?: string | undefined
}

export class NodeAddresses {
  readonly #options: NodeAddressOptions
  #current: readonly string[]

  constructor(options: NodeAddressOptions) {
    this.#options = options
    this.#current = options.initial
  }

  get current(): readonly string[] {
    return this.#current
  }

  /**
   * Looks at the machine; true when the addresses have changed. An address is left only when the machine has it no more and
   * has another one of its family: a further interface changes nothing, nor does a cable that is out for a while.
   */
  look(): boolean {
    if (this.#options.given) return false
    const present = machineAddresses(this.#options.iface, this.#options)
    const next = this.#current.map(address => {
      if (present.includes(address)) return address
      return present.find(other => familyOf(other) === familyOf(address)) ?? address
    })
    if (next.every((address, at) => address === this.#current[at])) return false
    this.#current = next
    return true
  }
}
