/** Schemas of custom resources as OpenAPI publishes them (apiextensions-apiserver, controller/openapi/builder). */
import type { Kind } from '../kinds/kind.ts'
import { type Dialect, type JsonSchema, refWith } from './schemas.ts'

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** "com.example.v1.Widget" for Widget in v1 of example.com; built-in kinds have their model's name. */
export function definitionName(kind: Kind): string {
  if (!kind.custom) return kind.schema.name!
  return `${kind.group.split('.').reverse().join('.')}.${kind.version}.${kind.kind}`
}

export function listDefinitionName(kind: Kind): string {
  const name = definitionName(kind)
  return name.slice(0, name.lastIndexOf('.') + 1) + kind.listKind
}

const texts = {
  apiVersion: 'Version of the schema this object is written in, with its group.',
  kind: 'The REST resource this object is of, in CamelCase.',
  metadata: 'Standard metadata of an object.',
  listMetadata: 'Standard metadata of a list.',
}

const text = (description: string) => ({ description, type: 'string' })
const gvk = (kind: Kind, name: string) => ({
  'x-kubernetes-group-version-kind': [{ group: kind.group, kind: name, version: kind.version }],
})

/** The definition of a custom kind. */
export function customDefinition(kind: Kind, dialect: Dialect): JsonSchema {
  const raw = (kind.schema.validation ?? {}) as JsonSchema
  const open = raw['x-kubernetes-preserve-unknown-fields'] === true || Object.keys(raw).length === 0
  // Clients of version 2 refuse fields they do not know as soon as any is listed.
  if (open && dialect === 'v2') return { type: 'object', ...gvk(kind, kind.kind) }
  const published = dialect === 'v2' ? simplified(raw) : raw
  return {
    type: 'object',
    ...published,
    properties: { ...(published.properties as JsonSchema | undefined), ...objectProperties(dialect) },
    ...gvk(kind, kind.kind),
  }
}

function objectProperties(dialect: Dialect): JsonSchema {
  return {
    apiVersion: text(texts.apiVersion),
    kind: text(texts.kind),
    metadata: refWith(`${meta}.ObjectMeta`, { description: texts.metadata }, dialect),
  }
}

export function customListDefinition(kind: Kind, dialect: Dialect): JsonSchema {
  return {
    description: `${kind.listKind} is a list of ${kind.kind}`,
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: text(texts.apiVersion),
      items: {
        description: `List of ${kind.resource}.`,
        type: 'array',
        items: refWith(definitionName(kind), {}, dialect),
      },
      kind: text(texts.kind),
      metadata: refWith(`${meta}.ListMeta`, { description: texts.listMetadata }, dialect),
    },
    ...gvk(kind, kind.listKind),
  }
}

/** Keywords version 2 does not have. */
const only3 = new Set(['oneOf', 'anyOf', 'allOf', 'not', 'nullable'])

/** The schema without what version 2, or its clients' validation, cannot take. */
function simplified(schema: JsonSchema): JsonSchema {
  const untyped = schema.nullable === true || schema['x-kubernetes-int-or-string'] === true
  const open = schema.nullable === true || schema['x-kubernetes-preserve-unknown-fields'] === true
  const result: JsonSchema = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (only3.has(keyword) || (keyword === 'type' && (untyped || open))) continue
    if (open && (keyword === 'properties' || keyword === 'items')) continue
    result[keyword] = below(keyword, value)
  }
  return result
}

function below(keyword: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (keyword === 'items' || keyword === 'additionalProperties') return simplified(value as JsonSchema)
  if (keyword !== 'properties') return value
  const fields = Object.entries(value).map(([name, schema]) => [name, simplified(schema as JsonSchema)])
  return Object.fromEntries(fields)
}
