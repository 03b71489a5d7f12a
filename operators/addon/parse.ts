/** A manifest file's text as the objects to apply. */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { parseYamlDocuments, YamlError } from '../../bootstrap/api/yaml.ts'

/** A mistake in a manifest, located as well as its text allows. */
export class ManifestError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ManifestError'
  }
}

/** An object of a file, and where in the file it stands, for messages. */
export interface ManifestObject {
  readonly object: KubeObject
  /** "document 2 (line 14)", with ", item 3" behind it in a List. */
  readonly where: string
}

/**
 * The objects of a file in its order; List kinds are expanded, empty documents skipped. Throws ManifestError naming
 * document (1-based) and line.
 */
export function parseManifest(text: string): ManifestObject[] {
  try {
    return parseYamlDocuments(text).flatMap(({ value, line }, index) =>
      objectsOf(value, `document ${index + 1} (line ${line})`),
    )
  } catch (error) {
    if (error instanceof YamlError) throw new ManifestError(`document ${error.document + 1}, ${error.message}`)
    throw error
  }
}

function objectsOf(value: unknown, where: string): ManifestObject[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ManifestError(`${where}: want an object with apiVersion, kind and metadata`)
  const { apiVersion, kind, items, metadata } = value as { [field: string]: unknown }
  if (typeof apiVersion !== 'string' || apiVersion === '') throw new ManifestError(`${where}: apiVersion is missing`)
  if (typeof kind !== 'string' || kind === '') throw new ManifestError(`${where}: kind is missing`)
  if (kind.endsWith('List') && Array.isArray(items))
    return items.flatMap((item, at) => objectsOf(item, `${where}, item ${at + 1}`))
  const name = (metadata as { name?: unknown } | undefined)?.name
  if (typeof name !== 'string' || name === '')
    throw new ManifestError(`${where}: metadata.name of the ${kind} is missing`)
  return [{ object: value as KubeObject, where }]
}
