/**
 * What clients see of the allocator's work: an IPAddress for every cluster IP, and the ServiceCIDR of the cluster's own
 * ranges (kubernetes pkg/registry/core/service/ipallocator, pkg/controlplane/controller/defaultservicecidr).
 */

import { familyOf } from '../../api/cidr.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { keyOf } from '../../api/object.ts'
import { rfc3339 } from '../../api/time.ts'
import type { IPAddress, ServiceCIDR } from '../../api/types.gen.ts'
import type { Client } from '../../client/client.ts'
import { ipAddresses, serviceCIDRs } from '../../client/resources.ts'
import { type Follower, followStore } from '../auth/follow.ts'
import type { ResourceStore } from '../store/store.ts'
import { addressesOf } from './allocator.ts'

const familyLabel = 'ipaddress.kubernetes.io/ip-family'
const managerLabel = 'ipaddress.kubernetes.io/managed-by'
const manager = 'ipallocator.k8s.io'

export interface IpAddressParts {
  readonly services: ResourceStore
  readonly addresses: ResourceStore
  readonly client: Pick<Client, 'create' | 'delete'>
  /** Told of what could not be written; it is tried again with the Service's next change. */
  readonly onError: (error: unknown, address: string) => void
}

/** Keeps the IPAddress objects as the Services are. Settles when the signal aborts. */
export function followIpAddresses(parts: IpAddressParts, signal: AbortSignal): Promise<void> {
  return followStore(parts.services, new IpAddresses(parts), signal)
}

class IpAddresses implements Follower {
  readonly #parts: IpAddressParts
  readonly #holders = new Map<string, KubeObject>()
  /** By the Service's key. */
  readonly #held = new Map<string, readonly string[]>()
  readonly #changed = new Set<string>()
  #busy = false

  constructor(parts: IpAddressParts) {
    this.#parts = parts
  }

  clear(): void {
    this.#holders.clear()
    this.#held.clear()
    for (const { name } of this.#parts.addresses.all()) this.#changed.add(name)
    void this.#settle()
  }

  set(service: KubeObject): void {
    this.delete(service)
    const addresses = addressesOf(service)
    this.#held.set(keyOf(service), addresses)
    for (const address of addresses) this.#holders.set(address, service)
    this.#note(addresses)
  }

  delete(service: KubeObject): void {
    const key = keyOf(service)
    const addresses = this.#held.get(key) ?? []
    this.#held.delete(key)
    for (const address of addresses) {
      const holder = this.#holders.get(address)
      if (holder && keyOf(holder) === key) this.#holders.delete(address)
    }
    this.#note(addresses)
  }

  #note(addresses: readonly string[]): void {
    for (const address of addresses) this.#changed.add(address)
    void this.#settle()
  }

  async #settle(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    await Promise.resolve()
    for (const address of this.#changed) {
      this.#changed.delete(address)
      await this.#write(address).catch((error: unknown) => this.#parts.onError(error, address))
    }
    this.#busy = false
  }

  async #write(address: string): Promise<void> {
    const { addresses, client } = this.#parts
    const holder = this.#holders.get(address)
    const known = addresses.get('', address)?.object as IPAddress | undefined
    if (known && known.metadata.labels?.[managerLabel] !== manager) return
    if (known && holder && isOf(known, holder)) return
    // This very one: another server may have made the next by now.
    const { uid } = known?.metadata ?? {}
    const preconditions = uid === undefined ? {} : { preconditions: { uid } }
    const gone = (error: unknown) => isNotFound(error) || isConflict(error)
    if (known) await client.delete(ipAddresses, { name: address }, preconditions).catch(unless(gone))
    if (holder) await client.create(ipAddresses, ipAddressOf(address, holder)).catch(unless(isAlreadyExists))
  }
}

const unless = (harmless: (error: unknown) => boolean) => (error: unknown) => {
  if (!harmless(error)) throw error
}

function isOf({ spec }: IPAddress, { metadata }: KubeObject): boolean {
  return spec.parentRef.name === metadata.name && spec.parentRef.namespace === metadata.namespace
}

function ipAddressOf(address: string, { metadata }: KubeObject): IPAddress {
  const labels = { [familyLabel]: familyOf(address) ?? '', [managerLabel]: manager }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: { name: address, labels },
    spec: { parentRef: { resource: 'services', namespace: metadata.namespace, name: metadata.name! } },
  }
}

/** Creates the ServiceCIDR "kubernetes" where there is none, and calls it ready. Safe to repeat, on every server. */
export async function ensureServiceCidr(
  client: Pick<Client, 'get' | 'create' | 'update'>,
  cidrs: readonly string[],
  now: number,
): Promise<void> {
  const name = 'kubernetes'
  await client
    .create(serviceCIDRs, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name },
      spec: { cidrs },
    })
    .catch(unless(isAlreadyExists))
  const range: ServiceCIDR = await client.get(serviceCIDRs, { name })
  const same = range.spec.cidrs?.join() === cidrs.join()
  if (!same || range.status?.conditions?.some(({ type }) => type === 'Ready')) return
  const message = 'Kubernetes default Service CIDR is ready'
  const ready = { type: 'Ready', status: 'True', reason: '', message, lastTransitionTime: rfc3339(now) }
  const told = { ...range, status: { conditions: [ready] } }
  await client.update(serviceCIDRs, told, { subresource: 'status' }).catch(unless(isConflict))
}
