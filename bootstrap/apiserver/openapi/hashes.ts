/** Hashes of OpenAPI documents, from what goes into them, so that listing them makes none. */
import { createHash } from 'node:crypto'
import { type ServedGroup, servedGroups } from '../discovery/groups.ts'
import type { Kind } from '../kinds/kind.ts'
import type { KindRegistry } from '../schema/registry.ts'
import { tablesDigest } from '../schema/tables.ts'

export interface GroupVersionDocument {
  /** "api/v1" or "apis/apps/v1". */
  readonly path: string
  readonly kinds: readonly Kind[]
  /** SHA-512 in upper-case hex. */
  readonly hash: string
}

export interface DocumentSet {
  readonly revision: number
  readonly documents: ReadonlyMap<string, GroupVersionDocument>
  /** Of all documents together. */
  readonly hash: string
}

export const digest = (text: string) => createHash('sha512').update(text).digest('hex').toUpperCase()

/** Follows the registry: the documents there are at its present revision. */
export function documentSets(registry: KindRegistry, version: string): () => DocumentSet {
  const ofKinds = new WeakMap<Kind, string>()
  let base: string | undefined
  let current: DocumentSet | undefined
  const hashOfKind = (kind: Kind): string => {
    const known = ofKinds.get(kind)
    if (known !== undefined) return known
    const { schema, strategy, ...facts } = kind
    const hash = digest(JSON.stringify([facts, kind.custom ? (schema.validation ?? null) : null]))
    ofKinds.set(kind, hash)
    return hash
  }
  const documentsOf = (group: ServedGroup): GroupVersionDocument[] =>
    group.versions.map(({ version, kinds }) => ({
      path: group.name === '' ? `api/${version}` : `apis/${group.name}/${version}`,
      kinds,
      hash: digest([base, ...kinds.map(hashOfKind)].join(' ')),
    }))
  return () => {
    if (current?.revision === registry.revision) return current
    base ??= `${version} ${tablesDigest()}`
    const documents = servedGroups(registry.all()).flatMap(documentsOf)
    current = {
      revision: registry.revision,
      documents: new Map(documents.map(document => [document.path, document])),
      hash: digest(documents.map(({ path, hash }) => `${path} ${hash}`).join('\n')),
    }
    return current
  }
}
