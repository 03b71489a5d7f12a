/** Decodes JSON scalars the way Go's decoder reads them into the API's types, or says in its words why it cannot. */
import { canonicalQuantity, quantityError } from './quantity.ts'
import type { Schema } from './schema.ts'

/** A value that does not fit its field. `text` is the whole message, or only the value's part if the field completes it. */
export class Mismatch extends Error {
  readonly complete: boolean

  constructor(text: string, complete: boolean) {
    super(text)
    this.complete = complete
  }
}

/** What Go's decoder calls a JSON value. */
export function jsonTypeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return { boolean: 'bool', string: 'string', number: 'number' }[typeof value as string] ?? 'object'
}

const mismatch = (value: unknown) => new Mismatch(jsonTypeName(value), false)

const plainTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
const plainMicroTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/
const anyTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(?:Z|[+-]\d\d:\d\d)$/
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The value as it is stored: whole numbers, canonical quantities, UTC times. @throws Mismatch */
export function decodeScalar(schema: Schema, value: unknown): unknown {
  switch (schema.type) {
    case 'string':
    case 'duration':
      if (typeof value !== 'string') throw mismatch(value)
      return value
    case 'integer':
      return integer(value, schema.format)
    case 'number':
      if (typeof value !== 'number') throw mismatch(value)
      return value
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(value)
      return value
    case 'quantity':
      return quantity(value)
    case 'intOrString':
      return intOrString(value)
    case 'time':
    case 'microTime':
      return time(value, schema.type)
    case 'bytes':
      return bytes(value)
    default:
      return value
  }
}

function integer(value: unknown, format: string | undefined): number {
  if (typeof value !== 'number') throw mismatch(value)
  const small = format !== 'int32' || (value >= -2147483648 && value <= 2147483647)
  if (!Number.isInteger(value) || !small || Math.abs(value) >= 2 ** 63) throw new Mismatch(`number ${value}`, false)
  return value
}

function quantity(value: unknown): string {
  const text = typeof value === 'string' || typeof value === 'number' ? canonicalQuantity(value) : undefined
  if (text === undefined) throw new Mismatch(quantityError, true)
  return text
}

function intOrString(value: unknown): unknown {
  if (typeof value === 'string') return value
  if (typeof value !== 'number')
    throw new Mismatch(`json: cannot unmarshal ${jsonTypeName(value)} into Go value of type int32`, true)
  if (!Number.isInteger(value) || Math.abs(value) > 2147483647)
    throw new Mismatch(`json: cannot unmarshal number ${value} into Go value of type int32`, true)
  return value
}

function time(value: unknown, type: 'time' | 'microTime'): string {
  if (typeof value !== 'string')
    throw new Mismatch(`json: cannot unmarshal ${jsonTypeName(value)} into Go value of type string`, true)
  if ((type === 'time' ? plainTime : plainMicroTime).test(value) && !Number.isNaN(Date.parse(value))) return value
  const parts = anyTime.exec(value)
  const milliseconds = parts ? Date.parse(value) : Number.NaN
  if (Number.isNaN(milliseconds)) throw new Mismatch(timeError(value, type), true)
  const seconds = new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().slice(0, -5)
  return type === 'time' ? `${seconds}Z` : `${seconds}${(parts?.[1] ?? '.').slice(0, 7).padEnd(7, '0')}Z`
}

function timeError(value: string, type: 'time' | 'microTime'): string {
  const layout = type === 'time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00'
  return `parsing time ${JSON.stringify(value)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(value)} as "2006"`
}

function bytes(value: unknown): string {
  if (typeof value !== 'string') throw mismatch(value)
  const text = value.includes('\n') || value.includes('\r') ? value.replace(/[\r\n]/g, '') : value
  if (!base64.test(text)) {
    const bad = text.search(/[^A-Za-z0-9+/]/)
    throw new Mismatch(`illegal base64 data at input byte ${bad < 0 ? text.length - (text.length % 4) : bad}`, true)
  }
  return text
}
