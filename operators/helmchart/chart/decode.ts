/**
 * Reads parsed YAML into declared shapes the way Helm's decoder does: keys match in any case, numbers and booleans become
 * strings where a string is wanted, null means absent, unknown keys are dropped, and a mistake is told in Go's words.
 */

export type Shape =
  | { readonly is: 'string' | 'bool' | 'any' }
  | { readonly is: 'list'; readonly of: Shape; readonly pointers?: boolean }
  | { readonly is: 'map'; readonly of: Shape }
  | Struct

export interface Struct {
  readonly is: 'struct'
  /** Go's name of the type, for messages. */
  readonly name: string
  /** How messages name the type; `v2.<name>` by default. */
  readonly goType?: string
  readonly fields: { readonly [key: string]: Shape }
}

/** Where a value stands: the innermost struct and the path of keys from the root. */
interface Place {
  readonly root: string
  readonly struct?: string
  readonly path: readonly string[]
}

/** `value` in the shape of `struct`; undefined becomes {}. Throws Error("json: cannot unmarshal ..."). */
export function decodeStruct(value: unknown, struct: Struct, root: string): Record<string, unknown> {
  return (decode(value, struct, { root, path: [] }) as Record<string, unknown> | undefined) ?? {}
}

function decode(value: unknown, shape: Shape, place: Place): unknown {
  if (value === null || value === undefined) return undefined
  switch (shape.is) {
    case 'any':
      return value
    case 'string':
      return decodeString(value, shape, place)
    case 'bool':
      return typeof value === 'boolean' ? value : mismatch(value, shape, place)
    case 'list':
      return Array.isArray(value)
        ? value.map(item => decode(item, shape.of, place) ?? zeroOf(shape))
        : mismatch(value, shape, place)
    case 'map':
      return isObject(value)
        ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item, shape.of, place) ?? '']))
        : mismatch(value, shape, place)
    case 'struct':
      return isObject(value) ? decodeFields(value, shape, place) : mismatch(value, shape, place)
  }
}

/** A null item of a list of pointers stays null; elsewhere it is the type's zero. */
function zeroOf(list: Shape & { is: 'list' }): unknown {
  if (list.pointers || list.of.is === 'any') return null
  return list.of.is === 'string' ? '' : {}
}

function decodeString(value: unknown, shape: Shape, place: Place): unknown {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'bigint') return value.toString()
  return typeof value === 'number' ? formatNumber(value) : mismatch(value, shape, place)
}

/** An integer's digits; a float as Go's shortest 32-bit %g. */
function formatNumber(value: number): string {
  if (Number.isSafeInteger(value)) return String(value)
  const single = Math.fround(value)
  const shortest = [1, 2, 3, 4, 5, 6, 7, 8, 9].find(
    digits => Math.fround(Number(single.toPrecision(digits))) === single,
  )
  const [mantissa, exponent] = single.toExponential((shortest ?? 9) - 1).split('e') as [string, string]
  const power = Number(exponent)
  const digits = mantissa.replace(/[-.]/g, '').length
  if (power >= -4 && power < Math.max(digits, 21)) return String(Number(single.toPrecision(shortest ?? 9)))
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

function decodeFields(value: object, struct: Struct, place: Place): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    const field = fieldOf(struct, key)
    if (field === undefined) continue
    const inner = { root: place.root, struct: struct.name, path: [...place.path, field] }
    const decoded = decode(item, struct.fields[field]!, inner)
    if (decoded !== undefined) result[field] = decoded
  }
  return result
}

function fieldOf(struct: Struct, key: string): string | undefined {
  if (Object.hasOwn(struct.fields, key)) return key
  return Object.keys(struct.fields).find(field => field.toLowerCase() === key.toLowerCase())
}

function mismatch(value: unknown, shape: Shape, place: Place): never {
  const at = place.struct === undefined ? `Go value` : `Go struct field ${place.struct}.${place.path.join('.')}`
  const type = place.struct === undefined ? place.root : goType(shape)
  throw new Error(`json: cannot unmarshal ${jsonType(value)} into ${at} of type ${type}`)
}

function goType(shape: Shape): string {
  switch (shape.is) {
    case 'list':
      return `[]${shape.pointers ? '*' : ''}${goType(shape.of)}`
    case 'map':
      return `map[string]${goType(shape.of)}`
    case 'struct':
      return shape.goType ?? `v2.${shape.name}`
    case 'any':
      return 'interface {}'
    default:
      return shape.is
  }
}

/** What JSON calls the kind of a value, in the words of Go's decoder. */
export function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (value === null) return 'null'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'number'
    default:
      return typeof value
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
