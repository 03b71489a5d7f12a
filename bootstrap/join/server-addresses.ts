/** Where the cluster's servers are: the endpoints of the Service `kubernetes`. */
import type { EndpointSlice } from '../api/types.gen.ts'
import type { Client } from '../client/client.ts'
import { createInformers, type InformerEffects } from '../client/informers.ts'
import { endpointSlices } from '../client/resources.ts'

/** Tells the addresses ("host:port") now and after every change, until the signal aborts. An empty list is not told. */
export function followServers(
  client: Client,
  effects: InformerEffects,
  told: (addresses: readonly string[]) => void,
): void {
  const slices = createInformers(client, effects).get(endpointSlices, {
    namespace: 'default',
    labelSelector: 'kubernetes.io/service-name=kubernetes',
  })
  const tell = () => {
    const addresses = [...new Set(slices.list().flatMap(addressesOf))]
    if (slices.synced && addresses.length > 0) told(addresses)
  }
  slices.subscribe({ added: tell, updated: tell, deleted: tell })
  slices.whenSynced().then(tell, () => {})
}

/** A list of servers that changes, for those who want to be told. */
export class ServerList {
  #current: readonly string[]
  readonly #listeners = new Set<() => void>()

  constructor(addresses: readonly string[] = []) {
    this.#current = addresses
  }

  current(): readonly string[] {
    return this.#current
  }

  /** Returns how to unsubscribe. */
  subscribe(changed: () => void): () => void {
    this.#listeners.add(changed)
    return () => this.#listeners.delete(changed)
  }

  set(addresses: readonly string[]): void {
    this.#current = addresses
    for (const changed of [...this.#listeners]) changed()
  }
}

/** `host:port` of the API servers that a slice of the Service kubernetes names. */
export function addressesOf(slice: EndpointSlice): string[] {
  const port = slice.ports?.find(({ name }) => name === undefined || name === '' || name === 'https')?.port
  if (port === undefined) return []
  return (slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses }) => addresses.map(ip => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)))
}
