/** Keeps the node's service table equal to what Services and EndpointSlices say; driven by their changes alone. */
import type { Clock } from '../../../client/clock.ts'
import { backoffMs } from '../../../client/clock.ts'
import type { Informer } from '../../../client/informer.ts'
import type { EndpointSlice, Service } from '../../../client/resources.ts'
import type { Logger } from '../../../log.ts'
import type { Exec } from '../exec.ts'
import { type ServiceRule, serviceRules } from './rules.ts'
import { nftScript } from './script.ts'
import { serviceTable, type Table } from './table.ts'

export interface ServiceProxyDeps {
  readonly services: Informer<Service>
  readonly slices: Informer<EndpointSlice>
  readonly node: string
  readonly clusterCidr: string
  readonly exec: Exec
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
}

/** What is known of the kernel's table: nothing after a failure, so that the next script starts from scratch. */
type Applied =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'table'; readonly table: Table; readonly rules: readonly ServiceRule[] }

export class ServiceProxy {
  readonly #deps: ServiceProxyDeps
  #applied: Applied = { kind: 'unknown' }
  #wake: () => void = () => {}
  #dirty = true

  constructor(deps: ServiceProxyDeps) {
    this.#deps = deps
  }

  /** Resolves once the first table is in the kernel; keeps on until aborted. The table stays when it ends. */
  async start(signal: AbortSignal): Promise<void> {
    const { services, slices } = this.#deps
    await Promise.all([services.whenSynced(), slices.whenSynced()])
    const changed = () => {
      this.#dirty = true
      this.#wake()
    }
    const handlers = { added: changed, updated: changed, deleted: changed }
    const stops = [services.subscribe(handlers), slices.subscribe(handlers)]
    signal.addEventListener('abort', () => {
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
      const rules = serviceRules(this.#deps.services.list(), this.#deps.slices.list(), this.#deps.node)
      const table = serviceTable(rules, this.#deps)
      const before = this.#applied
      const script = nftScript(before.kind === 'table' ? before.table : undefined, table)
      try {
        if (script !== '') await exec('nft', ['-f', '-'], script)
        this.#applied = { kind: 'table', table, rules }
        if (before.kind === 'table') await this.#forgetConnections(before.rules, rules)
        return
      } catch (error) {
        this.#applied = { kind: 'unknown' }
        log.error({ err: error }, 'cannot update the service rules, trying again')
        await clock.sleep(backoffMs(attempt, 100, 30_000, random), signal).catch(() => {})
      }
    }
  }

  /** UDP has no end of connection: flows to endpoints that are gone, or refused before, must be forgotten by hand. */
  async #forgetConnections(before: readonly ServiceRule[], after: readonly ServiceRule[]): Promise<void> {
    const now = new Map(after.map(rule => [rule.id, rule]))
    for (const rule of before) {
      if (rule.protocol !== 'udp') continue
      const endpoints = new Set(now.get(rule.id)?.endpoints.map(endpoint => endpoint.ip))
      const gone = new Set(rule.endpoints.map(endpoint => endpoint.ip).filter(ip => !endpoints.has(ip)))
      for (const ip of rule.clusterIps) {
        for (const target of gone) await this.#forget(['--orig-dst', ip, '--dst-nat', target])
        if (rule.endpoints.length === 0 && endpoints.size > 0)
          await this.#forget(['--orig-dst', ip, '--orig-port-dst', String(rule.port)])
      }
    }
  }

  async #forget(filter: readonly string[]): Promise<void> {
    // conntrack exits 1 when nothing matched.
    await this.#deps
      .exec('conntrack', ['-D', '-p', 'udp', ...filter])
      .catch(error => this.#deps.log.debug({ err: error }, 'no flow to forget'))
  }
}
