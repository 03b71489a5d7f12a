/** Finds the resource of a kind through the API's discovery, for operators that handle kinds they do not know in advance. */
import { isNotFound } from '../../bootstrap/api/errors.ts'
import { parseApiVersion } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'

interface ApiResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[]
}

export class KindResolver {
  readonly #client: Client
  readonly #known = new Map<string, Resource>()

  constructor(client: Client) {
    this.#client = client
  }

  /** The resource of a kind; undefined when the server does not serve it (now). Served kinds are remembered. */
  async resolve(apiVersion: string, kind: string): Promise<Resource | undefined> {
    const key = `${apiVersion}/${kind}`
    const known = this.#known.get(key)
    if (known) return known
    const { group, version } = parseApiVersion(apiVersion)
    const found = (await this.#resources(group, version)).find(
      resource => resource.kind === kind && !resource.name.includes('/'),
    )
    if (!found) return undefined
    const resource: Resource = { group, version, resource: found.name, kind, namespaced: found.namespaced }
    this.#known.set(key, resource)
    return resource
  }

  /** Forgets a kind, e.g. after a request for it was answered with 404. */
  forget(apiVersion: string, kind: string): void {
    this.#known.delete(`${apiVersion}/${kind}`)
  }

  async #resources(group: string, version: string): Promise<ApiResourceList['resources']> {
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    try {
      return ((await this.#client.raw('GET', path)) as ApiResourceList).resources
    } catch (error) {
      if (isNotFound(error)) return []
      throw error
    }
  }
}
