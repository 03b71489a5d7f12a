/** Which resources the API server has, for operators that treat all of them alike. */
import { isStatusError } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { apiVersionOf, parseApiVersion } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'

export interface DiscoveredResource extends Resource<KubeObject> {
  readonly verbs: readonly string[]
}

export interface Discovery {
  /** Each resource once, in the version its group prefers. */
  readonly resources: readonly DiscoveredResource[]
  /** Group versions that could not be read, with the reason. */
  readonly failures: readonly { readonly groupVersion: string; readonly message: string }[]
}

interface Group {
  readonly name: string
  readonly versions: readonly { readonly groupVersion: string }[]
  readonly preferredVersion?: { readonly groupVersion: string }
}

interface ApiResource {
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
}

/** Reads the discovery documents. Rejects when not even the list of groups is there. */
export async function discover(client: Client): Promise<Discovery> {
  const { groups = [] } = (await client.raw('GET', '/apis')) as { groups?: readonly Group[] }
  const versions = ['v1', ...groups.flatMap(versionsOf)]
  const resources = new Map<string, DiscoveredResource>()
  const failures: { groupVersion: string; message: string }[] = []
  const lists = await Promise.allSettled(versions.map(version => resourcesOf(client, version)))
  lists.forEach((list, index) => {
    const groupVersion = versions[index] ?? ''
    if (list.status === 'rejected') failures.push({ groupVersion, message: failureText(list.reason, groupVersion) })
    else
      for (const found of list.value) {
        const key = `${found.group}/${found.resource}`
        if (!resources.has(key)) resources.set(key, found)
      }
  })
  return { resources: [...resources.values()], failures }
}

/** An aggregated server that is down, in the words of client-go. */
function failureText(error: unknown, groupVersion: string): string {
  if (isStatusError(error) && error.code === 503) return `stale GroupVersion discovery: ${groupVersion}`
  return (error as Error).message
}

/** The preferred version first. */
function versionsOf({ versions, preferredVersion }: Group): readonly string[] {
  const all = versions.map(version => version.groupVersion)
  return preferredVersion ? [...new Set([preferredVersion.groupVersion, ...all])] : all
}

async function resourcesOf(client: Client, groupVersion: string): Promise<readonly DiscoveredResource[]> {
  const { group, version } = parseApiVersion(groupVersion)
  const path = group === '' ? `/api/${version}` : `/apis/${apiVersionOf({ group, version })}`
  const { resources = [] } = (await client.raw('GET', path)) as { resources?: readonly ApiResource[] }
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map(({ name, kind, namespaced, verbs }) => ({ group, version, resource: name, kind, namespaced, verbs }))
}
