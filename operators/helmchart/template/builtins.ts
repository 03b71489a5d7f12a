/** The functions of text/template itself: comparison, logic, indexing, printing, escaping. */
import { byteLength, bytesOf, compareText, isInvalidByte, isPrint, textOf } from './bytes.ts'
import { display, formatValue, sprint, sprintf, sprintln } from './format.ts'
import { type FunctionTable, GoError, goFunction } from './functions.ts'
import { noFlags } from './padding.ts'
import { isTrue } from './truth.ts'
import {
  annotationOf,
  entry,
  GoInteger,
  GoStruct,
  type GoType,
  type GoValue,
  isMap,
  isNilContainer,
  typeOf,
  types,
  zeroOf,
} from './values.ts'

export const builtins: FunctionTable = {
  // Evaluated by the caller, which stops at the first operand that decides.
  and: goFunction('value, ...value -> value', () => undefined),
  or: goFunction('value, ...value -> value', () => undefined),
  not: goFunction('value -> bool', (value: GoValue) => !isTrue(value)),
  call: goFunction('value, ...value -> value', callValue),
  eq: goFunction('value, ...value -> bool', equal),
  ne: goFunction('value, value -> bool', (left: GoValue, right: GoValue) => !equal(left, right)),
  lt: goFunction('value, value -> bool', less),
  le: goFunction('value, value -> bool', lessOrEqual),
  gt: goFunction('value, value -> bool', (left: GoValue, right: GoValue) => !lessOrEqual(left, right)),
  ge: goFunction('value, value -> bool', (left: GoValue, right: GoValue) => !less(left, right)),
  len: goFunction('value -> int', length),
  index: goFunction('value, ...value -> value', indexValue),
  slice: goFunction('value, ...value -> value', sliceValue),
  print: goFunction('...any -> string', (...values: GoValue[]) => sprint(values)),
  printf: goFunction('string, ...any -> string', (format: string, ...values: GoValue[]) => sprintf(format, values)),
  println: goFunction('...any -> string', (...values: GoValue[]) => sprintln(values)),
  html: goFunction('...any -> string', (...values: GoValue[]) => escapeHtml(evaluated(values))),
  js: goFunction('...any -> string', (...values: GoValue[]) => escapeScript(evaluated(values))),
  urlquery: goFunction('...any -> string', (...values: GoValue[]) => escapeQuery(evaluated(values))),
}

function callValue(name: string, value: GoValue): never {
  if (value === undefined || value === null) throw new GoError('call of nil')
  throw new GoError(`non-function ${name} of type ${typeOf(value)!.name}`)
}

type BasicKind = 'bool' | 'int' | 'uint' | 'float' | 'string' | undefined

function basicKind(value: GoValue): BasicKind {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float'
    case 'string':
      return 'string'
    default:
      if (!(value instanceof GoInteger)) return undefined
      return value.type.kind.startsWith('uint') ? 'uint' : 'int'
  }
}

function integer(value: GoValue): bigint {
  return value instanceof GoInteger ? value.value : (value as bigint)
}

function isInteger(kind: BasicKind): boolean {
  return kind === 'int' || kind === 'uint'
}

function incompatible(left: GoValue, right: GoValue): GoError {
  return new GoError(`incompatible types for comparison: ${typeOf(left)!.name} and ${typeOf(right)!.name}`)
}

function isNil(value: GoValue): boolean {
  if (value === undefined || value === null) return true
  return typeof value === 'object' && isNilContainer(value)
}

function equal(left: GoValue, ...others: GoValue[]): boolean {
  if (others.length === 0) throw new GoError('missing argument for comparison')
  return others.some(right => equalPair(left ?? undefined, right ?? undefined))
}

function equalPair(left: GoValue, right: GoValue): boolean {
  const leftKind = basicKind(left)
  const rightKind = basicKind(right)
  if (isInteger(leftKind) && isInteger(rightKind)) return integer(left) === integer(right)
  if (leftKind !== rightKind) {
    if (left !== undefined && right !== undefined) throw incompatible(left, right)
    return false
  }
  if (leftKind !== undefined) return left === right
  return equalComposite(left, right)
}

/** Maps, slices and structs can only be compared with nil. */
function equalComposite(left: GoValue, right: GoValue): boolean {
  const [leftType, rightType] = [typeOf(left), typeOf(right)]
  if (leftType && rightType && leftType.kind !== rightType.kind)
    throw new GoError(
      `non-comparable types ${formatValue(left, 's', noFlags)}: ${leftType.name}, ${rightType.name}: ${display(right)}`,
    )
  if (isNil(left) || isNil(right)) return isNil(left) === isNil(right)
  if (rightType!.kind === 'map' || rightType!.kind === 'slice')
    throw new GoError(`non-comparable type ${formatValue(right, 's', noFlags)}: ${rightType!.name}`)
  return sameStruct(left, right)
}

function sameStruct(left: GoValue, right: GoValue): boolean {
  if (left === right) return true
  if (!(left instanceof GoStruct && right instanceof GoStruct) || left.type.kind === 'ptr') return false
  if (left.type.name !== right.type.name) return false
  return (
    Object.entries(left.fields).every(([name, value]) => value === right.fields[name]) &&
    left.text?.() === right.text?.()
  )
}

function less(left: GoValue, right: GoValue): boolean {
  const leftKind = basicKind(left)
  const rightKind = basicKind(right)
  if (leftKind === undefined || rightKind === undefined) throw new GoError('invalid type for comparison')
  if (isInteger(leftKind) && isInteger(rightKind)) return integer(left) < integer(right)
  if (leftKind !== rightKind) throw incompatible(left, right)
  if (leftKind === 'bool') throw new GoError('invalid type for comparison')
  return leftKind === 'string' ? compareText(left as string, right as string) < 0 : (left as number) < (right as number)
}

function lessOrEqual(left: GoValue, right: GoValue): boolean {
  return less(left, right) || equal(left, right)
}

function length(value: GoValue): number {
  if (value === undefined) throw new GoError('reflect: call of reflect.Value.Type on zero Value')
  if (value === null) throw new GoError('len of nil pointer')
  if (typeof value === 'string') return byteLength(value)
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length
  if (isMap(value)) return Object.keys(value).length
  const { name, kind } = typeOf(value)!
  throw new GoError(`len of type ${kind === 'ptr' ? name.slice(1) : name}`)
}

/** A position in a list, at most `limit`. */
function position(index: GoValue, limit: number): number {
  const kind = basicKind(index)
  if (index === undefined || index === null) throw new GoError('cannot index slice/array with nil')
  if (!isInteger(kind)) throw new GoError(`cannot index slice/array with type ${typeOf(index)!.name}`)
  const value = integer(index)
  if (value < 0n || value > BigInt(limit)) throw new GoError(`index out of range: ${value}`)
  return Number(value)
}

function indexValue(item: GoValue, ...indexes: GoValue[]): GoValue {
  if (item === undefined || item === null) throw new GoError('index of untyped nil')
  return indexes.reduce(indexOnce, item)
}

function indexOnce(item: GoValue, index: GoValue): GoValue {
  if (item === undefined || item === null) throw new GoError('index of nil pointer')
  if (typeof item === 'string') return byteAt(bytesOf(item), index, 'string')
  if (item instanceof Uint8Array) return byteAt(item, index, 'slice')
  if (Array.isArray(item)) {
    const at = position(index, item.length)
    if (at === item.length) throw new GoError('reflect: slice index out of range')
    return item[at]
  }
  if (isMap(item)) return mapEntry(item, index)
  throw new GoError(`can't index item of type ${typeOf(item)!.name.replace(/^\*/, '')}`)
}

function byteAt(bytes: Uint8Array, index: GoValue, kind: string): GoValue {
  const at = position(index, bytes.length)
  if (at === bytes.length) throw new GoError(`reflect: ${kind} index out of range`)
  return new GoInteger(types.uint8, BigInt(bytes[at]!))
}

function mapEntry(map: { [key: string]: GoValue }, index: GoValue): GoValue {
  if (index === undefined || index === null) throw new GoError('value is nil; should be of type string')
  if (typeof index !== 'string') throw new GoError(`value has type ${typeOf(index)!.name}; should be string`)
  const value = entry(map, index)
  if (value !== undefined) return value
  const element: GoType = annotationOf(map)?.type.element ?? types.any
  return zeroOf(element)
}

function sliceValue(item: GoValue, ...indexes: GoValue[]): GoValue {
  if (item === undefined || item === null) throw new GoError('slice of untyped nil')
  if (indexes.length > 3) throw new GoError(`too many slice indexes: ${indexes.length}`)
  const isText = typeof item === 'string'
  if (isText && indexes.length === 3) throw new GoError('cannot 3-index slice a string')
  const items = isText ? bytesOf(item) : item
  if (!(Array.isArray(items) || items instanceof Uint8Array))
    throw new GoError(`can't slice item of type ${typeOf(item)!.name.replace(/^\*/, '')}`)
  const [start = 0, end = items.length, limit] = indexes.map(index => position(index, items.length))
  if (start > end) throw new GoError(`invalid slice index: ${start} > ${end}`)
  if (limit !== undefined && end > limit) throw new GoError(`invalid slice index: ${end} > ${limit}`)
  const cut = items.slice(start, end)
  return isText ? textOf(cut as Uint8Array) : cut
}

/** What html, js and urlquery escape: printed as an action would print it. */
function evaluated(values: readonly GoValue[]): string {
  const only = values[0]
  if (values.length === 1 && typeof only === 'string') return only
  return sprint(values.map(value => (value === null ? '<no value>' : value)))
}

const htmlEscapes: { readonly [char: string]: string } = {
  '\0': '\ufffd',
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
}

function escapeHtml(text: string): string {
  return text.replace(/[\0"'&<>]/g, char => htmlEscapes[char]!)
}

function escapeScript(text: string): string {
  return text.replace(/[\\'"<>&=\p{Cc}]|[^\0-\x7f]/gu, char => {
    const code = char.codePointAt(0)!
    if (char === '\\' || char === "'" || char === '"') return `\\${char}`
    if (code === 0x7f) return char
    if (code >= 0x80) return escapeRune(isInvalidByte(code) ? 0xfffd : code)
    return `\\u00${code.toString(16).toUpperCase().padStart(2, '0')}`
  })
}

function escapeRune(code: number): string {
  return isPrint(code) ? String.fromCodePoint(code) : `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`
}

/** url.QueryEscape. */
export function escapeQuery(text: string): string {
  let out = ''
  for (const byte of bytesOf(text)) {
    const char = String.fromCharCode(byte)
    if (/[A-Za-z0-9\-_.~]/.test(char)) out += char
    else out += char === ' ' ? '+' : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}
