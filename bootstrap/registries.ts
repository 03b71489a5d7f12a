/** registries.yaml: the mirrors and credentials of private registries. */
import { readFile } from 'node:fs/promises'
import type { Registries } from './agent/containerd/registries.ts'
import { ConfigError } from './config/parse.ts'

/** What the file says; nothing when it is missing. Throws ConfigError, naming file and line, when it is broken. */
export async function readRegistries(path: string): Promise<Registries> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return {}
  }
  const { parseYaml } = await import('./api/yaml.ts')
  try {
    return (parseYaml(text) ?? {}) as Registries
  } catch (error) {
    throw new ConfigError(`registry configuration ${path}: ${(error as Error).message}`)
  }
}
