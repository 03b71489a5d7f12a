/** Cluster IPs and node ports of Services (kubernetes pkg/registry/core/service/storage/alloc.go). */
import type { FieldError } from '../../api/errors.ts'
import { errors, field } from '../../api/errors.ts'
import type { Draft, KubeObject } from '../../api/object.ts'
import { keyOf } from '../../api/object.ts'
import type { ServiceSpec } from '../../api/types.gen.ts'
import { CompactedError } from '../../datastore/datastore.ts'
import {
  keepAllocated,
  needsClusterIP,
  needsHealthCheckPort,
  needsNodePort,
  normalizeClusterIPs,
} from '../kinds/core/service-update.ts'
import type { Mutable } from '../kinds/kind.ts'
import type { ResourceStore, StoreEvent } from '../store/store.ts'
import type { WriteHook } from '../verbs/call.ts'
import { AddressPools } from './addresses.ts'
import { setFamilies } from './families.ts'
import { bandOf, Pool } from './pool.ts'

export interface AllocatorOptions {
  /** One CIDR, or one per family, the primary one first. */
  readonly serviceCidrs: readonly string[]
  /** Inclusive. */
  readonly nodePorts?: readonly [first: number, last: number]
  readonly random?: () => number
}

const defaultNodePorts = [30000, 32767] as const

type Undo = () => void

export class ServiceAllocator implements WriteHook {
  readonly #addresses: AddressPools
  readonly #ports: Pool
  readonly #first: number
  readonly #last: number

  constructor({ serviceCidrs, nodePorts = defaultNodePorts, random = Math.random }: AllocatorOptions) {
    this.#addresses = new AddressPools(serviceCidrs, random)
    ;[this.#first, this.#last] = nodePorts
    const size = this.#last - this.#first + 1
    this.#ports = new Pool(this.#first, size, bandOf(size, 32, 16, 128), random)
  }

  /** Takes over what stored Services hold and follows changes that others make. Settles when the signal aborts. */
  async follow(services: ResourceStore, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const after = services.revision
      // Where the changes in between may be lost, so may be what was given back; claims guard what is under way.
      if (services.shared) this.#forget()
      for (const stored of services.all()) this.#claim(stored.object)
      try {
        for await (const batch of services.watch({ after, signal })) for (const event of batch) this.#see(event)
      } catch (error) {
        if (!(error instanceof CompactedError) && !signal.aborted) throw error
      }
    }
  }

  /** Takes "ip/..." or "port/..." off the market; false when it was. */
  block(claim: string): boolean {
    const [kind, value] = splitClaim(claim)
    if (kind === 'ip') return this.#addresses.take(value, othersName)
    return this.#ports.ownerOf(Number(value)) === undefined && this.#ports.take(Number(value), othersName)
  }

  unblock(claim: string): void {
    const [kind, value] = splitClaim(claim)
    if (kind === 'ip') this.#addresses.release(value, othersName)
    else this.#ports.release(Number(value), othersName)
  }

  #forget(): void {
    this.#addresses.clear()
    this.#ports.clear()
  }

  #see(event: StoreEvent): void {
    if (event.type === 'DELETED') this.after(event.stored.object, undefined)
    else if (event.type !== 'BOOKMARK') this.after(event.previous?.object, event.stored.object)
  }

  /** The address Services of the primary family count from: the API server's own. */
  get apiServerAddress(): string {
    return this.#addresses.first
  }

  before(draft: Mutable, old: KubeObject | undefined): Undo {
    const owner = keyOf(draft)
    const undo: Undo[] = []
    try {
      this.#allocate(draft, old, owner, undo)
    } catch (error) {
      for (const step of undo) step()
      throw error
    }
    return () => {
      for (const step of undo) step()
    }
  }

  after(old: KubeObject | undefined, now: KubeObject | undefined): void {
    if (now) this.#claim(now)
    if (old) this.#release(old, now)
  }

  #allocate(draft: Mutable, old: KubeObject | undefined, owner: string, undo: Undo[]): void {
    const spec = (draft.spec ??= {}) as Draft<ServiceSpec>
    const before = old?.spec as ServiceSpec | undefined
    normalizeClusterIPs(spec, before)
    if (before) keepAllocated(spec, before)
    const problems: FieldError[] = []
    if (needsClusterIP(spec)) {
      problems.push(...setFamilies(spec, before, this.#addresses.families))
      if (problems.length === 0) problems.push(...this.#addresses.allocate(spec, owner, undo))
    }
    if (needsNodePort(spec)) problems.push(...this.#allocatePorts(spec, owner, undo))
    if (needsHealthCheckPort(spec)) problems.push(...this.#allocateHealthCheck(spec, owner, undo))
    if (problems.length > 0) throw errors.invalid({ group: '', kind: 'Service' }, draft.metadata.name ?? '', problems)
  }

  /** One node port per port number: TCP and UDP of the same number share theirs. */
  #allocatePorts(spec: Draft<ServiceSpec>, owner: string, undo: Undo[]): FieldError[] {
    const problems: FieldError[] = []
    const shared = new Map<number, number>()
    const used = new Set<string>()
    const ports = spec.ports ?? []
    for (const [index, port] of ports.entries()) {
      if (!port.nodePort) continue
      problems.push(...this.#takePort(port.nodePort, owner, `spec.ports[${index}].nodePort`, undo))
      shared.set(port.port, port.nodePort)
      used.add(`${port.protocol}/${port.nodePort}`)
    }
    for (const port of ports) {
      if (port.nodePort) continue
      const known = shared.get(port.port)
      const reusable = known !== undefined && !used.has(`${port.protocol}/${known}`)
      port.nodePort = reusable ? known : this.#nextPort(owner, undo)
      shared.set(port.port, port.nodePort)
      used.add(`${port.protocol}/${port.nodePort}`)
    }
    return problems
  }

  #allocateHealthCheck(spec: Draft<ServiceSpec>, owner: string, undo: Undo[]): FieldError[] {
    if (spec.healthCheckNodePort) {
      return this.#takePort(spec.healthCheckNodePort, owner, 'spec.healthCheckNodePort', undo)
    }
    spec.healthCheckNodePort = this.#nextPort(owner, undo)
    return []
  }

  #takePort(port: number, owner: string, path: string, undo: Undo[]): FieldError[] {
    if (port < this.#first || port > this.#last) {
      const range = `${this.#first}-${this.#last}`
      return [
        field.invalid(path, port, `provided port is not in the valid range. The range of valid ports is ${range}`),
      ]
    }
    const mine = this.#ports.ownerOf(port) === owner
    if (!this.#ports.take(port, owner)) return [field.invalid(path, port, 'provided port is already allocated')]
    if (!mine) undo.push(() => this.#ports.release(port, owner))
    return []
  }

  #nextPort(owner: string, undo: Undo[]): number {
    const port = this.#ports.next(owner)
    if (port === undefined) throw errors.internal('failed to allocate a nodePort: range is full')
    undo.push(() => this.#ports.release(port, owner))
    return port
  }

  #claim(service: KubeObject): void {
    const owner = keyOf(service)
    for (const address of addressesOf(service)) this.#addresses.take(address, owner)
    for (const port of portsOf(service)) this.#ports.take(port, owner)
  }

  #release(old: KubeObject, now: KubeObject | undefined): void {
    const owner = keyOf(old)
    const addresses = new Set(now && addressesOf(now))
    const ports = new Set(now && portsOf(now))
    for (const address of addressesOf(old)) if (!addresses.has(address)) this.#addresses.release(address, owner)
    for (const port of portsOf(old)) if (!ports.has(port)) this.#ports.release(port, owner)
  }
}

/** The cluster IPs a Service holds. */
export function addressesOf(service: KubeObject): readonly string[] {
  const { clusterIP, clusterIPs } = (service.spec ?? {}) as ServiceSpec
  return (clusterIPs ?? (clusterIP ? [clusterIP] : [])).filter(address => address !== 'None' && address !== '')
}

/** Whose it is that another server has claimed: no Service's. */
const othersName = ''

function splitClaim(claim: string): readonly [kind: string, value: string] {
  const slash = claim.indexOf('/')
  return [claim.slice(0, slash), claim.slice(slash + 1)]
}

/** The node ports a Service holds. */
export function portsOf(service: KubeObject): readonly number[] {
  const { ports = [], healthCheckNodePort } = (service.spec ?? {}) as ServiceSpec
  return [...ports.map(port => port.nodePort), healthCheckNodePort].flatMap(port => port || [])
}
