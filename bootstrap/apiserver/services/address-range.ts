/** The addresses of a service CIDR as numbers (kubernetes pkg/registry/core/service/ipallocator). */
import { addressNumber, addressText, cidrSize, type Family, familyOf, parseCidr } from '../../api/cidr.ts'

/** No range is searched beyond its first 2^20 addresses. */
const maxUsable = 1n << 20n

export class AddressRange {
  readonly cidr: string
  readonly family: Family
  readonly #base: bigint
  readonly #last: bigint
  /** How many addresses can be handed out: offsets 1 to this. */
  readonly usable: number

  /** Throws one line for text that is no CIDR. */
  constructor(cidr: string) {
    const parsed = parseCidr(cidr)
    if (!parsed)
      throw new Error(`service CIDR ${JSON.stringify(cidr)}: want an address and a prefix length, e.g. 10.43.0.0/16`)
    this.cidr = cidr
    this.family = parsed.family
    this.#base = parsed.base
    // The first address names the network; the last one is IPv4's broadcast.
    this.#last = cidrSize(parsed) - (parsed.family === 'IPv4' ? 2n : 1n)
    this.usable = Number(this.#last < maxUsable ? this.#last : maxUsable)
  }

  at(offset: number): string {
    return addressText(this.#base + BigInt(offset), this.family)
  }

  contains(address: string): boolean {
    if (familyOf(address) !== this.family) return false
    const offset = addressNumber(address) - this.#base
    return offset > 0n && offset <= this.#last
  }
}
