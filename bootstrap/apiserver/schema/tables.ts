/** The tables of built-in types that `npm run build:schema` writes, loaded when first asked for. */
import { createHash } from 'node:crypto'
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

const files = { schema: 'schema.gen.json', descriptions: 'descriptions.gen.json' }

const contentOf = (file: string) => readFileSync(join(import.meta.dirname, file), 'utf8')

let tables: Tables | undefined

/** Models and resources; read once. */
export function schemaTables(): Tables {
  tables ??= JSON.parse(contentOf(files.schema)) as Tables
  return tables
}

/** Descriptions by model and field ('' is the model's own); read anew each time, for OpenAPI keeps its own result. */
export function loadDescriptions(): { readonly [model: string]: { readonly [field: string]: string } } {
  return JSON.parse(contentOf(files.descriptions)) as { [model: string]: { [field: string]: string } }
}

/** A digest of all that is generated, for what is derived from it and cached elsewhere. */
export function tablesDigest(): string {
  return createHash('sha512').update(contentOf(files.schema)).update(contentOf(files.descriptions)).digest('hex')
}
