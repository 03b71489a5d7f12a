/** What an aggregated server says it serves: its discovery documents and its OpenAPI index. */
import { createHash } from 'node:crypto'
import type { ExternalVersion, ResourceDiscovery } from '../../discovery/documents.ts'
import type { ForeignDocument } from '../../openapi/foreign.ts'

/** Resolves with status, headers and body of a GET as `user`; rejects when the server cannot be reached. */
export type Fetch = (
  path: string,
  headers: { readonly [name: string]: string },
  user: { readonly name: string; readonly groups?: readonly string[] },
) => Promise<{ status: number; headers: { readonly [name: string]: unknown }; body: Buffer }>

/** What is known of a group version, and since when. */
export interface RemoteDocument {
  readonly resources: readonly ResourceDiscovery[]
  readonly etag: string
  /** Where the server has the OpenAPI document of the group version. */
  readonly openApi: string | undefined
}

const list = 'as=APIGroupDiscoveryList'
const accept = [`g=apidiscovery.k8s.io;v=v2;${list}`, `g=apidiscovery.k8s.io;v=v2beta1;${list}`]
  .map(form => `application/json;${form}`)
  .join(',')
export const aggregator = { name: 'system:kube-aggregator', groups: ['system:masters'] }
const openApiUser = { name: 'system:aggregator' }

interface GroupVersion {
  readonly group: string
  readonly version: string
}

/** Reads the documents; `known` is what a server that has not changed stands by. */
export async function readDiscovery(
  fetch: Fetch,
  at: GroupVersion,
  known: RemoteDocument | undefined,
): Promise<RemoteDocument> {
  const openApi = await openApiUrl(fetch, at)
  const conditional = known?.etag ? { 'if-none-match': known.etag } : {}
  const answer = await fetch('/apis', { accept, ...conditional }, aggregator)
  if (answer.status === 304 && known) return { ...known, openApi }
  if (answer.status === 503) throw new Error('the server answered 503')
  const aggregated = String(answer.headers['content-type'] ?? '').includes(list)
  if (answer.status !== 200 || !aggregated) return { resources: await legacyResources(fetch, at), etag: '', openApi }
  const { items = [] } = JSON.parse(answer.body.toString('utf8')) as { items?: readonly ListedGroup[] }
  const listed = items.find(({ metadata }) => metadata.name === at.group)?.versions
  const found = listed?.find(({ version }) => version === at.version)
  return { resources: found?.resources ?? [], etag: String(answer.headers.etag ?? ''), openApi }
}

interface ListedGroup {
  readonly metadata: { readonly name: string }
  readonly versions: readonly { readonly version: string; readonly resources?: readonly ResourceDiscovery[] }[]
}

async function openApiUrl(fetch: Fetch, { group, version }: GroupVersion): Promise<string | undefined> {
  const answer = await fetch('/openapi/v3', { accept: 'application/json' }, openApiUser)
  if (answer.status !== 200) return undefined
  const { paths } = JSON.parse(answer.body.toString('utf8')) as {
    paths?: { readonly [path: string]: { readonly serverRelativeURL?: string } }
  }
  return paths?.[`apis/${group}/${version}`]?.serverRelativeURL
}

/** Undefined where the server has none. */
export async function readOpenApiV2(fetch: Fetch, at: GroupVersion): Promise<ForeignDocument | undefined> {
  const { status, body } = await fetch('/openapi/v2', { accept: 'application/json' }, openApiUser)
  if (status !== 200) return undefined
  const text = body.toString('utf8')
  const hash = createHash('sha256').update(text).digest('hex')
  return { root: `/apis/${at.group}/${at.version}`, hash, text }
}

interface ListedResource {
  readonly name: string
  readonly singularName?: string
  readonly namespaced: boolean
  readonly group?: string
  readonly version?: string
  readonly kind: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
}

/** From the older list, in the newer form. */
async function legacyResources(fetch: Fetch, at: GroupVersion): Promise<ResourceDiscovery[]> {
  const path = at.group === '' ? `/api/${at.version}` : `/apis/${at.group}/${at.version}`
  const answer = await fetch(path, { accept: 'application/json' }, aggregator)
  if (answer.status !== 200) throw new Error(`the server answered ${answer.status}`)
  const { resources = [] } = JSON.parse(answer.body.toString('utf8')) as { resources?: readonly ListedResource[] }
  // Without a group and version of its own, a kind is of those it is listed under.
  const kindOf = ({ group = '', version = '', kind }: ListedResource) => ({ group, version, kind })
  const below = (name: string) =>
    resources
      .filter(candidate => candidate.name.startsWith(`${name}/`))
      .map(found => ({
        subresource: found.name.slice(name.length + 1),
        responseKind: kindOf(found),
        verbs: found.verbs,
      }))
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map(found => ({
      resource: found.name,
      responseKind: kindOf(found),
      scope: found.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: found.singularName ?? '',
      verbs: found.verbs,
      ...(found.shortNames?.length ? { shortNames: found.shortNames } : {}),
      ...(found.categories?.length ? { categories: found.categories } : {}),
      ...(below(found.name).length > 0 ? { subresources: below(found.name) } : {}),
    }))
}

/** The group version as discovery lists it; without a document it is stale and has no resources. */
export function externalVersion(
  remote: GroupVersion & { readonly groupPriority: number; readonly versionPriority: number },
  document: RemoteDocument | undefined,
  current: boolean,
): ExternalVersion {
  const { group, version, groupPriority, versionPriority } = remote
  const freshness = document && current ? 'Current' : 'Stale'
  const resources = document?.resources ?? []
  return { group, groupPriority, versionPriority, document: { version, resources, freshness } }
}
