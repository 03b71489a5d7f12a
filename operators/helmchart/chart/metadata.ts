/** Chart.yaml: its shape and what Helm demands of it. */
import { parseVersion } from '../semver.ts'
import type { ChartDependency, ChartMetadata } from './chart.ts'
import { decodeStruct, type Shape, type Struct } from './decode.ts'

const string: Shape = { is: 'string' }
const strings: Shape = { is: 'list', of: string }

const maintainer: Struct = { is: 'struct', name: 'Maintainer', fields: { name: string, email: string, url: string } }

export const dependencyShape: Struct = {
  is: 'struct',
  name: 'Dependency',
  fields: {
    name: string,
    version: string,
    repository: string,
    condition: string,
    tags: strings,
    enabled: { is: 'bool' },
    'import-values': { is: 'list', of: { is: 'any' } },
    alias: string,
  },
}

const metadataShape: Struct = {
  is: 'struct',
  name: 'Metadata',
  fields: {
    name: string,
    home: string,
    sources: strings,
    version: string,
    description: string,
    keywords: strings,
    maintainers: { is: 'list', of: maintainer, pointers: true },
    icon: string,
    apiVersion: string,
    condition: string,
    tags: string,
    appVersion: string,
    deprecated: { is: 'bool' },
    annotations: { is: 'map', of: string },
    kubeVersion: string,
    dependencies: { is: 'list', of: dependencyShape, pointers: true },
    type: string,
  },
}

/** Metadata that was read and not yet checked. */
export type RawMetadata = Partial<ChartMetadata>

/** Chart.yaml, parsed, into metadata. Throws Error with Go's message on a wrong type. */
export function decodeMetadata(value: unknown, root = 'loader.chartBase'): RawMetadata {
  return decodeStruct(value, metadataShape, root) as RawMetadata
}

/** Metadata as Helm keeps it: its texts on one line. Throws Error("validation: chart.metadata..."). */
export function validateMetadata(raw: RawMetadata): ChartMetadata {
  const metadata = sanitized(raw)
  if (!metadata.apiVersion) fail('chart.metadata.apiVersion is required')
  if (!metadata.name) fail('chart.metadata.name is required')
  if (metadata.name === '.' || metadata.name === '..') fail(`chart.metadata.name "${metadata.name}" is not allowed`)
  if (metadata.name.includes('/')) fail(`chart.metadata.name ${JSON.stringify(metadata.name)} is invalid`)
  if (!metadata.version) fail('chart.metadata.version is required')
  if (!parseVersion(metadata.version)) fail(`chart.metadata.version ${JSON.stringify(metadata.version)} is invalid`)
  if (!['', 'application', 'library'].includes(metadata.type ?? ''))
    fail('chart.metadata.type must be application or library')
  if (metadata.maintainers?.includes(null as never)) fail('maintainers must not contain empty or null nodes')
  validateDependencies(metadata.dependencies ?? [])
  return metadata
}

function validateDependencies(dependencies: readonly ChartDependency[]): void {
  const seen = new Set<string>()
  for (const dependency of dependencies) {
    if (dependency === null) fail('dependencies must not contain empty or null nodes')
    if (dependency.alias && !/^[a-zA-Z0-9_-]+$/.test(dependency.alias))
      fail(`dependency ${JSON.stringify(dependency.name)} has disallowed characters in the alias`)
    const key = dependency.alias || dependency.name
    if (seen.has(key)) fail(`more than one dependency with name or alias ${JSON.stringify(key)}`)
    seen.add(key)
  }
}

const oneLine = ['name', 'description', 'home', 'icon', 'condition', 'tags', 'appVersion', 'kubeVersion'] as const

function sanitized(raw: RawMetadata): ChartMetadata {
  const texts = oneLine.flatMap(key => (raw[key] === undefined ? [] : [[key, sanitize(raw[key])]]))
  return {
    ...(raw as ChartMetadata),
    ...Object.fromEntries(texts),
    ...(raw.sources && { sources: raw.sources.map(sanitize) }),
    ...(raw.keywords && { keywords: raw.keywords.map(sanitize) }),
    ...(raw.maintainers && { maintainers: raw.maintainers.map(sanitizeTexts) }),
    ...(raw.dependencies && { dependencies: raw.dependencies.map(sanitizeDependency) }),
  }
}

function sanitizeDependency(dependency: ChartDependency): ChartDependency {
  if (dependency === null) return dependency
  const { alias, 'import-values': imports, enabled, ...texts } = dependency
  return {
    ...sanitizeTexts(texts),
    ...(texts.tags && { tags: texts.tags.map(sanitize) }),
    name: sanitize(dependency.name ?? ''),
    ...(enabled !== undefined && { enabled }),
    ...(imports && { 'import-values': imports }),
    ...(alias !== undefined && { alias }),
  }
}

function sanitizeTexts<T extends object>(object: T): T {
  if (object === null) return object
  const entries = Object.entries(object).map(([key, value]) => [
    key,
    typeof value === 'string' ? sanitize(value) : value,
  ])
  return Object.fromEntries(entries) as T
}

/** White space becomes blanks, what cannot be printed goes. */
function sanitize(text: string): string {
  return text.replace(/\p{White_Space}/gu, ' ').replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '')
}

function fail(problem: string): never {
  throw new Error(`validation: ${problem}`)
}
