/** Schemas of the built-in types, made from the tables one model at a time, when first walked. */
import type { Schema } from './schema.ts'
import { type FieldRow, type ModelRow, schemaTables } from './tables.ts'

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const extensions = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1'

/** Types whose JSON form is not an object of known fields. */
export const leafSchemas: { readonly [leaf: string]: Schema } = {
  Time: { type: 'time', format: 'date-time', name: `${meta}.Time` },
  MicroTime: { type: 'microTime', format: 'date-time', name: `${meta}.MicroTime` },
  IntOrString: {
    type: 'intOrString',
    format: 'int-or-string',
    name: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  },
  Quantity: { type: 'quantity', name: 'io.k8s.apimachinery.pkg.api.resource.Quantity' },
  RawExtension: { type: 'any', name: 'io.k8s.apimachinery.pkg.runtime.RawExtension' },
  FieldsV1: { type: 'any', name: `${meta}.FieldsV1` },
  Patch: { type: 'any', name: `${meta}.Patch` },
  JSON: { type: 'any', name: `${extensions}.JSON` },
  JSONSchemaPropsOrArray: { type: 'any', name: `${extensions}.JSONSchemaPropsOrArray` },
  JSONSchemaPropsOrBool: { type: 'any', name: `${extensions}.JSONSchemaPropsOrBool` },
  JSONSchemaPropsOrStringArray: { type: 'any', name: `${extensions}.JSONSchemaPropsOrStringArray` },
  CustomResourceSubresourceStatus: {
    type: 'object',
    name: `${extensions}.CustomResourceSubresourceStatus`,
    properties: {},
  },
}

type SchemasByType = { readonly [type: string]: Schema }

const scalars: SchemasByType = {
  string: { type: 'string' },
  boolean: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  byte: { type: 'bytes', format: 'byte' },
}

const omittedScalars: SchemasByType = Object.fromEntries(
  Object.entries({ ...scalars, '@IntOrString': leafSchemas.IntOrString! }).map(([type, schema]) => [
    type,
    { ...schema, omitEmpty: true },
  ]),
)

/** An object whose fields are resolved when first asked for, because types recurse. */
class ModelSchema implements Schema {
  readonly type = 'object'
  readonly name: string
  readonly required: readonly string[]
  declare readonly mapType?: 'atomic' | 'granular'
  readonly #row: ModelRow
  #properties: { [field: string]: Schema } | undefined

  constructor(name: string, row: ModelRow) {
    this.name = name
    this.required = row.required
    if (row.map !== undefined) this.mapType = row.map as 'atomic' | 'granular'
    this.#row = row
  }

  get properties(): { readonly [field: string]: Schema } {
    this.#properties ??= Object.fromEntries(
      Object.entries(this.#row.fields).map(([field, row]) => [field, fieldSchema(row, !this.required.includes(field))]),
    )
    return this.#properties
  }
}

/** A field of object type with attributes of its own, e.g. a patch strategy: the model's schema seen through them. */
class AttributedModel implements Schema {
  readonly type = 'object'
  readonly #model: ModelSchema

  constructor(model: ModelSchema, attributes: Partial<Schema>) {
    this.#model = model
    Object.assign(this, model.mapType ? { mapType: model.mapType } : {}, attributes)
  }

  get name(): string {
    return this.#model.name
  }

  get required(): readonly string[] {
    return this.#model.required
  }

  get properties(): { readonly [field: string]: Schema } {
    return this.#model.properties
  }
}

const models = new Map<string, Schema>()

/**
 * The schema of a built-in type by its model name, e.g. "io.k8s.api.core.v1.PodSpec"; the same object every time.
 * @throws RangeError for a name that is no model
 */
export function schemaOf(modelName: string): Schema {
  const known = models.get(modelName)
  if (known) return known
  const row = schemaTables().models[modelName]
  const schema = row ? new ModelSchema(modelName, row) : Object.values(leafSchemas).find(s => s.name === modelName)
  if (!schema) throw new RangeError(`no built-in type is named ${modelName}`)
  models.set(modelName, schema)
  return schema
}

function fieldSchema([type, place, options]: FieldRow, optional: boolean): Schema {
  const omitEmpty = optional && place !== '' && !place.endsWith('*') && options?.keep === undefined
  const schema = omitEmpty ? omittedSchema(type) : typeSchema(type)
  if (!options) return schema
  const attributes = attributesOf(options)
  return schema instanceof ModelSchema ? new AttributedModel(schema, attributes) : { ...schema, ...attributes }
}

function attributesOf(options: NonNullable<FieldRow[2]>): Partial<Schema> {
  const { list, keys, patch, merge, map, default: value } = options
  return {
    ...(list === undefined ? {} : { listType: list as 'atomic' | 'set' | 'map' }),
    ...(keys === undefined ? {} : { listMapKeys: keys.split(',') }),
    ...(patch === undefined ? {} : { patchStrategy: patch.split(',') as ('merge' | 'replace' | 'retainKeys')[] }),
    ...(merge === undefined ? {} : { patchMergeKey: merge }),
    ...(map === undefined ? {} : { mapType: map as 'atomic' | 'granular' }),
    ...(value === undefined ? {} : { default: value }),
  }
}

/** The type of a field that is left out when empty: lists, maps and scalars that are no pointers in Go. */
function omittedSchema(type: string): Schema {
  if (type.startsWith('[]') || type.startsWith('{}')) return { ...typeSchema(type), omitEmpty: true }
  return omittedScalars[type] ?? typeSchema(type)
}

function typeSchema(type: string): Schema {
  if (type.startsWith('[]')) return { type: 'array', items: typeSchema(type.slice(2)) }
  if (type.startsWith('{}')) return { type: 'map', additional: typeSchema(type.slice(2)) }
  if (!type.startsWith('@')) return scalars[type] ?? { type: 'any' }
  return leafSchemas[type.slice(1)] ?? schemaOf(type.slice(1))
}
