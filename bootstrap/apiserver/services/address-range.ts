/** The addresses of a service CIDR as numbers (kubernetes pkg/registry/core/service/ipallocator). */
import { isIP } from 'node:net'

export type Family = 'IPv4' | 'IPv6'

/** No range is searched beyond its first 2^20 addresses. */
const maxUsable = 1n << 20n

export class AddressRange {
  readonly cidr: string
  readonly family: Family
  readonly #base: bigint
  readonly #prefixSize: bigint
  /** How many addresses can be handed out: offsets 1 to this. */
  readonly usable: number

  /** Throws one line for text that is no CIDR. */
  constructor(cidr: string) {
    const [address = '', length = ''] = cidr.split('/')
    const version = isIP(address)
    const bits = version === 4 ? 32 : 128
    const prefix = Number(length)
    if (version === 0 || !/^\d+$/.test(length) || prefix > bits) {
      throw new Error(`service CIDR ${JSON.stringify(cidr)}: want an address and a prefix length, e.g. 10.43.0.0/16`)
    }
    this.cidr = cidr
    this.family = version === 4 ? 'IPv4' : 'IPv6'
    this.#prefixSize = 1n << BigInt(bits - prefix)
    this.#base = (toNumber(address) / this.#prefixSize) * this.#prefixSize
    // The first address names the network; the last one is IPv4's broadcast.
    const last = this.#prefixSize - (version === 4 ? 2n : 1n)
    this.usable = Number(last < maxUsable ? last : maxUsable)
  }

  at(offset: number): string {
    return toText(this.#base + BigInt(offset), this.family)
  }

  contains(address: string): boolean {
    if (familyOf(address) !== this.family) return false
    const offset = toNumber(address) - this.#base
    const last = this.#prefixSize - (this.family === 'IPv4' ? 2n : 1n)
    return offset > 0n && offset <= last
  }
}

export function familyOf(address: string): Family | undefined {
  const version = isIP(address)
  return version === 0 ? undefined : version === 4 ? 'IPv4' : 'IPv6'
}

function toNumber(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((sum, part) => (sum << 8n) + BigInt(Number(part)), 0n)
  const full = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = full.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  const groups = tail === undefined ? left : [...left, ...zeros, ...right]
  return groups.reduce((sum, group) => (sum << 16n) + BigInt(Number.parseInt(group, 16)), 0n)
}

function toText(value: bigint, family: Family): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
