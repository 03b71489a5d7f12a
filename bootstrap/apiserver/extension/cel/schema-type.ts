/** CRD schemas as CEL sees them: the types of what they describe, and JSON as values of these types. */
import type { JSONSchemaProps } from '../../../api/types.gen.ts'
import { CelError } from '../../../cel/errors.ts'
import { checkedTimestamp, parseDuration, parseTimestamp } from '../../../cel/library/time.ts'
import {
  bool,
  bytes,
  double,
  duration,
  dyn,
  int,
  listOf,
  mapOf,
  string,
  type Type,
  timestamp,
} from '../../../cel/types.ts'
import type { MapValue, Value } from '../../../cel/values.ts'
import { isObject } from '../../patch/json.ts'
import { escapeName } from './names.ts'

/** A place in a schema: what its values are, and how JSON becomes one. */
export interface Shape {
  readonly type: Type
  value(json: unknown): Value
}

const metadata: JSONSchemaProps = {
  type: 'object',
  properties: { name: { type: 'string' }, generateName: { type: 'string' } },
}
const objectFields: { readonly [name: string]: JSONSchemaProps } = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata,
}

const shapes = new WeakMap<JSONSchemaProps, Shape>()

/** The shape of a schema; `isObjectRoot` for that of a whole object, whose metadata is known without being declared. */
export function shapeOf(props: JSONSchemaProps, isObjectRoot = false): Shape {
  const known = isObjectRoot ? undefined : shapes.get(props)
  if (known) return known
  const shape = newShape(props, isObjectRoot || props['x-kubernetes-embedded-resource'] === true)
  if (!isObjectRoot) shapes.set(props, shape)
  return shape
}

const free: Shape = { type: dyn, value: json => freeValue(json) }

function newShape(props: JSONSchemaProps, hasObjectFields: boolean): Shape {
  if (props['x-kubernetes-int-or-string']) return free
  switch (props.type) {
    case 'object':
      return isMapSchema(props) && !hasObjectFields ? mapShape(props) : objectShape(props, hasObjectFields)
    case 'array':
      return listShape(props)
    case 'string':
      return textShape(props.format)
    case 'boolean':
      return { type: bool, value: json => json as boolean }
    case 'integer':
      return { type: int, value: json => (json === null ? null : BigInt(Math.trunc(json as number))) }
    case 'number':
      return { type: double, value: json => json as number }
    default:
      return free
  }
}

function isMapSchema({ additionalProperties, properties }: JSONSchemaProps): boolean {
  return !properties && typeof additionalProperties === 'object' && additionalProperties !== null
}

function objectShape(props: JSONSchemaProps, hasObjectFields: boolean): Shape {
  const declared = { ...props.properties, ...(hasObjectFields ? objectFields : {}) }
  const fields = new Map<string, { name: string; props: JSONSchemaProps }>()
  for (const [name, child] of Object.entries(declared)) {
    const escaped = escapeName(name)
    if (escaped !== undefined) fields.set(escaped, { name, props: child })
  }
  const find = (key: Value) => (typeof key === 'string' ? fields.get(key) : undefined)
  const type: Type = {
    kind: 'object',
    name: 'object',
    field: name => {
      const found = fields.get(name)
      return found && shapeOf(found.props).type
    },
  }
  return {
    type,
    value: json => {
      if (!isObject(json)) return null
      const present = () => [...fields].filter(([, { name }]) => json[name] !== undefined)
      return mapping('object', {
        get: key => {
          const found = find(key)
          const value = found && json[found.name]
          return value === undefined ? undefined : shapeOf(found!.props).value(value)
        },
        keys: () => present().map(([escaped]) => escaped),
      })
    },
  }
}

function mapShape(props: JSONSchemaProps): Shape {
  const values = shapeOf(props.additionalProperties as JSONSchemaProps)
  return {
    type: mapOf(string, values.type),
    value: json => {
      if (!isObject(json)) return null
      return mapping('map', {
        get: key => (typeof key === 'string' && Object.hasOwn(json, key) ? values.value(json[key]) : undefined),
        keys: () => Object.keys(json),
      })
    },
  }
}

function mapping(typeName: string, { get, keys }: Pick<MapValue, 'get' | 'keys'>): MapValue {
  return {
    isMap: true,
    typeName,
    get,
    keys,
    get size() {
      return keys().length
    },
  }
}

function listShape(props: JSONSchemaProps): Shape {
  const items = props.items === undefined ? free : shapeOf(props.items as JSONSchemaProps)
  return { type: listOf(items.type), value: json => (Array.isArray(json) ? json.map(item => items.value(item)) : null) }
}

function textShape(format: string | undefined): Shape {
  const as = (type: Type, convert: (text: string) => Value): Shape => ({
    type,
    value: json => (typeof json === 'string' ? convert(json) : null),
  })
  switch (format) {
    case 'byte':
      return as(bytes, text => new Uint8Array(Buffer.from(text, 'base64')))
    case 'duration':
      return as(duration, parseDuration)
    case 'date':
      return as(timestamp, dateOf)
    case 'date-time':
      return as(timestamp, parseTimestamp)
    default:
      return as(string, text => text)
  }
}

function dateOf(text: string): Value {
  const ms = Date.parse(`${text}T00:00:00Z`)
  if (Number.isNaN(ms)) throw new CelError(`invalid date: ${text}`)
  return checkedTimestamp(BigInt(ms) * 1_000_000n)
}

/** JSON without a schema: whole numbers are ints. */
function freeValue(json: unknown): Value {
  if (typeof json === 'number') return Number.isInteger(json) ? BigInt(json) : json
  if (Array.isArray(json)) return json.map(freeValue)
  if (!isObject(json)) return json as Value
  return mapping('map', {
    get: key => (typeof key === 'string' && Object.hasOwn(json, key) ? freeValue(json[key]) : undefined),
    keys: () => Object.keys(json),
  })
}
