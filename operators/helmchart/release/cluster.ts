/** What the cluster serves, as Helm's discovery client and REST mapper tell it; read on first use, kept until reset. */
import { isNotFound, isStatusError } from '../../../bootstrap/api/errors.ts'
import { parseApiVersion } from '../../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../../bootstrap/client/client.ts'
import type { Logger } from '../../runtime/operator.ts'
import type { Capabilities } from '../render/rendered.ts'
import { messageOf } from './context.ts'

interface Group {
  readonly name: string
  readonly versions: readonly { readonly groupVersion: string }[]
}

interface ApiResource {
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
}

export interface Cluster {
  /** The resource of a kind; undefined when it is not served. Rejects when the server cannot tell: not there is no guess. */
  resourceOf(apiVersion: string, kind: string): Promise<Resource | undefined>
  /** The same kind in whatever version its group has; undefined when there is none. */
  resourceOfKind(group: string, kind: string): Promise<Resource | undefined>
  capabilities(): Promise<Capabilities>
  /** Reads discovery anew on the next question. */
  reset(): void
}

/** Rejects with "kubernetes cluster unreachable: ..." where the server does not answer. */
export async function checkReachable(client: Client): Promise<string> {
  try {
    return ((await client.raw('GET', '/version')) as { gitVersion: string }).gitVersion
  } catch (error) {
    throw new Error(`kubernetes cluster unreachable: ${(error as Error).message}`, { cause: error })
  }
}

export function createCluster(client: Client, log: Logger): Cluster {
  let lists = new Map<string, Promise<readonly ApiResource[]>>()
  let groups: Promise<readonly Group[]> | undefined

  /** None where the group or version is not served; rejects where the server cannot tell. */
  function list(groupVersion: string): Promise<readonly ApiResource[]> {
    const known = lists.get(groupVersion)
    if (known) return known
    const { group } = parseApiVersion(groupVersion)
    const asked = client.raw('GET', group === '' ? `/api/${groupVersion}` : `/apis/${groupVersion}`).then(
      answer => (answer as { resources?: readonly ApiResource[] }).resources ?? [],
      error => {
        if (isNotFound(error)) return []
        lists.delete(groupVersion)
        throw new Error(`unable to retrieve the resources of ${groupVersion}: ${messageOf(error)}`, { cause: error })
      },
    )
    lists.set(groupVersion, asked)
    return asked
  }

  /** Templates are told of what can be told; an extension server that is down keeps no release from being made. */
  async function kindsOf(groupVersion: string): Promise<readonly string[]> {
    try {
      return (await list(groupVersion)).map(({ kind }) => `${groupVersion}/${kind}`)
    } catch (error) {
      if (!isStatusError((error as Error).cause)) throw error
      log.warn({ groupVersion, error: messageOf(error) }, 'the kubernetes server has an orphaned API service')
      return []
    }
  }

  function allGroups(): Promise<readonly Group[]> {
    groups ??= client.raw('GET', '/apis').then(answer => (answer as { groups?: readonly Group[] }).groups ?? [])
    return groups
  }

  const resource = (found: ApiResource | undefined, groupVersion: string): Resource | undefined =>
    found && { ...parseApiVersion(groupVersion), resource: found.name, kind: found.kind, namespaced: found.namespaced }

  const ofKind = (resources: readonly ApiResource[], kind: string) =>
    resources.find(found => found.kind === kind && !found.name.includes('/'))

  const cluster: Cluster = {
    async resourceOf(apiVersion, kind) {
      return resource(ofKind(await list(apiVersion), kind), apiVersion)
    },
    async resourceOfKind(group, kind) {
      const versions =
        group === ''
          ? ['v1']
          : ((await allGroups()).find(({ name }) => name === group)?.versions ?? []).map(v => v.groupVersion)
      for (const groupVersion of versions) {
        const found = await cluster.resourceOf(groupVersion, kind)
        if (found) return found
      }
      return undefined
    },
    async capabilities() {
      const kubeVersion = await checkReachable(client)
      const served = ['v1', ...(await allGroups()).flatMap(({ versions }) => versions.map(v => v.groupVersion))]
      const kinds = await Promise.all(served.map(kindsOf))
      return { kubeVersion, apiVersions: [...new Set([...served, ...kinds.flat()])] }
    },
    reset() {
      lists = new Map()
      groups = undefined
    },
  }
  return cluster
}

/** "apps/v1, Kind=Deployment", "/v1, Kind=Pod": how Go prints a group, version and kind. */
export function kindText({ group, version, kind }: Resource): string {
  return `${group}/${version}, Kind=${kind}`
}
