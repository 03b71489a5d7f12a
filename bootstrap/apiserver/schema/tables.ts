/** The tables of built-in types that `npm run build:schema` writes, loaded when first asked for. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

type Options = { readonly [option: string]: string }

/**
 * Type, protobuf number ("2.1" inside embedded message 2, "*" marks an optional scalar, '' for none) and options.
 * Type: a scalar ("string", "int32", "byte", ...), "@" and a model or leaf name, each after any number of "[]" and "{}".
 */
export type FieldRow = readonly [type: string, number: string, options?: Options]

export interface ModelRow {
  readonly fields: { readonly [field: string]: FieldRow }
  readonly required: readonly string[]
  /** x-kubernetes-map-type. */
  readonly map?: string
  /** x-kubernetes-unions: "discriminator:field,field". */
  readonly union?: string
  /** Group versions in which this model is a kind. */
  readonly kinds?: readonly string[]
}

export interface ResourceRow {
  readonly groupVersion: string
  readonly resource: string
  readonly kind: string
  readonly options: Options
  readonly subresources: readonly { readonly name: string; readonly kind: string; readonly options: Options }[]
}

export interface Tables {
  readonly models: { readonly [name: string]: ModelRow }
  readonly resources: readonly ResourceRow[]
}

function load(file: string): unknown {
  const path = join(import.meta.dirname, file)
  return JSON.parse(readFileSync(path, 'utf8'))
}

let tables: Tables | undefined

/** Models and resources; read once. */
export function schemaTables(): Tables {
  tables ??= load('schema.gen.json') as Tables
  return tables
}

/** Descriptions by model and field ('' is the model's own); read anew each time, for OpenAPI keeps its own result. */
export function loadDescriptions(): { readonly [model: string]: { readonly [field: string]: string } } {
  return load('descriptions.gen.json') as { [model: string]: { [field: string]: string } }
}
