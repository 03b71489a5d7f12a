/** Answers /api, /apis and below from the registry of kinds. */
import { createHash } from 'node:crypto'
import type { KindRegistry } from '../schema/registry.ts'
import {
  aggregatedList,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  type ExternalVersion,
  type GroupDiscovery,
  groupDiscovery,
} from './documents.ts'
import { servedGroups } from './groups.ts'
import { mergedGroups } from './merge.ts'

export interface DiscoveryAnswer {
  readonly contentType: string
  readonly body: Buffer
  /** With quotes; only aggregated answers have one. The response then also has `Vary: Accept`. */
  readonly etag?: string
}

export interface DiscoveryOptions {
  /** host:port for clients, in the oldest document. */
  readonly serverAddress?: string
  /** What servers behind APIServices serve; a new array whenever that changes. */
  readonly external?: () => readonly ExternalVersion[]
}

type Form = 'v2' | 'v2beta1' | 'plain'

const none: readonly ExternalVersion[] = []

/**
 * Returns the answer to a GET of a discovery path, or undefined where the path names nothing served. `accept` is the
 * Accept header: the aggregated forms are given to clients that ask for them by group, version and kind.
 */
export function discovery(
  registry: KindRegistry,
  { serverAddress = '', external = () => none }: DiscoveryOptions = {},
): (path: string, accept: string) => DiscoveryAnswer | undefined {
  const answers = new Map<string, DiscoveryAnswer>()
  let revision = registry.revision
  let others = external()
  return (path, accept) => {
    const now = external()
    if (revision !== registry.revision || others !== now) answers.clear()
    revision = registry.revision
    others = now
    const root = path === '/api' || path === '/apis'
    const form = root ? formOf(accept) : 'plain'
    const key = `${form} ${path}`
    const known = answers.get(key)
    if (known) return known
    const document =
      form === 'plain' ? plain(path, registry, others, serverAddress) : aggregated(path, form, registry, others)
    if (document === undefined) return undefined
    const answer = answerOf(document, form)
    answers.set(key, answer)
    return answer
  }
}

/** The first form the client lists that there is; parameters beyond group, version and kind do not matter. */
function formOf(accept: string): Form {
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase())
    if (type !== 'application/json') continue
    if (!parameters.includes('as=apigroupdiscoverylist') || !parameters.includes('g=apidiscovery.k8s.io'))
      return 'plain'
    if (parameters.includes('v=v2')) return 'v2'
    if (parameters.includes('v=v2beta1')) return 'v2beta1'
  }
  return 'plain'
}

function answerOf(document: unknown, form: Form): DiscoveryAnswer {
  const body = Buffer.from(`${JSON.stringify(document)}\n`)
  if (form === 'plain') return { contentType: 'application/json', body }
  const etag = `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"`
  return { contentType: `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`, body, etag }
}

function groupsBelow(registry: KindRegistry, others: readonly ExternalVersion[]): GroupDiscovery[] {
  const served = servedGroups(registry.all()).filter(group => group.name !== '')
  return mergedGroups(served, others)
}

function aggregated(
  path: string,
  form: 'v2' | 'v2beta1',
  registry: KindRegistry,
  others: readonly ExternalVersion[],
): unknown {
  if (path === '/apis') return aggregatedList(form, groupsBelow(registry, others))
  const core = servedGroups(registry.all()).filter(group => group.name === '')
  return aggregatedList(form, core.map(groupDiscovery))
}

function plain(
  path: string,
  registry: KindRegistry,
  others: readonly ExternalVersion[],
  serverAddress: string,
): unknown {
  const served = servedGroups(registry.all())
  const [, root, ...rest] = path.split('/')
  const named = root === 'api' ? served.find(group => group.name === '') : served.find(group => group.name === rest[0])
  if (root === 'api' && rest.length === 0) return apiVersions(named, serverAddress)
  if (root === 'apis' && rest.length === 0) return apiGroupList(groupsBelow(registry, others))
  const version = root === 'api' ? rest[0] : rest[1]
  if (rest.length > (root === 'api' ? 1 : 2) || rest[0] === '') return undefined
  if (version === undefined) {
    const group = groupsBelow(registry, others).find(({ metadata }) => metadata.name === rest[0])
    return group && apiGroup(group)
  }
  const found = named?.versions.find(candidate => candidate.version === version)
  return found && apiResourceList(named!.name, found)
}
