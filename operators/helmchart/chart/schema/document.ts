/** A schema document: which draft its parts follow, and where their references lead. */
import { isTable } from '../tables.ts'

/** A part of a schema: an object with keywords, or a boolean. */
export type Schema = boolean | SchemaObject
export interface SchemaObject {
  readonly [keyword: string]: unknown
}

export type Draft = 4 | 6 | 7 | 2019 | 2020

/** What shares one base address: the document, or a part of it that has an $id. */
interface Resource {
  readonly address: string
  readonly draft: Draft
  readonly root: unknown
  readonly anchors: Map<string, SchemaObject>
  readonly dynamicAnchors: Set<string>
}

export interface SchemaDocument {
  readonly root: Schema
  draftOf(schema: SchemaObject): Draft
  /** Where `$ref` and its kin lead. Throws Error for what is not there, and for addresses outside the document. */
  resolve(schema: SchemaObject, reference: string): Schema
  /** The schema with the dynamic anchor `name` in the resource of `schema`. */
  dynamicAnchor(schema: SchemaObject, name: string): Schema | undefined
  isRecursiveRoot(schema: SchemaObject): SchemaObject | undefined
  /** For messages. */
  readonly address: string
}

const documentAddress = 'file:///values.schema.json'

const drafts: readonly (readonly [RegExp, Draft])[] = [
  [/^https?:\/\/json-schema\.org\/schema#?$/, 2020],
  [/^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/, 2020],
  [/^https?:\/\/json-schema\.org\/draft\/2019-09\/schema#?$/, 2019],
  [/^https?:\/\/json-schema\.org\/draft-07\/schema#?$/, 7],
  [/^https?:\/\/json-schema\.org\/draft-06\/schema#?$/, 6],
  [/^https?:\/\/json-schema\.org\/draft-04\/schema#?$/, 4],
]

/** Reads a document. Throws Error when it follows a draft that is not known, or is no schema at all. */
export function openSchema(root: unknown): SchemaDocument {
  if (typeof root !== 'boolean' && !isTable(root))
    throw new Error(`"${documentAddress}#" is not valid against metaschema: want boolean or object`)
  const resources = new Map<string, Resource>()
  const owners = new Map<object, Resource>()
  const top: Resource = {
    address: documentAddress,
    draft: 2020,
    root,
    anchors: new Map(),
    dynamicAnchors: new Set(),
  }
  resources.set(top.address, top)
  collect(root, top, true, resources, owners)
  const ownerOf = (schema: SchemaObject) => owners.get(schema) ?? top

  const resolve = (schema: SchemaObject, reference: string): Schema => {
    const target = new URL(reference, ownerOf(schema).address)
    const fragment = decodeURIComponent(target.hash.slice(1))
    target.hash = ''
    const resource = resources.get(target.href)
    if (resource === undefined) return outside(target)
    return inside(resource, fragment, `${target.href}#${fragment}`)
  }

  return {
    root: root as Schema,
    draftOf: schema => ownerOf(schema).draft,
    resolve,
    dynamicAnchor: (schema, name) => {
      const { anchors, dynamicAnchors } = ownerOf(schema)
      return dynamicAnchors.has(name) ? anchors.get(name) : undefined
    },
    isRecursiveRoot: schema => {
      const { root: own } = ownerOf(schema)
      return isTable(own) && (own as SchemaObject).$recursiveAnchor === true ? (own as SchemaObject) : undefined
    },
    address: `${documentAddress}#`,
  }
}

/** Unknown names are permitted, as Helm does; nothing is fetched. */
function outside(target: URL): Schema {
  if (target.protocol === 'urn:' || /^https?:\/\/json-schema\.org\//.test(target.href)) return true
  throw new Error(`failing loading ${JSON.stringify(target.href)}: schemas outside of the chart are not fetched`)
}

function inside(resource: Resource, fragment: string, address: string): Schema {
  if (fragment !== '' && !fragment.startsWith('/')) {
    const anchored = resource.anchors.get(fragment)
    if (anchored === undefined) throw new Error(`no anchor for ${JSON.stringify(address)} found`)
    return anchored
  }
  let current: unknown = resource.root
  for (const token of fragment.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    current =
      typeof current === 'object' && current !== null && Object.hasOwn(current, key)
        ? (current as SchemaObject)[key]
        : undefined
  }
  if (typeof current === 'boolean' || isTable(current)) return current as Schema
  throw new Error(`json-pointer in ${JSON.stringify(address)} not found`)
}

/** Notes to which resource every object of the document belongs. */
function collect(
  node: unknown,
  owner: Resource,
  isRoot: boolean,
  resources: Map<string, Resource>,
  owners: Map<object, Resource>,
): void {
  if (Array.isArray(node)) for (const item of node) collect(item, owner, false, resources, owners)
  if (!isTable(node)) return
  const schema = node as SchemaObject
  const resource = ownResource(schema, owner, isRoot)
  if (resource !== owner) resources.set(resource.address, resource)
  owners.set(node, resource)
  noteAnchors(schema, resource)
  for (const value of Object.values(node)) collect(value, resource, false, resources, owners)
}

function ownResource(schema: SchemaObject, owner: Resource, isRoot: boolean): Resource {
  const stated = typeof schema.$schema === 'string' ? draftOf(schema.$schema) : undefined
  const draft = stated ?? owner.draft
  const id = schema[draft === 4 ? 'id' : '$id']
  const hasId = typeof id === 'string' && !id.startsWith('#') && !(draft < 2019 && '$ref' in schema)
  if (!hasId && !(isRoot && stated)) return owner
  const address = new URL(hasId ? id : '', owner.address)
  address.hash = ''
  return {
    address: address.href,
    draft: hasId || isRoot ? draft : owner.draft,
    root: schema,
    anchors: new Map(),
    dynamicAnchors: new Set(),
  }
}

function draftOf(address: string): Draft {
  const known = drafts.find(([pattern]) => pattern.test(address))
  if (known) return known[1]
  throw new Error(`failing loading ${JSON.stringify(address)}: schemas outside of the chart are not fetched`)
}

function noteAnchors(schema: SchemaObject, { draft, anchors, dynamicAnchors }: Resource): void {
  const { $id, $anchor, $dynamicAnchor } = schema
  if (draft < 2019 && typeof $id === 'string' && $id.includes('#')) anchors.set($id.slice($id.indexOf('#') + 1), schema)
  if (typeof $anchor === 'string') anchors.set($anchor, schema)
  if (typeof $dynamicAnchor !== 'string') return
  anchors.set($dynamicAnchor, schema)
  dynamicAnchors.add($dynamicAnchor)
}
