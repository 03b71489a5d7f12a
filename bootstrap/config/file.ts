/** config.yaml and config.yaml.d: merged by K3s' rules and expanded to the arguments they stand for (k3s-behaviour: config.yaml semantics). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Flag } from './flags.ts'
import { ConfigError, isNamed } from './parse.ts'

export interface FileConfig {
  readonly args: readonly string[]
  /** Keys that no flag of the command knows; K3s drops them with a warning. */
  readonly unknown: readonly string[]
}

/**
 * Reads `path` and the drop-ins of `path`.d in name order; a missing file counts as empty, named or not. The
 * last value of a key wins, a key ending in "+" appends. Throws ConfigError for unreadable or broken YAML, naming file
 * and line.
 */
export async function readConfigFiles(path: string, flags: readonly Flag[]): Promise<FileConfig> {
  const merged = new Map<string, unknown>()
  for (const file of [path, ...dropIns(path)]) {
    for (const [rawKey, value] of Object.entries(await readMapping(file))) {
      const appends = rawKey.endsWith('+')
      const key = appends ? rawKey.slice(0, -1) : rawKey
      const known = merged.get(key)
      merged.set(key, appends && known !== undefined ? [...asList(known), ...asList(value)] : value)
    }
  }
  const args: string[] = []
  const unknown: string[] = []
  for (const [key, value] of merged) {
    const known = flags.some(flag => isNamed(flag, key))
    if (known) args.push(...expand(key, value))
    else unknown.push(key)
  }
  return { args, unknown }
}

function dropIns(path: string): string[] {
  const folder = `${path}.d`
  try {
    return readdirSync(folder)
      .filter(name => /\.ya?ml$/i.test(name))
      .sort()
      .map(name => join(folder, name))
  } catch {
    return []
  }
}

async function readMapping(file: string): Promise<{ [key: string]: unknown }> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new ConfigError(`cannot read configuration file ${file}: ${(error as Error).message}`)
  }
  const { parseYaml, YamlError } = await import('../api/yaml.ts')
  try {
    const value = parseYaml(text) ?? {}
    if (typeof value !== 'object' || Array.isArray(value))
      throw new ConfigError(`configuration file ${file} must be a mapping of flag names to values`)
    return value as { [key: string]: unknown }
  } catch (error) {
    if (error instanceof YamlError) throw new ConfigError(`configuration file ${file}: ${error.message}`)
    throw error
  }
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value])

function expand(key: string, value: unknown): string[] {
  if (value === null || value === undefined) return []
  const dashes = key.length === 1 ? '-' : '--'
  return asList(value).map(item => `${dashes}${key}=${typeof item === 'object' ? JSON.stringify(item) : String(item)}`)
}
