/** This node's addresses: those that were given, else the machine's own, which are followed when they change. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { familyOf } from '../../api/cidr.ts'

export interface NodeAddressOptions {
  /** At the start, the primary one first. */
  readonly initial: readonly string[]
  /** They were given with --node-ip: nothing moves them. */
  readonly given: boolean
  /** --flannel-iface: only its addresses count. */
  readonly iface?: string | undefined
  readonly interfaces?: typeof networkInterfaces
}

/** Devices of pods and of the overlay. */
const ofPods = /^(cni0|flannel|veth|docker|br-|virbr|lo$)/

const unreachable = /^(169\.254\.|fe[89ab])/i

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
    const present = this.#present()
    const next = this.#current.map(address => {
      if (present.includes(address)) return address
      return present.find(other => familyOf(other) === familyOf(address)) ?? address
    })
    if (next.every((address, at) => address === this.#current[at])) return false
    this.#current = next
    return true
  }

  #present(): string[] {
    const { iface, interfaces = networkInterfaces } = this.#options
    const all = Object.entries(interfaces()) as [string, NetworkInterfaceInfo[]][]
    return all
      .filter(([name]) => (iface === undefined ? !ofPods.test(name) : name === iface))
      .flatMap(([, list]) => list)
      .filter(({ address, internal }) => !internal && !unreachable.test(address))
      .map(({ address }) => address)
  }
}
