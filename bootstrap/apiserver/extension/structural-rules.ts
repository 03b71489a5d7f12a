/** What a CRD's schema must be like to be structural (apiextensions-apiserver pkg/apiserver/schema). */
import type { FieldError } from '../../api/errors.ts'
import { field } from '../../api/errors.ts'
import type { JSONSchemaProps } from '../../api/types.gen.ts'
import { coerce } from '../schema/decode.ts'
import { ruleErrors } from './cel/rules.ts'
import { goPattern } from './go-pattern.ts'
import { structuralSchema } from './structural.ts'
import { validateValue } from './validate.ts'

type Level = 'root' | 'field' | 'item'
type Errors = Generator<FieldError>

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const unsupported = ['$ref', 'additionalItems', 'definitions', 'dependencies', 'id', 'patternProperties'] as const
const extensions = [
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-list-type',
  'x-kubernetes-map-type',
  'x-kubernetes-preserve-unknown-fields',
] as const

const missingType: Record<Level, string> = {
  root: 'must not be empty at the root',
  field: 'must not be empty for specified object fields',
  item: 'must not be empty for specified array items',
}

/** What keeps the schema of a version from being structural; `path` is the schema's own. */
export function* structuralErrors(props: JSONSchemaProps, path: string): Errors {
  if (props.type !== undefined && props.type !== 'object') {
    yield field.invalid(`${path}.type`, props.type, 'must be object at the root')
  }
  yield* nodeErrors(props, path, 'root')
  for (const name of Object.keys(props.properties?.metadata?.properties ?? {})) {
    if (name === 'name' || name === 'generateName') continue
    const rule = 'must not specify anything other than name and generateName, but metadata is implicitly specified'
    yield field.forbidden(`${path}.properties[metadata]`, rule)
    break
  }
}

function* nodeErrors(props: JSONSchemaProps, path: string, level: Level): Errors {
  yield* typeErrors(props, path, level)
  yield* unsupportedErrors(props, path)
  yield* listTypeErrors(props, path)
  yield* defaultErrors(props, path)
  yield* combinationErrors(props, path, props['x-kubernetes-int-or-string'] === true)
  yield* ruleErrors(props, level === 'root', `${path}.x-kubernetes-validations`)
  for (const [name, child] of Object.entries(props.properties ?? {})) {
    yield* nodeErrors(child, `${path}.properties[${name}]`, 'field')
  }
  const { additionalProperties, items } = props
  if (typeof additionalProperties === 'object' && additionalProperties !== null) {
    yield* nodeErrors(additionalProperties as JSONSchemaProps, `${path}.additionalProperties`, 'field')
  }
  if (Array.isArray(items)) yield field.forbidden(`${path}.items`, 'items must be a schema object and not an array')
  else if (items !== undefined) yield* nodeErrors(items as JSONSchemaProps, `${path}.items`, 'item')
}

function* typeErrors(props: JSONSchemaProps, path: string, level: Level): Errors {
  const free = props['x-kubernetes-int-or-string'] || props['x-kubernetes-preserve-unknown-fields']
  const { type = '' } = props
  if (type === 'null') {
    yield field.forbidden(`${path}.type`, 'type cannot be set to null, use nullable as an alternative')
  } else if (type !== '' && !types.includes(type)) yield field.notSupported(`${path}.type`, type, types)
  else if (type === '' && !(free && level !== 'root')) yield field.required(`${path}.type`, missingType[level])
  if (props['x-kubernetes-embedded-resource'] && type !== 'object') {
    yield field.invalid(`${path}.type`, type, 'must be object if x-kubernetes-embedded-resource is true')
  }
  if (props['x-kubernetes-int-or-string'] && type !== '') {
    yield field.invalid(`${path}.type`, type, 'must be empty if x-kubernetes-int-or-string is true')
  }
  if (type === 'array' && props.items === undefined) yield field.required(`${path}.items`, 'must be specified')
  if (props.pattern !== undefined && goPattern(props.pattern) === undefined) {
    yield field.invalid(`${path}.pattern`, props.pattern, 'must be a valid regular expression')
  }
}

function* unsupportedErrors(props: JSONSchemaProps, path: string): Errors {
  for (const keyword of unsupported) {
    if (props[keyword] !== undefined) yield field.forbidden(`${path}.${keyword}`, `${keyword} is not supported`)
  }
  if (props.uniqueItems) {
    const rule = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'
    yield field.forbidden(`${path}.uniqueItems`, rule)
  }
  if (props.additionalProperties === undefined) return
  if (props.properties) {
    yield field.forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive')
  } else if (props.additionalProperties === false) {
    yield field.forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false')
  }
}

function* listTypeErrors(props: JSONSchemaProps, path: string): Errors {
  const listType = props['x-kubernetes-list-type']
  const keys = props['x-kubernetes-list-map-keys'] ?? []
  const items = props.items as JSONSchemaProps | undefined
  if (listType === undefined) {
    if (keys.length > 0)
      yield field.required(`${path}.x-kubernetes-list-type`, 'must be map if list map keys are given')
    return
  }
  if (props.type !== 'array') {
    yield field.invalid(`${path}.type`, props.type ?? '', 'must be array if x-kubernetes-list-type is specified')
  } else if (!['atomic', 'map', 'set'].includes(listType)) {
    yield field.notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'map', 'set'])
  } else if (listType === 'set') yield* setErrors(items, path)
  else if (listType === 'map') yield* keyErrors(items, keys, path)
}

function* setErrors(items: JSONSchemaProps | undefined, path: string): Errors {
  const isMap = items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic'
  const isList = items?.type === 'array' && (items['x-kubernetes-list-type'] ?? 'atomic') !== 'atomic'
  if (items?.nullable)
    yield field.forbidden(`${path}.items.nullable`, 'cannot be nullable when x-kubernetes-list-type is set')
  if (!isMap && !isList) return
  const rule = 'must be atomic as item of a list with x-kubernetes-list-type=set'
  const keyword = isMap ? 'x-kubernetes-map-type' : 'x-kubernetes-list-type'
  yield field.invalid(`${path}.items.${keyword}`, items?.[keyword] ?? '', rule)
}

function* keyErrors(items: JSONSchemaProps | undefined, keys: readonly string[], path: string): Errors {
  const at = `${path}.x-kubernetes-list-map-keys`
  if (keys.length === 0) yield field.required(at, 'must not be empty if x-kubernetes-list-type is map')
  if (items?.type !== 'object') {
    yield field.invalid(
      `${path}.items.type`,
      items?.type ?? '',
      'must be object if parent array has x-kubernetes-list-type map',
    )
  }
  for (const [index, key] of keys.entries()) {
    const property = items?.properties?.[key]
    if (!property) {
      yield field.invalid(`${at}[${index}]`, key, 'entries must all be names of item properties')
      continue
    }
    const below = `${path}.items.properties[${key}]`
    if (property.default === undefined && !items?.required?.includes(key)) {
      const rule = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property'
      yield field.required(`${below}.default`, rule)
    }
    if (property.nullable) {
      yield field.forbidden(
        `${below}.nullable`,
        'this property is in x-kubernetes-list-map-keys, so it cannot be nullable',
      )
    }
    if (property.type === 'array' || property.type === 'object') {
      yield field.invalid(
        `${below}.type`,
        property.type,
        'must be a scalar type as it is in x-kubernetes-list-map-keys',
      )
    }
  }
}

/** A default must be a value of its own schema, with nothing pruned from it. */
function* defaultErrors(props: JSONSchemaProps, path: string): Errors {
  if (props.default === undefined) return
  yield* validateValue(props, props.default, `${path}.default`)
  if (typeof props.default !== 'object' || props.default === null) return
  const holder = { type: 'object', properties: { default: props } }
  const kept = coerce(structuralSchema(holder), { default: props.default })
  if (JSON.stringify(kept.default) !== JSON.stringify(props.default)) {
    yield field.invalid(`${path}.default`, props.default, 'must not have unknown fields')
  }
}

function* combinationErrors(props: JSONSchemaProps, path: string, intOrString: boolean): Errors {
  for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [index, part] of (props[keyword] ?? []).entries()) {
      yield* valueErrors(part, `${path}.${keyword}[${index}]`, intOrString)
    }
  }
  if (props.not) yield* valueErrors(props.not, `${path}.not`, false)
}

/** Below a combination only values may be restricted; `typed` allows the type, as int-or-string needs. */
function* valueErrors(props: JSONSchemaProps, path: string, typed: boolean): Errors {
  if (props.type && !typed) yield field.forbidden(`${path}.type`, 'must be empty to be structural')
  if (props.default !== undefined) yield field.forbidden(`${path}.default`, 'must be undefined to be structural')
  if (props.nullable) yield field.forbidden(`${path}.nullable`, 'must be false to be structural')
  if (props.title) yield field.forbidden(`${path}.title`, 'must be empty to be structural')
  if (props.description) yield field.forbidden(`${path}.description`, 'must be empty to be structural')
  if (props.additionalProperties !== undefined) {
    yield field.forbidden(`${path}.additionalProperties`, 'must be undefined to be structural')
  }
  for (const extension of extensions) {
    if (props[extension]) yield field.forbidden(`${path}.${extension}`, 'must be undefined to be structural')
  }
  yield* unsupportedErrors(props, path)
  yield* combinationErrors(props, path, typed)
  for (const [name, child] of Object.entries(props.properties ?? {})) {
    yield* valueErrors(child, `${path}.properties[${name}]`, false)
  }
  if (props.items !== undefined) yield* valueErrors(props.items as JSONSchemaProps, `${path}.items`, false)
}
