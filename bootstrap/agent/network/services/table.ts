/**
 * The nftables table of the service rules, as data: what kube-proxy's nftables mode does (kubernetes/kubernetes
 * pkg/proxy/nftables), with one map lookup per packet and one chain per service port.
 */
import { createHash } from 'node:crypto'
import type { Family } from '../../../api/cidr.ts'
import type { Endpoint, ServiceRule } from './rules.ts'

/** A table's content: definitions, rules per chain, and elements per map or set. Values are "" for sets. */
export interface Table {
  readonly family: 'ip' | 'ip6'
  readonly name: string
  /** Set or map name -> "set { type ... ; }" body with its keyword. */
  readonly sets: ReadonlyMap<string, string>
  /** Chain name -> hook line ("" for none) and rules. */
  readonly chains: ReadonlyMap<string, { readonly hook: string; readonly rules: readonly string[] }>
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, string>>
}

export interface TableOptions {
  readonly family: Family
  /** Of this family. */
  readonly clusterCidr: string
}

/** What nftables calls things of a family. */
const words = {
  IPv4: { ip: 'ip', address: 'ipv4_addr' },
  IPv6: { ip: 'ip6', address: 'ipv6_addr' },
} as const

/** Packets with this mark leave with the node's address (kube-proxy's masquerade mark). */
const masqueradeMark = '0x4000'
const markForMasquerade = `meta mark set meta mark or ${masqueradeMark}`

/** `rules` are of the table's family. */
export function serviceTable(rules: readonly ServiceRule[], options: TableOptions): Table {
  const builder = new TableBuilder(options)
  for (const rule of rules) builder.add(rule)
  return builder.table()
}

class TableBuilder {
  readonly #options: TableOptions
  readonly #ip: 'ip' | 'ip6'
  readonly #sets = new Map<string, string>()
  readonly #chains = new Map<string, { hook: string; rules: string[] }>()
  readonly #elements = new Map<string, Map<string, string>>()

  constructor(options: TableOptions) {
    this.#options = options
    const { ip, address } = words[options.family]
    this.#ip = ip
    for (const kind of ['service', 'refused']) {
      this.#sets.set(`${kind}-ips`, `map { type ${address} . inet_proto . inet_service : verdict; }`)
      this.#sets.set(`${kind}-nodeports`, 'map { type inet_proto . inet_service : verdict; }')
      this.#sets.set(`${kind}-hostports`, 'map { type inet_proto . inet_service : verdict; }')
    }
    this.#sets.set('hairpin', `set { type ${address} . ${address}; }`)
    for (const name of this.#sets.keys()) this.#elements.set(name, new Map())
    this.#baseChains()
  }

  table(): Table {
    return {
      family: this.#ip,
      name: 'skiff-services',
      sets: this.#sets,
      chains: this.#chains,
      elements: this.#elements,
    }
  }

  add(rule: ServiceRule): void {
    const hash = createHash('sha256').update(rule.id).digest('hex').slice(0, 12)
    for (const endpoint of rule.endpoints) this.#element('hairpin', `${endpoint.ip} . ${endpoint.ip}`, '')
    this.#internal(rule, hash)
    this.#external(rule, hash)
  }

  /** The way to the cluster IPs. */
  #internal(rule: ServiceRule, hash: string): void {
    const endpoints = rule.internalLocal ? rule.endpoints.filter(endpoint => endpoint.local) : rule.endpoints
    const chain = `svc-${hash}`
    for (const ip of rule.clusterIps) {
      const key = `${ip} . ${rule.protocol} . ${rule.port}`
      if (endpoints.length > 0) this.#element('service-ips', key, `goto ${chain}`)
      else this.#element('refused-ips', key, rule.endpoints.length > 0 ? 'drop' : 'goto refuse')
    }
    if (endpoints.length === 0) return
    const rules = [`${this.#ip} saddr != ${this.#options.clusterCidr} ${markForMasquerade}`]
    this.#chain(chain, [...rules, ...this.#balance(rule, hash, endpoints)])
  }

  /** The way to node ports, external and load-balancer addresses. */
  #external(rule: ServiceRule, hash: string): void {
    const { nodePort, externalIps, loadBalancerIps, heldHere } = rule
    if (nodePort === undefined && externalIps.length === 0 && loadBalancerIps.length === 0 && !heldHere) return
    const reachable = rule.endpoints.length > 0
    const chain = `ext-${hash}`
    if (reachable) this.#chain(chain, this.#externalRules(rule, hash))
    const verdict = reachable ? `goto ${chain}` : 'goto refuse'
    const kind = reachable ? 'service' : 'refused'
    if (nodePort !== undefined) this.#element(`${kind}-nodeports`, `${rule.protocol} . ${nodePort}`, verdict)
    for (const ip of externalIps) this.#element(`${kind}-ips`, `${ip} . ${rule.protocol} . ${rule.port}`, verdict)
    if (loadBalancerIps.length === 0 && !heldHere) return
    const guarded = reachable && rule.sourceRanges.length > 0
    if (guarded) this.#chain(`fw-${hash}`, [`${this.#ip} saddr != { ${rule.sourceRanges.join(', ')} } drop`, verdict])
    const balanced = guarded ? `goto fw-${hash}` : verdict
    for (const ip of loadBalancerIps) this.#element(`${kind}-ips`, `${ip} . ${rule.protocol} . ${rule.port}`, balanced)
    if (heldHere) this.#element(`${kind}-hostports`, `${rule.protocol} . ${rule.port}`, balanced)
  }

  #externalRules(rule: ServiceRule, hash: string): string[] {
    const all = `lb-${hash}`
    this.#chain(all, this.#balance(rule, hash, rule.endpoints))
    if (!rule.externalLocal) return [markForMasquerade, `goto ${all}`]
    const local = rule.endpoints.filter(endpoint => endpoint.local)
    // Pods and this node itself may use every endpoint; from outside only the local ones, with the client's own address.
    const inside = [
      `${this.#ip} saddr ${this.#options.clusterCidr} goto ${all}`,
      `fib saddr type local ${markForMasquerade} goto ${all}`,
    ]
    return [...inside, ...(local.length > 0 ? this.#balance(rule, `${hash}-local`, local) : ['drop'])]
  }

  /** Rules that send a new connection to one of the endpoints. */
  #balance(rule: ServiceRule, hash: string, endpoints: readonly Endpoint[]): string[] {
    if (rule.affinitySeconds !== undefined) return this.#stickyBalance(rule, hash, endpoints, rule.affinitySeconds)
    const [only] = endpoints
    if (endpoints.length === 1) return [`meta l4proto ${rule.protocol} dnat to ${socket(only!)}`]
    const targets = endpoints.map(({ ip, port }, index) => `${index} : ${ip} . ${port}`).join(', ')
    return [
      `meta l4proto ${rule.protocol} dnat ${this.#ip} to numgen random mod ${endpoints.length} map { ${targets} }`,
    ]
  }

  /** A client keeps its endpoint: one chain per endpoint, which remembers who was sent there. */
  #stickyBalance(rule: ServiceRule, hash: string, endpoints: readonly Endpoint[], seconds: number): string[] {
    const names = endpoints.map(endpoint => {
      const name = `ep-${hash}-${endpoint.ip.replaceAll(/[.:]/g, '-')}-${endpoint.port}`
      this.#sets.set(
        `by-${name}`,
        `set { type ${words[this.#options.family].address}; flags dynamic,timeout; timeout ${seconds}s; }`,
      )
      this.#chain(name, [
        `update @by-${name} { ${this.#ip} saddr }`,
        `meta l4proto ${rule.protocol} dnat to ${socket(endpoint)}`,
      ])
      return name
    })
    const targets = names.map((name, index) => `${index} : goto ${name}`).join(', ')
    return [
      ...names.map(name => `${this.#ip} saddr @by-${name} goto ${name}`),
      `numgen random mod ${names.length} vmap { ${targets} }`,
    ]
  }

  #baseChains(): void {
    const { clusterCidr, family } = this.#options
    const ip = this.#ip
    this.#chain('refuse', ['meta l4proto tcp reject with tcp reset', 'reject'])
    this.#chain('services', [
      `${ip} daddr . meta l4proto . th dport vmap @service-ips`,
      'fib daddr type local meta l4proto . th dport vmap @service-nodeports',
      // Embedded pods' addresses are the node's, too, and their ports their own.
      `${ip} daddr != ${clusterCidr} fib daddr type local meta l4proto . th dport vmap @service-hostports`,
    ])
    this.#chain('refused', [
      `ct state new ${ip} daddr . meta l4proto . th dport vmap @refused-ips`,
      'ct state new fib daddr type local meta l4proto . th dport vmap @refused-nodeports',
      `ct state new ${ip} daddr != ${clusterCidr} fib daddr type local meta l4proto . th dport vmap @refused-hostports`,
    ])
    this.#chain('nat-prerouting', ['jump services'], 'type nat hook prerouting priority dstnat;')
    this.#chain('nat-output', ['jump services'], 'type nat hook output priority -100;')
    const marked = `meta mark & ${masqueradeMark} != 0 meta mark set meta mark & 0xffffbfff masquerade`
    this.#chain(
      'nat-postrouting',
      [marked, `${ip} saddr . ${ip} daddr @hairpin masquerade`],
      'type nat hook postrouting priority srcnat;',
    )
    // Node ports answer on 127.0.0.1, which needs route_localnet; nobody outside may use that to reach loopback services.
    const loopback =
      'iifname != "lo" ip daddr 127.0.0.0/8 ct status & dnat == 0 ct state != { established, related } drop'
    // Nothing leads IPv6 packets to loopback.
    const guards = family === 'IPv4' ? [loopback] : []
    this.#chain('filter-input', [...guards, 'jump refused'], 'type filter hook input priority -1;')
    this.#chain('filter-forward', ['jump refused'], 'type filter hook forward priority -1;')
    this.#chain('filter-output', ['jump refused'], 'type filter hook output priority -1;')
  }

  #chain(name: string, rules: string[], hook = ''): void {
    this.#chains.set(name, { hook, rules })
  }

  #element(set: string, key: string, value: string): void {
    this.#elements.get(set)!.set(key, value)
  }
}

/** An endpoint as dnat has it. */
const socket = ({ ip, port }: Endpoint): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)
