/** From the OpenAPI schema of a CRD version to the Schema that decoding, defaulting, apply and validation walk. */
import type { JSONSchemaProps } from '../../api/types.gen.ts'
import { schemaOf } from '../schema/models.ts'
import type { Schema, SchemaType } from '../schema/schema.ts'

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const text: Schema = { type: 'string', validation: {} }

/** What lies under a node whose schema says nothing. */
const free: Schema = { type: 'any', preserveUnknownFields: true, validation: {} }

type Changeable = { -readonly [K in keyof Schema]: Schema[K] }

/** The schema of a whole object of a CRD version; one without a schema keeps everything. */
export function structuralSchema(props: JSONSchemaProps | undefined): Schema {
  if (props === undefined) return { ...free, type: 'object', properties: objectFields() }
  const root = nodeOf(props)
  return { ...root, type: 'object', properties: { ...root.properties, ...objectFields() } }
}

/** The three fields of every object; a CRD cannot change them. */
function objectFields(): { readonly [field: string]: Schema } {
  return { apiVersion: text, kind: text, metadata: schemaOf(objectMeta) }
}

function nodeOf(props: JSONSchemaProps): Schema {
  const node: Changeable = { type: typeOf(props), validation: props as { readonly [keyword: string]: unknown } }
  const additional = additionalOf(props)
  if (props.properties || node.type === 'object') node.properties = propertiesOf(props)
  if (additional) node.additional = additional
  if (props.items !== undefined) node.items = nodeOf(props.items as JSONSchemaProps)
  if (props.required) node.required = props.required
  if (props.format !== undefined) node.format = props.format
  if (props.nullable) node.nullable = true
  if (props.default !== undefined) node.default = props.default
  if (props['x-kubernetes-preserve-unknown-fields']) node.preserveUnknownFields = true
  if (props['x-kubernetes-embedded-resource']) node.embeddedResource = true
  if (props['x-kubernetes-list-map-keys']) node.listMapKeys = props['x-kubernetes-list-map-keys']
  const listType = props['x-kubernetes-list-type']
  if (listType !== undefined) node.listType = listType as NonNullable<Schema['listType']>
  const mapType = props['x-kubernetes-map-type']
  if (mapType !== undefined) node.mapType = mapType as NonNullable<Schema['mapType']>
  return node
}

function propertiesOf(props: JSONSchemaProps): { readonly [field: string]: Schema } {
  const own = Object.entries(props.properties ?? {}).map(([name, child]) => [name, nodeOf(child)] as const)
  return { ...Object.fromEntries(own), ...(props['x-kubernetes-embedded-resource'] ? objectFields() : {}) }
}

function additionalOf({ additionalProperties }: JSONSchemaProps): Schema | undefined {
  if (additionalProperties === undefined || additionalProperties === false) return undefined
  return additionalProperties === true ? free : nodeOf(additionalProperties as JSONSchemaProps)
}

function typeOf(props: JSONSchemaProps): SchemaType {
  if (props['x-kubernetes-int-or-string']) return 'intOrString'
  switch (props.type) {
    case 'object':
      return additionalOf(props) && !props.properties ? 'map' : 'object'
    case 'array':
    case 'string':
    case 'integer':
    case 'number':
    case 'boolean':
      return props.type
    default:
      return 'any'
  }
}
