/** Schemas of the built-in models as OpenAPI publishes them, in the dialects of version 2 and 3. */
import { parseApiVersion } from '../../api/object.ts'
import { schemaOf } from '../schema/models.ts'
import type { Schema } from '../schema/schema.ts'
import { type loadDescriptions, schemaTables } from '../schema/tables.ts'

export type Dialect = 'v2' | 'v3'
export type JsonSchema = { [keyword: string]: unknown }

const prefixes = { v2: '#/definitions/', v3: '#/components/schemas/' }

export function refTo(model: string, dialect: Dialect): JsonSchema {
  return { $ref: prefixes[dialect] + model }
}

/** A reference with keywords beside it, which version 3 allows only around an allOf. */
export function refWith(model: string, keywords: JsonSchema, dialect: Dialect): JsonSchema {
  const plain = refTo(model, dialect)
  if (Object.keys(keywords).length === 0) return plain
  return dialect === 'v2' ? { ...plain, ...keywords } : { ...keywords, allOf: [plain] }
}

export type Descriptions = ReturnType<typeof loadDescriptions>

/** One model's definition. `descriptions` are the loaded texts (see loadDescriptions). */
export function definition(model: string, dialect: Dialect, descriptions: Descriptions): JsonSchema {
  const schema = schemaOf(model)
  const texts = descriptions[model] ?? {}
  const description = textOf(texts[''])
  if (schema.type !== 'object') return { ...description, ...leaf(schema, dialect) }
  const row = schemaTables().models[model]
  const properties = Object.entries(schema.properties ?? {}).map(([field, known]) => [
    field,
    property(known, dialect, texts[field]),
  ])
  const kind = model.slice(model.lastIndexOf('.') + 1)
  return {
    ...description,
    type: 'object',
    ...(properties.length > 0 ? { properties: Object.fromEntries(properties) } : {}),
    ...(schema.required && schema.required.length > 0 ? { required: schema.required } : {}),
    ...(schema.mapType ? { 'x-kubernetes-map-type': schema.mapType } : {}),
    ...(row?.union === undefined ? {} : { 'x-kubernetes-unions': [union(row.union)] }),
    ...(row?.kinds
      ? {
          'x-kubernetes-group-version-kind': row.kinds.map(groupVersion => ({
            ...parseApiVersion(groupVersion),
            kind,
          })),
        }
      : {}),
  }
}

/** Models a model mentions. */
export function referencedModels(model: string): string[] {
  return Object.values(schemaOf(model).properties ?? {}).flatMap(mentioned)
}

function mentioned(schema: Schema): string[] {
  if (schema.name !== undefined) return [schema.name]
  const inner = schema.items ?? schema.additional
  return inner ? mentioned(inner) : []
}

/** The models and everything they lead to, sorted by name. */
export function closure(roots: Iterable<string>): string[] {
  const found = new Set<string>()
  const queue = [...roots]
  for (let model = queue.pop(); model !== undefined; model = queue.pop()) {
    if (found.has(model)) continue
    found.add(model)
    queue.push(...referencedModels(model))
  }
  return [...found].sort()
}

const textOf = (text: string | undefined) => (text ? { description: text } : {})

function property(schema: Schema, dialect: Dialect, text?: string): JsonSchema {
  const keywords = {
    ...textOf(text),
    ...(schema.default === undefined ? {} : { default: schema.default }),
    ...extensions(schema),
  }
  if (schema.name !== undefined) return refWith(schema.name, keywords, dialect)
  if (schema.type === 'array') return { ...keywords, type: 'array', items: property(schema.items!, dialect) }
  if (schema.type === 'map')
    return { ...keywords, type: 'object', additionalProperties: property(schema.additional!, dialect) }
  const type = schema.type === 'bytes' ? 'string' : schema.type
  return { ...keywords, type, ...(schema.format ? { format: schema.format } : {}) }
}

/** The x-kubernetes keywords of a field; a model's own map type stands at its definition. */
function extensions(schema: Schema): JsonSchema {
  const ofModel = schema.name === undefined ? undefined : schemaOf(schema.name).mapType
  return {
    ...(schema.listType ? { 'x-kubernetes-list-type': schema.listType } : {}),
    ...(schema.listMapKeys ? { 'x-kubernetes-list-map-keys': schema.listMapKeys } : {}),
    ...(schema.patchStrategy ? { 'x-kubernetes-patch-strategy': schema.patchStrategy.join(',') } : {}),
    ...(schema.patchMergeKey ? { 'x-kubernetes-patch-merge-key': schema.patchMergeKey } : {}),
    ...(schema.mapType !== ofModel ? { 'x-kubernetes-map-type': schema.mapType } : {}),
  }
}

function leaf(schema: Schema, dialect: Dialect): JsonSchema {
  const either = (...types: string[]) => ({ oneOf: types.map(type => ({ type })) })
  switch (schema.type) {
    case 'time':
    case 'microTime':
      return { type: 'string', format: 'date-time' }
    case 'quantity':
      return dialect === 'v2' ? { type: 'string' } : either('string', 'number')
    case 'intOrString': {
      const format = { format: 'int-or-string' }
      return dialect === 'v2' ? { type: 'string', ...format } : { ...format, ...either('integer', 'string') }
    }
    default:
      return schema.name?.includes('.apiextensions.') ? {} : { type: 'object' }
  }
}

function union(text: string): JsonSchema {
  const [discriminator = '', fields = ''] = text.split(':')
  const names = fields.split(',').map(field => [field, field.charAt(0).toUpperCase() + field.slice(1)])
  return {
    ...(discriminator === '' ? {} : { discriminator }),
    'fields-to-discriminateBy': Object.fromEntries(names),
  }
}
