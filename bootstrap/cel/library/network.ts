/** Addresses and networks (apiserver pkg/cel/library/ip.go, cidr.go). */
import { BlockList, isIP, isIPv4 } from 'node:net'
import { CelError } from '../errors.ts'
import { fn, method, type Overload } from '../functions.ts'
import { bool, int, opaque, string } from '../types.ts'
import type { Opaque } from '../values.ts'

const ipType = opaque('net.IP')
const cidrType = opaque('net.CIDR')

class Address implements Opaque {
  readonly opaque = 'net.IP'
  /** Canonical. */
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  get family(): 4 | 6 {
    return isIPv4(this.text) ? 4 : 6
  }

  equals(other: Opaque): boolean {
    return this.text === (other as Address).text
  }
}

class Network implements Opaque {
  readonly opaque = 'net.CIDR'
  readonly address: Address
  readonly bits: number

  constructor(address: Address, bits: number) {
    this.address = address
    this.bits = bits
  }

  equals(other: Opaque): boolean {
    const { address, bits } = other as Network
    return this.address.text === address.text && this.bits === bits
  }

  contains(address: Address): boolean {
    if (address.family !== this.address.family) return false
    const list = new BlockList()
    const family = this.address.family === 4 ? 'ipv4' : 'ipv6'
    list.addSubnet(this.address.text, this.bits, family)
    return list.check(address.text, family)
  }
}

function tryAddress(text: string): Address | string {
  if (text.includes('%')) return 'IP Address with zone value is not allowed'
  const family = isIP(text)
  if (family === 0 || /(^|\.)0\d/.test(text)) return `IP Address '${text}' parse error during conversion from string`
  if (family === 4) return new Address(text)
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1)
  if (/^::ffff:[0-9a-f]+:[0-9a-f]+$/.test(canonical)) return 'IPv4-mapped IPv6 address is not allowed'
  return new Address(canonical)
}

function address(text: string): Address {
  const found = tryAddress(text)
  if (typeof found === 'string') throw new CelError(found)
  return found
}

function tryNetwork(text: string): Network | undefined {
  const [host = '', bits = '', ...rest] = text.split('/')
  const found = tryAddress(host)
  const fits = /^(?:0|[1-9]\d{0,2})$/.test(bits) && rest.length === 0
  if (typeof found === 'string' || !fits || Number(bits) > (found.family === 4 ? 32 : 128)) return undefined
  return new Network(found, Number(bits))
}

function network(text: string): Network {
  const found = tryNetwork(text)
  if (!found) throw new CelError(`CIDR '${text}' parse error during conversion from string`)
  return found
}

const within = (...networks: readonly string[]) => {
  const parsed = networks.map(network)
  return ({ text }: Address) => parsed.some(one => one.contains(new Address(text)))
}

/** The network's own address: what is behind the prefix cleared. */
function masked({ address: { text, family }, bits }: Network): Network {
  const groups = family === 4 ? text.split('.').map(Number) : expanded(text)
  const size = family === 4 ? 8 : 16
  const cleared = groups.map((group, index) => {
    const kept = Math.min(size, Math.max(0, bits - index * size))
    return group & (((1 << kept) - 1) << (size - kept))
  })
  return new Network(
    address(family === 4 ? cleared.join('.') : cleared.map(group => group.toString(16)).join(':')),
    bits,
  )
}

function expanded(text: string): number[] {
  const [head = '', tail] = text.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const [left, right] = [groups(head), groups(tail ?? '')]
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  return [...left, ...Array<string>(zeros).fill('0'), ...right].map(group => Number.parseInt(group, 16))
}

const tests: readonly (readonly [string, (value: Address) => boolean])[] = [
  ['isUnspecified', ({ text }) => text === '0.0.0.0' || text === '::'],
  ['isLoopback', within('127.0.0.0/8', '::1/128')],
  ['isLinkLocalMulticast', within('224.0.0.0/24', 'ff02::/16')],
  ['isLinkLocalUnicast', within('169.254.0.0/16', 'fe80::/10')],
  [
    'isGlobalUnicast',
    value =>
      !within(
        '0.0.0.0/32',
        '255.255.255.255/32',
        '127.0.0.0/8',
        '224.0.0.0/4',
        '169.254.0.0/16',
        '::/128',
        '::1/128',
        'ff00::/8',
        'fe80::/10',
      )(value),
  ],
]

export const networks: readonly Overload[] = [
  fn('ip', [string], ipType, address),
  fn('isIP', [string], bool, (text: string) => typeof tryAddress(text) !== 'string'),
  fn('ip.isCanonical', [string], bool, (text: string) => address(text).text === text),
  fn('string', [ipType], string, ({ text }: Address) => text),
  method('family', [ipType], int, ({ family }: Address) => BigInt(family)),
  ...tests.map(([name, test]) => method(name, [ipType], bool, test)),
  fn('cidr', [string], cidrType, network),
  fn('isCIDR', [string], bool, (text: string) => tryNetwork(text) !== undefined),
  fn('string', [cidrType], string, ({ address: { text }, bits }: Network) => `${text}/${bits}`),
  method('containsIP', [cidrType, string], bool, (within: Network, text: string) => within.contains(address(text))),
  method('containsIP', [cidrType, ipType], bool, (within: Network, one: Address) => within.contains(one)),
  method('containsCIDR', [cidrType, string], bool, (outer: Network, text: string) => holds(outer, network(text))),
  method('containsCIDR', [cidrType, cidrType], bool, holds),
  method('ip', [cidrType], ipType, ({ address: own }: Network) => own),
  method('masked', [cidrType], cidrType, masked),
  method('prefixLength', [cidrType], int, ({ bits }: Network) => BigInt(bits)),
]

function holds(outer: Network, inner: Network): boolean {
  return outer.bits <= inner.bits && outer.contains(inner.address)
}
