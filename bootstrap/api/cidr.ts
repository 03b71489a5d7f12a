/** Addresses and networks of both families as numbers. Pure. */
import { isIP } from 'node:net'

export type Family = 'IPv4' | 'IPv6'

export interface Cidr {
  readonly family: Family
  /** The network's first address. */
  readonly base: bigint
  /** Prefix length. */
  readonly bits: number
}

export const addressBits = (family: Family): number => (family === 'IPv4' ? 32 : 128)

/** Undefined for text that is no address. */
export function familyOf(address: string): Family | undefined {
  const version = isIP(address)
  return version === 0 ? undefined : version === 4 ? 'IPv4' : 'IPv6'
}

/** Undefined for text that is no network. */
export function cidrFamily(cidr: string): Family | undefined {
  return familyOf(cidr.split('/')[0] ?? '')
}

/** Undefined for text that is no "address/prefix length"; bits beyond the prefix are cut off. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length = '', ...rest] = text.split('/')
  const family = familyOf(address)
  if (family === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined
  const bits = Number(length)
  if (bits > addressBits(family)) return undefined
  const size = 1n << BigInt(addressBits(family) - bits)
  return { family, base: (addressNumber(address) / size) * size, bits }
}

export const cidrText = ({ base, bits, family }: Cidr): string => `${addressText(base, family)}/${bits}`

/** How many addresses a network has. */
export const cidrSize = ({ family, bits }: Cidr): bigint => 1n << BigInt(addressBits(family) - bits)

/** Whether a network, or an address, lies within another network. */
export function contains(outer: Cidr, inner: string): boolean {
  const family = familyOf(inner)
  const cidr = parseCidr(family ? `${inner}/${addressBits(family)}` : inner)
  if (!cidr || cidr.family !== outer.family || cidr.bits < outer.bits) return false
  return cidr.base >= outer.base && cidr.base < outer.base + cidrSize(outer)
}

/** The nth address of a network: 10.43.0.0/16 and 10 give 10.43.0.10, fd00:43::/112 and 10 give fd00:43::a. */
export function nthAddress(cidr: string, n: number): string {
  const { base, family } = parseCidr(cidr)!
  return addressText(base + BigInt(n), family)
}

/** `address` must be one. */
export function addressNumber(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((sum, part) => (sum << 8n) + BigInt(Number(part)), 0n)
  const full = new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1)
  const [head = '', tail] = full.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  const groups = tail === undefined ? left : [...left, ...zeros, ...right]
  return groups.reduce((sum, group) => (sum << 16n) + BigInt(Number.parseInt(group, 16)), 0n)
}

export function addressText(value: bigint, family: Family): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
