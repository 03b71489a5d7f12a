/** Keeps the node's service table equal to what Services and EndpointSlices say; driven by their changes alone. */
import { cidrFamily, contains, type Family, parseCidr } from '../../../api/cidr.ts'
import type { Clock } from '../../../client/clock.ts'
import { backoffMs } from '../../../client/clock.ts'
import type { Informer } from '../../../client/informer.ts'
import type { EndpointSlice, Service } from '../../../client/resources.ts'
import type { Logger } from '../../../log.ts'
import type { Exec } from '../exec.ts'
import type { Balancers } from './balancers.ts'
import { ServiceHealth } from './health.ts'
import { listenerOn } from './listeners.ts'
import type { ProxyHealth } from './proxy-health.ts'
import { type ServiceRule, serviceRules } from './rules.ts'
import { nftScript } from './script.ts'
import { staleFlows } from './stale-flows.ts'
import { serviceTable, type Table } from './table.ts'

export interface ServiceProxyDeps {
  readonly services: Informer<Service>
  readonly slices: Informer<EndpointSlice>
  readonly node: string
  /** One network per family; a table each. */
  readonly clusterCidrs: readonly string[]
  /** This node's own addresses. */
  readonly nodeIps?: () => readonly string[]
  /** Load balancers on this node; without them only published addresses are balanced. */
  readonly balancers?: Balancers
  /** Tells a service's owner what its rules cannot mend. */
  readonly tell?: (service: Service, reason: string, message: string) => void
  readonly exec: Exec
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
}

/** What is known of the kernel's table: nothing after a failure, so that the next script starts from scratch. */
type Applied = { readonly kind: 'unknown' } | { readonly kind: 'tables'; readonly tables: readonly FamilyTable[] }

interface FamilyTable {
  readonly family: Family
  readonly table: Table
  readonly rules: readonly ServiceRule[]
}

export class ServiceProxy {
  readonly #deps: ServiceProxyDeps
  readonly #health: ServiceHealth
  #applied: Applied = { kind: 'unknown' }
  #wake: () => void = () => {}
  #dirty = true
  #updatedAt = 0
  #pendingSince: number | undefined

  constructor(deps: ServiceProxyDeps) {
    this.#deps = deps
    const failed = (service: Service, message: string) =>
      deps.tell?.(service, 'FailedToStartServiceHealthcheck', message)
    this.#health = new ServiceHealth({ log: deps.log, node: deps.node, failed })
  }

  get health(): ProxyHealth {
    return { updatedAt: this.#updatedAt, pendingSince: this.#pendingSince }
  }

  /** Resolves once the first table is in the kernel; keeps on until aborted. The table stays when it ends. */
  async start(signal: AbortSignal): Promise<void> {
    const { services, slices, balancers } = this.#deps
    await Promise.all([services.whenSynced(), slices.whenSynced(), balancers?.whenSynced()])
    const changed = () => {
      this.#dirty = true
      this.#pendingSince ??= this.#deps.clock.now()
      this.#wake()
    }
    const handlers = { added: changed, updated: changed, deleted: changed }
    const stops = [services.subscribe(handlers), slices.subscribe(handlers)]
    balancers?.follow(changed, signal)
    signal.addEventListener('abort', () => {
      this.#health.close()
      for (const stop of stops) stop()
      this.#wake()
    })
    await this.#sync(signal)
    void this.#loop(signal)
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!this.#dirty) await new Promise<void>(resolve => (this.#wake = resolve))
      // One turn of patience: the changes of one apply arrive together.
      await new Promise(resolve => setImmediate(resolve))
      if (!signal.aborted && this.#dirty) await this.#sync(signal)
    }
  }

  /** Applies the current state, retrying with back-off until it is in the kernel. */
  async #sync(signal: AbortSignal): Promise<void> {
    const { exec, clock, log, random } = this.#deps
    for (let attempt = 0; !signal.aborted; attempt++) {
      this.#dirty = false
      const services = this.#deps.services.list()
      const tables = this.#tables(services)
      const rules = tables.flatMap(each => each.rules)
      this.#health.update(services, oncePerPort(tables))
      const before = this.#applied.kind === 'tables' ? this.#applied.tables : undefined
      const script = tables
        .map(({ family, table }) => nftScript(before?.find(each => each.family === family)?.table, table))
        .join('')
      try {
        if (script !== '') await exec('nft', ['-f', '-'], script)
        this.#applied = { kind: 'tables', tables }
        this.#updatedAt = clock.now()
        if (!this.#dirty) this.#pendingSince = undefined
        for (const { family, rules: old } of before ?? [])
          await this.#forgetFlows(family, old, tables.find(each => each.family === family)!.rules)
        void this.#tellOfListeners(before?.flatMap(each => each.rules) ?? [], rules)
        return
      } catch (error) {
        this.#applied = { kind: 'unknown' }
        log.error({ err: error }, 'cannot update the service rules, trying again')
        await clock.sleep(backoffMs(attempt, 100, 30_000, random), signal).catch(() => {})
      }
    }
  }

  #tables(services: readonly Service[]): FamilyTable[] {
    const { balancers, clusterCidrs, node, slices } = this.#deps
    const held = balancers?.held()
    return clusterCidrs.map(clusterCidr => {
      const family = cidrFamily(clusterCidr)!
      const rules = serviceRules(services, slices.list(), node, held, family)
      return { family, rules, table: serviceTable(rules, { family, clusterCidr }) }
    })
  }

  /** A port that a load balancer took over from a process of this machine: the process gets no connections any more. */
  async #tellOfListeners(before: readonly ServiceRule[], after: readonly ServiceRule[]): Promise<void> {
    const known = new Set(before.filter(rule => rule.heldHere).map(rule => rule.id))
    const { tell, node, log, clusterCidrs } = this.#deps
    const pods = clusterCidrs.map(cidr => parseCidr(cidr)!)
    for (const { id, protocol, port, heldHere } of after) {
      if (!tell || !heldHere || known.has(id) || protocol === 'sctp') continue
      known.add(id)
      try {
        const ofPods = (address: string) => pods.some(cidr => contains(cidr, address))
        const listener = await listenerOn(protocol, port, ofPods)
        const service = listener && this.#deps.services.get(id.slice(0, id.lastIndexOf(':')))
        if (!service) continue
        const what = `port ${port}/${protocol.toUpperCase()} of node ${node}`
        const message = `${listener.process} listens on ${what}, too: connections now go to this service instead`
        tell(service, 'PortShadowed', message)
      } catch (error) {
        log.debug({ err: error, port }, 'cannot tell who listens on the port')
      }
    }
  }

  async #forgetFlows(family: Family, before: readonly ServiceRule[], after: readonly ServiceRule[]): Promise<void> {
    const ips = (this.#deps.nodeIps?.() ?? []).filter(ip => cidrFamily(ip) === family)
    const of = family === 'IPv6' ? ['-f', 'ipv6'] : []
    // conntrack exits 1 when nothing matched.
    for (const filter of staleFlows(before, after, ips))
      await this.#deps
        .exec('conntrack', ['-D', ...of, '-p', 'udp', ...filter])
        .catch(error => this.#deps.log.debug({ err: error }, 'no flow to forget'))
  }
}

/** The rules of all families, without those of a further family for the same port: its endpoints are the same pods. */
function oncePerPort(tables: readonly FamilyTable[]): ServiceRule[] {
  const seen = new Set<string>()
  return tables.flatMap(({ rules }) => {
    const fresh = rules.filter(({ id }) => !seen.has(id))
    for (const { id } of fresh) seen.add(id)
    return fresh
  })
}
