/** Validation of custom values against an OpenAPI schema, with the messages of kube-openapi's pkg/validation. */
import type { FieldError } from '../../api/errors.ts'
import { field } from '../../api/errors.ts'
import type { JSONSchemaProps } from '../../api/types.gen.ts'
import { isObject, type JsonObject, jsonEqual } from '../patch/json.ts'
import { fitsFormat, hasFormat } from './formats.ts'
import { type GoPattern, goPattern } from './go-pattern.ts'
import { listErrors, previousItem } from './lists.ts'

/** Checks rules the schema walk does not know (CEL); gets every node with x-kubernetes-validations. */
export type ValidationRules = (
  props: JSONSchemaProps,
  value: unknown,
  old: unknown,
  path: string,
) => readonly FieldError[]

export interface ValidationOptions {
  /** The value before an update: parts that are equal in both are not checked again. */
  readonly old?: unknown
  readonly rules?: ValidationRules | undefined
}

/** What is wrong with a value; `path` is its field path, "" for the whole object. */
export function validateValue(
  props: JSONSchemaProps,
  value: unknown,
  path: string,
  options: ValidationOptions = {},
): FieldError[] {
  const { old, rules } = options
  if (old !== undefined && jsonEqual(value, old)) return []
  if (value === null && props.nullable) return []
  const wrongType = typeErrors(props, value, path)
  if (wrongType.length > 0) return wrongType
  const problems = [...enumErrors(props, value, path), ...combinationErrors(props, value, path)]
  if (typeof value === 'string') problems.push(...stringErrors(props, value, path))
  else if (typeof value === 'number') problems.push(...numberErrors(props, value, path))
  else if (Array.isArray(value)) problems.push(...arrayErrors(props, value, path, options))
  else if (isObject(value)) problems.push(...objectErrors(props, value, path, options))
  if (rules && props['x-kubernetes-validations']) problems.push(...rules(props, value, old, path))
  return problems
}

const child = (path: string, name: string) => (path === '' ? name : `${path}.${name}`)
const inBody = (path: string) => `${path} in body`

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function typeErrors(props: JSONSchemaProps, value: unknown, path: string): FieldError[] {
  const allowed = props['x-kubernetes-int-or-string'] ? ['integer', 'string'] : props.type ? [props.type] : []
  const actual = typeName(value)
  const fits = allowed.length === 0 || allowed.includes(actual) || (actual === 'integer' && allowed.includes('number'))
  if (fits && (allowed.length > 0 || value !== null)) return []
  if (allowed.length === 0) return []
  const text = `${inBody(path)} must be of type ${allowed.join(',')}: ${JSON.stringify(actual)}`
  return [field.typeInvalid(path, actual, text)]
}

function enumErrors(props: JSONSchemaProps, value: unknown, path: string): FieldError[] {
  if (!props.enum || props.enum.some(allowed => jsonEqual(allowed, value))) return []
  const supported = props.enum.map(allowed => (typeof allowed === 'string' ? allowed : JSON.stringify(allowed)))
  return [field.notSupported(path, value, supported)]
}

const patterns = new Map<string, GoPattern | undefined>()

function patternOf(text: string): GoPattern | undefined {
  if (!patterns.has(text)) patterns.set(text, goPattern(text))
  return patterns.get(text)
}

function* stringErrors(props: JSONSchemaProps, value: string, path: string): Generator<FieldError> {
  const length = [...value].length
  const { maxLength, minLength, pattern, format } = props
  if (maxLength !== undefined && length > maxLength) yield field.tooLong(path, maxLength)
  if (minLength !== undefined && length < minLength) {
    yield field.invalid(path, value, `${inBody(path)} should be at least ${minLength} chars long`)
  }
  if (pattern !== undefined && pattern !== '' && patternOf(pattern)?.test(value) === false) {
    yield field.invalid(path, value, `${inBody(path)} should match '${pattern}'`)
  }
  if (format !== undefined && !hasFormat(value, format)) {
    yield field.typeInvalid(path, value, `${inBody(path)} must be of type ${format}: ${JSON.stringify(value)}`)
  }
}

function* numberErrors(props: JSONSchemaProps, value: number, path: string): Generator<FieldError> {
  const { minimum, maximum, multipleOf, format } = props
  const should = (text: string) => field.invalid(path, value, `${inBody(path)} should be ${text}`)
  if (maximum !== undefined && (props.exclusiveMaximum ? value >= maximum : value > maximum)) {
    yield should(`less than ${props.exclusiveMaximum ? '' : 'or equal to '}${maximum}`)
  }
  if (minimum !== undefined && (props.exclusiveMinimum ? value <= minimum : value < minimum)) {
    yield should(`greater than ${props.exclusiveMinimum ? '' : 'or equal to '}${minimum}`)
  }
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) yield should(`a multiple of ${multipleOf}`)
  if (format !== undefined && !fitsFormat(value, format)) {
    yield field.invalid(path, value, `${inBody(path)} must be of type ${format}: ${JSON.stringify(String(value))}`)
  }
}

function arrayErrors(props: JSONSchemaProps, value: readonly unknown[], path: string, options: ValidationOptions) {
  const problems: FieldError[] = []
  const { minItems, maxItems, items } = props
  if (maxItems !== undefined && value.length > maxItems) problems.push(field.tooMany(path, value.length, maxItems))
  if (minItems !== undefined && value.length < minItems) {
    problems.push(field.invalid(path, value.length, `${inBody(path)} should have at least ${minItems} items`))
  }
  for (const [index, item] of items === undefined ? [] : value.entries()) {
    const old = previousItem(props, item, options.old)
    problems.push(...validateValue(items as JSONSchemaProps, item, `${path}[${index}]`, { ...options, old }))
  }
  return [...problems, ...listErrors(props, value, path)]
}

function objectErrors(props: JSONSchemaProps, value: JsonObject, path: string, options: ValidationOptions) {
  const problems: FieldError[] = []
  const { minProperties, maxProperties, properties = {}, additionalProperties } = props
  const names = Object.keys(value)
  if (maxProperties !== undefined && names.length > maxProperties) {
    problems.push(field.tooMany(path, names.length, maxProperties))
  }
  if (minProperties !== undefined && names.length < minProperties) {
    problems.push(field.invalid(path, names.length, `${inBody(path)} should have at least ${minProperties} properties`))
  }
  for (const name of props.required ?? []) {
    if (value[name] === undefined) problems.push(field.required(child(path, name)))
  }
  for (const name of names) {
    const schema = Object.hasOwn(properties, name) ? properties[name] : additionalProperties
    if (value[name] === undefined || !isObject(schema)) continue
    const old = isObject(options.old) && Object.hasOwn(options.old, name) ? options.old[name] : undefined
    problems.push(...validateValue(schema as JSONSchemaProps, value[name], child(path, name), { ...options, old }))
  }
  return props['x-kubernetes-embedded-resource'] ? [...problems, ...embeddedErrors(value, path)] : problems
}

function* embeddedErrors(value: JsonObject, path: string): Generator<FieldError> {
  for (const name of ['apiVersion', 'kind']) {
    if (value[name] === undefined || value[name] === '') yield field.required(child(path, name), 'must not be empty')
  }
}

/** allOf, anyOf, oneOf and not; failed alternatives are reported by the one that came closest. */
function combinationErrors(props: JSONSchemaProps, value: unknown, path: string): FieldError[] {
  const check = (schema: JSONSchemaProps) => validateValue(schema, value, path)
  const must = (text: string) => field.invalid('<nil>', '', `${JSON.stringify(path)} must ${text}`)
  const problems: FieldError[] = []
  const any = (props.anyOf ?? []).map(check)
  if (any.length > 0 && any.every(found => found.length > 0)) {
    problems.push(must('validate at least one schema (anyOf)'), ...closest(any))
  }
  const one = (props.oneOf ?? []).map(check)
  const valid = one.filter(found => found.length === 0).length
  if (one.length > 0 && valid !== 1) {
    const count = valid === 0 ? 'none valid' : `${valid} valid alternatives`
    problems.push(must(`validate one and only one schema (oneOf). Found ${count}`))
    if (valid === 0) problems.push(...closest(one))
  }
  const all = (props.allOf ?? []).flatMap(check)
  if (all.length > 0) problems.push(...all, must('validate all the schemas (allOf)'))
  if (props.not && check(props.not).length === 0) problems.push(must('not validate the schema (not)'))
  return problems
}

function closest(alternatives: readonly (readonly FieldError[])[]): readonly FieldError[] {
  return alternatives.toSorted((a, b) => a.length - b.length)[0] ?? []
}
