/** Cluster IPs, one pool per address family. */

import type { Family } from '../../api/cidr.ts'
import { familyOf } from '../../api/cidr.ts'
import type { FieldError } from '../../api/errors.ts'
import { errors, field } from '../../api/errors.ts'
import type { Draft } from '../../api/object.ts'
import type { ServiceSpec } from '../../api/types.gen.ts'
import { AddressRange } from './address-range.ts'
import { bandOf } from './pool.ts'

interface FamilyPool {
  readonly range: AddressRange
  readonly owners: Map<string, string>
}

export class AddressPools {
  readonly #pools: readonly FamilyPool[]
  readonly #random: () => number

  constructor(cidrs: readonly string[], random: () => number) {
    this.#pools = cidrs.map(cidr => ({ range: new AddressRange(cidr), owners: new Map<string, string>() }))
    this.#random = random
  }

  /** The primary one first. */
  get families(): readonly Family[] {
    return this.#pools.map(pool => pool.range.family)
  }

  get first(): string {
    return this.#pools[0]!.range.at(1)
  }

  /** Fills spec.clusterIPs, one per family; what the client asked for is reserved. */
  allocate(spec: Draft<ServiceSpec>, owner: string, undo: (() => void)[]): FieldError[] {
    if (spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None') {
      spec.clusterIP = 'None'
      spec.clusterIPs = ['None']
      return []
    }
    const asked = spec.clusterIPs ?? []
    const families = (spec.ipFamilies ?? []) as readonly Family[]
    const addresses: string[] = []
    for (const [index, family] of families.entries()) {
      const address = asked[index]
      if (address) {
        const problem = this.#reserve(address, owner, undo)
        if (problem !== undefined) {
          return [field.invalid('spec.clusterIPs', asked, `failed to allocate IP ${address}: ${problem}`)]
        }
        addresses.push(address)
      } else addresses.push(this.#next(family, owner, undo))
    }
    spec.clusterIPs = addresses
    spec.clusterIP = addresses[0]
    return []
  }

  /** Whether it was free, and is now the owner's. */
  take(address: string, owner: string): boolean {
    const pool = this.#poolOf(address)
    if (!pool || pool.owners.has(address)) return false
    pool.owners.set(address, owner)
    return true
  }

  clear(): void {
    for (const { owners } of this.#pools) owners.clear()
  }

  release(address: string, owner: string): void {
    const pool = this.#poolOf(address)
    if (pool?.owners.get(address) === owner) pool.owners.delete(address)
  }

  /** Why the address cannot be had; undefined when it is now the owner's. */
  #reserve(address: string, owner: string, undo: (() => void)[]): string | undefined {
    const pool = this.#poolOf(address)
    if (!pool?.range.contains(address)) {
      const range = (pool ?? this.#pools[0])!.range.cidr
      return `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${range}`
    }
    const current = pool.owners.get(address)
    if (current === owner) return undefined
    if (current !== undefined) return 'provided IP is already allocated'
    pool.owners.set(address, owner)
    undo.push(() => this.release(address, owner))
    return undefined
  }

  #next(family: Family, owner: string, undo: (() => void)[]): string {
    const pool = this.#pools.find(candidate => candidate.range.family === family)
    const address = pool && this.#free(pool)
    if (!pool || address === undefined) throw errors.internal('failed to allocate a serviceIP: range is full')
    pool.owners.set(address, owner)
    undo.push(() => this.release(address, owner))
    return address
  }

  /** A free address, from the upper band while there is one; the first is the API server's. */
  #free({ range, owners }: FamilyPool): string | undefined {
    const { usable } = range
    const band = bandOf(usable, 16, 16, 256)
    for (const [from, to] of [
      [band + 1, usable],
      [2, band],
    ] as const) {
      const width = to - from + 1
      const start = Math.floor(this.#random() * width)
      for (let step = 0; step < width; step++) {
        const address = range.at(from + ((start + step) % width))
        if (!owners.has(address)) return address
      }
    }
    return undefined
  }

  #poolOf(address: string): FamilyPool | undefined {
    const family = familyOf(address)
    return this.#pools.find(pool => pool.range.family === family)
  }
}
