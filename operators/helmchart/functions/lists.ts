/** Sprig's functions over lists. */
import { compareText } from '../template/bytes.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { annotationOf, GoInteger, type GoValue, kindOf, nilSlice, typed, typeOf, types } from '../template/values.ts'
import { textOfValue, textsOf, toInt } from './cast.ts'
import { isEmptyValue } from './defaults.ts'
import { deepEqual } from './equality.ts'

const list = goFunction('...any -> list', (...values: GoValue[]) => values)
const first = goFunction('any -> any', (value: GoValue) => items('Cannot find first on type', value)[0])
const last = goFunction('any -> any', (value: GoValue) => items('Cannot find last on type', value).at(-1))
const rest = goFunction('any -> list', (value: GoValue) => cut(items('Cannot find rest on type', value), 1))
const initial = goFunction('any -> list', (value: GoValue) => cut(items('Cannot find initial on type', value), 0, -1))
const push = goFunction('any, any -> list', (value: GoValue, item: GoValue) => [
  ...items('Cannot push on type', value),
  item,
])
const prepend = goFunction('any, any -> list', (value: GoValue, item: GoValue) => [
  item,
  ...items('Cannot prepend on type', value),
])
const reverse = goFunction('any -> list', (value: GoValue) => items('Cannot find reverse on type', value).toReversed())
const compact = goFunction('any -> list', (value: GoValue) =>
  items('Cannot compact on type', value).filter(item => !isEmptyValue(item)),
)
const uniq = goFunction('any -> list', (value: GoValue) => unique(items('Cannot find uniq on type', value)))
const without = goFunction('any, ...any -> list', (value: GoValue, ...omitted: GoValue[]) =>
  items('Cannot find without on type', value).filter(item => !omitted.some(other => deepEqual(other, item))),
)
const has = goFunction('any, any -> bool', (needle: GoValue, value: GoValue) =>
  value === null ? false : items('Cannot find has on type', value).some(item => deepEqual(needle, item)),
)
const slice = goFunction('any, ...any -> any', sliceList)
const chunk = goFunction('int, any -> lists', chunks)

export const listFunctions: FunctionTable = {
  list,
  tuple: list,
  first,
  mustFirst: first,
  last,
  mustLast: last,
  rest,
  mustRest: rest,
  initial,
  mustInitial: initial,
  append: push,
  push,
  mustAppend: push,
  mustPush: push,
  prepend,
  mustPrepend: prepend,
  reverse,
  mustReverse: reverse,
  compact,
  mustCompact: compact,
  uniq,
  mustUniq: uniq,
  without,
  mustWithout: without,
  has,
  mustHas: has,
  slice,
  mustSlice: slice,
  chunk,
  mustChunk: chunk,
  concat: goFunction('...any -> any', concat),
  sortAlpha: goFunction('any -> strings', sortAlpha),
  until: goFunction('int -> ints', (count: number) => steps(0, count, count < 0 ? -1 : 1)),
  untilStep: goFunction('int, int, int -> ints', steps),
  seq: goFunction('...int -> string', sequence),
}

/** The elements of a list of any type; for anything else the complaint with the kind it has. */
export function items(complaint: string, value: GoValue): readonly GoValue[] {
  if (Array.isArray(value)) return value
  if (value instanceof Uint8Array) return Array.from(value, byte => new GoInteger(types.uint8, BigInt(byte)))
  if (value === null || value === undefined)
    throw new GoError('runtime error: invalid memory address or nil pointer dereference')
  throw new GoError(`${complaint} ${kindOf(value)}`)
}

/** rest and initial of an empty list are nil. */
function cut(values: readonly GoValue[], start: number, end?: number): GoValue[] {
  return values.length === 0 ? nilSlice() : values.slice(start, end)
}

function unique(values: readonly GoValue[]): GoValue[] {
  const kept: GoValue[] = []
  for (const value of values) if (!kept.some(other => deepEqual(value, other))) kept.push(value)
  return kept
}

function sliceList(value: GoValue, ...indices: GoValue[]): GoValue {
  const values = items('list should be type of slice or array but', value)
  if (values.length === 0) return null
  const start = indices.length > 0 ? toInt(indices[0]) : 0
  const end = indices.length > 1 ? toInt(indices[1]) : values.length
  if (start < 0 || start > end || end > values.length)
    throw new GoError('reflect.Value.Slice: slice index out of bounds')
  if (value instanceof Uint8Array) return value.subarray(start, end)
  const annotation = annotationOf(value as object)
  const part = values.slice(start, end)
  return annotation ? typed(part, annotation.type) : part
}

function chunks(size: number, value: GoValue): GoValue[][] {
  const values = items('Cannot chunk type', value)
  const count = Math.floor((values.length - 1) / size) + 1
  if (!(count >= 0 && (size > 0 || count === 0))) throw new GoError('runtime error: makeslice: len out of range')
  return Array.from({ length: count }, (_, index) => values.slice(index * size, (index + 1) * size))
}

function concat(...lists: GoValue[]): GoValue {
  const all = lists.flatMap(value => {
    if (Array.isArray(value) || value instanceof Uint8Array) return items('', value)
    if (value === null) throw new GoError('runtime error: invalid memory address or nil pointer dereference')
    throw new GoError(`Cannot concat type ${kindOf(value)} as list`)
  })
  return all.length === 0 ? nilSlice() : all
}

/** A []string is sorted in place, as upstream. */
function sortAlpha(value: GoValue): string[] {
  if (value instanceof Uint8Array) return textsOf(value).sort(compareText)
  if (!Array.isArray(value)) return [textOfValue(value)]
  const texts = typeOf(value)!.name === types.strings.name ? (value as string[]) : textsOf(value)
  return texts.sort(compareText)
}

const maximumSteps = 50_000_000

function steps(start: number, stop: number, step: number): bigint[] {
  const down = stop < start
  if (down ? step >= 0 : step <= 0) return []
  const count = Math.ceil((stop - start) / step)
  if (count > maximumSteps) throw new GoError(`a list of ${count} numbers is too long`)
  return Array.from({ length: count }, (_, index) => BigInt(start + index * step))
}

function sequence(...bounds: number[]): string {
  const [first = 1, second = 0, third = 0] = bounds
  if (bounds.length === 1) return range(1, first, first < 1 ? -1 : 1)
  if (bounds.length === 2) return range(first, second, second < first ? -1 : 1)
  if (bounds.length !== 3) return ''
  if (third < first) return second > 0 ? '' : steps(first, third - 1, second).join(' ')
  return steps(first, third + 1, second).join(' ')
}

function range(start: number, end: number, step: number): string {
  return steps(start, end + step, step).join(' ')
}
