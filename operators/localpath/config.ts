/** config.json of local-path-config: where volumes lie on which node. */
import { normalize } from 'node:path'

/** Stands in nodePathMap for all nodes that no other entry names. */
export const otherNodes = 'DEFAULT_PATH_FOR_NON_LISTED_NODES'

/** A mistake in the settings; its message names the place. */
export class SettingsError extends Error {}

export interface NodePaths {
  /** A node's name, with * and ? for any characters, or `otherNodes`. */
  readonly node: string
  readonly paths: readonly string[]
}

/** Where the volumes of one class lie: on each node's own disk, or on a file system that all nodes share. */
export type Places =
  | { readonly kind: 'nodes'; readonly nodes: readonly NodePaths[] }
  | { readonly kind: 'shared'; readonly path: string }
  | { readonly kind: 'none'; readonly problem: string }

export interface StorageConfig {
  readonly places: Places
  /** Places per storage class; empty: `places` are everybody's. */
  readonly classes: ReadonlyMap<string, Places>
  readonly timeoutSeconds: number
  /** Programs instead of the scripts. */
  readonly setupCommand: string | undefined
  readonly teardownCommand: string | undefined
}

const defaultTimeoutSeconds = 120

type Json = { readonly [field: string]: unknown }

/** Throws SettingsError. */
export function parseConfig(text: string): StorageConfig {
  const data = objectOf(parsed(text), 'config.json')
  const perClass =
    data.storageClassConfigs === undefined ? {} : objectOf(data.storageClassConfigs, 'storageClassConfigs')
  const classes = new Map(
    Object.entries(perClass).map(([name, value]) => [
      name,
      placesOf(objectOf(value, name), `storageClassConfigs.${name}.`),
    ]),
  )
  const timeout = data.cmdTimeoutSeconds ?? 0
  if (typeof timeout !== 'number' || !Number.isInteger(timeout))
    throw new SettingsError('config.json: cmdTimeoutSeconds must be a whole number')
  return {
    places: classes.size > 0 ? { kind: 'none', problem: 'storageClassConfigs are in use' } : placesOf(data, ''),
    classes,
    timeoutSeconds: timeout > 0 ? timeout : defaultTimeoutSeconds,
    setupCommand: text_(data.setupCommand, 'setupCommand'),
    teardownCommand: text_(data.teardownCommand, 'teardownCommand'),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new SettingsError(`config.json: ${(error as Error).message}`)
  }
}

function objectOf(value: unknown, where: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SettingsError(`config.json: ${where} must be an object`)
  return value as Json
}

function text_(value: unknown, field: string): string | undefined {
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string') throw new SettingsError(`config.json: ${field} must be a text`)
  return value
}

function placesOf(data: Json, prefix: string): Places {
  const shared = text_(data.sharedFileSystemPath, `${prefix}sharedFileSystemPath`)
  const list = data.nodePathMap ?? []
  if (!Array.isArray(list)) throw new SettingsError(`config.json: ${prefix}nodePathMap must be a list`)
  const nodes = list.map((entry, index) => nodePaths(entry, `${prefix}nodePathMap[${index}]`))
  const double = nodes.find(({ node }, index) => nodes.findIndex(other => other.node === node) < index)
  if (double) throw new SettingsError(`config.json: duplicate node ${double.node}`)
  if (nodes.length > 0 && shared !== undefined)
    return {
      kind: 'none',
      problem: 'both nodePathMap and sharedFileSystemPath are defined. Please make sure only one is in use',
    }
  if (nodes.length > 0) return { kind: 'nodes', nodes }
  if (shared !== undefined) return { kind: 'shared', path: shared }
  return { kind: 'none', problem: 'both nodePathMap and sharedFileSystemPath are unconfigured' }
}

function nodePaths(entry: unknown, where: string): NodePaths {
  const { node, paths = [] } = objectOf(entry, where)
  if (typeof node !== 'string' || node === '') throw new SettingsError(`config.json: ${where} needs a node`)
  if (!Array.isArray(paths)) throw new SettingsError(`config.json: ${where}.paths must be a list`)
  const found: string[] = []
  for (const path of paths) {
    if (typeof path !== 'string' || !path.startsWith('/'))
      throw new SettingsError(`config.json: path must start with / for path ${String(path)} on node ${node}`)
    const clean = normalize(path).replace(/(.)\/+$/, '$1')
    if (clean === '/') throw new SettingsError(`config.json: cannot use root ('/') as path on node ${node}`)
    if (found.includes(clean)) throw new SettingsError(`config.json: duplicate path ${path} on node ${node}`)
    found.push(clean)
  }
  return { node, paths: found }
}

/** The places of a storage class's volumes. Throws SettingsError when there are none. */
export function placesFor(config: StorageConfig, storageClass: string): Exclude<Places, { kind: 'none' }> {
  const places = config.classes.size === 0 ? config.places : config.classes.get(storageClass)
  if (!places) throw new SettingsError(`storageClassConfigs has no entry for the storage class ${storageClass}`)
  if (places.kind === 'none') throw new SettingsError(places.problem)
  return places
}

/** The paths on a node: of the entry with its name, else of the longest pattern that fits, else of all others. */
export function pathsOn(nodes: readonly NodePaths[], node: string): readonly string[] {
  const patterns = nodes.filter(entry => /[*?]/.test(entry.node) && globOf(entry.node).test(node))
  const entry =
    nodes.find(one => one.node === node) ??
    patterns.sort((a, b) => b.node.length - a.node.length)[0] ??
    nodes.find(one => one.node === otherNodes)
  if (!entry) throw new SettingsError(`config doesn't contain node ${node}, and no ${otherNodes} available`)
  if (entry.paths.length === 0) throw new SettingsError(`no local path available on node ${node}`)
  return entry.paths
}

const globOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  )
