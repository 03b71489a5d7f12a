/** The shape of a Kubernetes type, built-in or from a CRD: what decoding, defaulting, pruning, patches and apply walk. */

export type SchemaType =
  | 'object' // known properties
  | 'map' // additional
  | 'array'
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'intOrString'
  | 'quantity' // string or number on the wire
  | 'time' // RFC 3339, seconds
  | 'microTime'
  | 'bytes' // base64
  | 'duration'
  | 'any' // free JSON (RawExtension, JSON, FieldsV1)

export interface Schema {
  readonly type: SchemaType
  /** Model name of a built-in type, e.g. "io.k8s.api.core.v1.PodSpec". */
  readonly name?: string
  readonly format?: string
  /** Fields of an object. Resolved on first use (types recurse). */
  readonly properties?: { readonly [field: string]: Schema }
  /** Value type of a map. */
  readonly additional?: Schema
  /** Item type of an array. */
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly listType?: 'atomic' | 'set' | 'map'
  readonly listMapKeys?: readonly string[]
  readonly mapType?: 'atomic' | 'granular'
  /** x-kubernetes-patch-strategy split at the comma. */
  readonly patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[]
  readonly patchMergeKey?: string
  /** x-kubernetes-preserve-unknown-fields: unknown fields here are kept (CRDs only). */
  readonly preserveUnknownFields?: boolean
  /** x-kubernetes-embedded-resource (CRDs only). */
  readonly embeddedResource?: boolean
  readonly nullable?: boolean
  /** The field is left out when it holds its type's zero value, as Go's omitempty does (built-in types only). */
  readonly omitEmpty?: boolean
  /** The schema's default (CRDs; also the few defaults that apply's list keys need, e.g. a port's protocol). */
  readonly default?: unknown
  /** The raw JSONSchemaProps of a CRD node, for value validation. */
  readonly validation?: { readonly [keyword: string]: unknown }
}
