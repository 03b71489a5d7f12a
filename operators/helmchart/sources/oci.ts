/** Charts in OCI registries (helm pkg/registry, OCI distribution specification). */
import { createHash } from 'node:crypto'
import { compareVersions, parseConstraint, parseStrictVersion, satisfies } from '../semver.ts'
import { credentialsFor, isDockerHub } from './docker-config.ts'
import { RegistrySession } from './registry-auth.ts'
import { largestArchive } from './repository.ts'
import type { Access, FetchedChart } from './source.ts'
import type { Transport } from './transport.ts'

const mediaType = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.cncf.helm.config.v1+json',
  chart: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
  legacyChart: 'application/tar+gzip',
} as const
const largestManifest = 4 * 1024 * 1024

interface Reference {
  readonly host: string
  readonly repository: string
  readonly tag: string | undefined
  readonly digest: string | undefined
}

interface Descriptor {
  readonly mediaType?: string
  readonly digest?: string
  readonly size?: number
}

/** `version` is a version, a constraint, or empty for the newest stable one. */
export async function fetchFromRegistry(
  text: string,
  version: string,
  { docker, plainHttp }: Access,
  transport: Transport,
): Promise<FetchedChart> {
  const reference = parseReference(text)
  const { host, repository } = reference
  const session = new RegistrySession(transport, credentialsFor(docker, host, repository), repository)
  const base = `${plainHttp ? 'http' : 'https'}://${isDockerHub(host) ? 'registry-1.docker.io' : host}/v2/${repository}/`
  const registry: Registry = { session, base, name: `${host}/${repository}` }
  const target = await targetOf(reference, version, registry)
  const manifest = await fetchManifest(target, registry)
  const layer = chartLayer(manifest.value)
  const archive = await fetchBlob(layer, registry)
  const separator = target.startsWith('sha256:') ? '@' : ':'
  return { archive, from: `${registry.name}${separator}${target}`, digest: manifest.digest, version: versionOf(target) }
}

interface Registry {
  readonly session: RegistrySession
  readonly base: string
  readonly name: string
}

/** Reads "oci://host[:port]/path[:tag][@digest]". Throws Error. */
export function parseReference(text: string): Reference {
  const [, host, repository, tag, digest] =
    /^oci:\/\/([^/@\s]+)\/([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?\/?$/.exec(
      text,
    ) ?? []
  if (!host || !repository)
    throw new Error(`chart ${JSON.stringify(text)} is not a registry reference, want oci://HOST/PATH without capitals`)
  return { host, repository, tag, digest }
}

/** Tags know no "+". */
const tagOf = (version: string): string => version.replaceAll('+', '_')
const versionOf = (tag: string): string => tag.replaceAll('_', '+')

/** The tag or digest to ask for. */
async function targetOf({ tag, digest }: Reference, version: string, registry: Registry): Promise<string> {
  if (tag !== undefined && version !== '' && version !== versionOf(tag))
    throw new Error(`chart reference and version mismatch: ${version} is not ${versionOf(tag)}`)
  if (digest !== undefined) return digest
  if (tag !== undefined) return tag
  if (parseStrictVersion(version)) return tagOf(version)
  return tagOf(await newestTag(version, registry))
}

async function newestTag(wanted: string, registry: Registry): Promise<string> {
  const versions = (await listTags(registry)).map(tag => parseStrictVersion(versionOf(tag))).filter(found => !!found)
  if (versions.length === 0) throw new Error(`no tag of ${registry.name} is a version`)
  const constraint = parseConstraint(wanted === '' ? '*' : wanted)
  const found = versions
    .sort((a, b) => compareVersions(b, a))
    .find(version => version.original === wanted || satisfies(version, constraint))
  if (!found)
    throw new Error(
      `could not locate a version matching provided version string ${wanted} among the tags of ${registry.name}`,
    )
  return found.original
}

async function listTags({ session, base }: Registry): Promise<string[]> {
  const tags: string[] = []
  for (let url: URL | undefined = new URL('tags/list', base); url; ) {
    const answer = await session.get(url, largestManifest)
    const { tags: page } = JSON.parse(answer.body.toString('utf8')) as { tags?: readonly string[] | null }
    tags.push(...(page ?? []))
    url = nextPage(answer.headers.link, url)
  }
  return tags
}

function nextPage(link: unknown, url: URL): URL | undefined {
  const [, next] = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(link ?? '')) ?? []
  return next === undefined ? undefined : new URL(next, url)
}

interface Manifest {
  readonly config?: Descriptor
  readonly layers?: readonly Descriptor[]
}

async function fetchManifest(target: string, { session, base, name }: Registry) {
  const url = new URL(`manifests/${target}`, base)
  const { body } = await session.get(url, largestManifest, { accept: mediaType.manifest })
  const digest = digestOf(body)
  if (target.startsWith('sha256:') && digest !== target)
    throw new Error(`${name}: the manifest is ${digest}, not ${target}`)
  const value = JSON.parse(body.toString('utf8')) as Manifest
  if (value.config?.mediaType !== mediaType.config)
    throw new Error(`${name}:${target} is not a chart: its config is of type ${value.config?.mediaType ?? 'none'}`)
  return { value, digest }
}

function chartLayer({ layers = [] }: Manifest): Descriptor {
  const layer = layers.find(({ mediaType: type }) => type === mediaType.chart || type === mediaType.legacyChart)
  if (!layer) throw new Error(`manifest does not contain a layer with mediatype ${mediaType.chart}`)
  return layer
}

async function fetchBlob({ digest = '', size = 0 }: Descriptor, { session, base, name }: Registry): Promise<Buffer> {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`${name}: unusable digest ${JSON.stringify(digest)}`)
  const { body } = await session.get(new URL(`blobs/${digest}`, base), largestArchive)
  const actual = digestOf(body)
  if (actual !== digest || (size > 0 && body.length !== size))
    throw new Error(`${name}: the archive is ${actual} of ${body.length} bytes, the manifest says ${digest} of ${size}`)
  return body
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
