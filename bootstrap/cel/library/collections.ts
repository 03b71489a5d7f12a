/** Lists, sets and optionals: cel-go's extensions and those Kubernetes adds. */
import { CelError } from '../errors.ts'
import { fn, method, type Overload } from '../functions.ts'
import {
  bool,
  double,
  duration,
  dyn,
  int,
  listOf,
  optionalOf,
  param,
  string,
  type Type,
  timestamp,
  uint,
} from '../types.ts'
import {
  compareNumbers,
  Duration,
  equal,
  isList,
  isMap,
  isNumber,
  Optional,
  Timestamp,
  Uint,
  type Value,
} from '../values.ts'

const A = param('A')
const list = listOf(A)

const contains = (within: readonly Value[], item: Value) => within.some(other => equal(item, other))
const containsAll = (within: readonly Value[], items: readonly Value[]) => items.every(item => contains(within, item))

const sets: readonly Overload[] = [
  fn('sets.contains', [list, list], bool, containsAll),
  fn('sets.equivalent', [list, list], bool, (a: Value[], b: Value[]) => containsAll(a, b) && containsAll(b, a)),
  fn('sets.intersects', [list, list], bool, (a: Value[], b: Value[]) => b.some(item => contains(a, item))),
]

/** Order of values of one comparable type. */
function order(a: Value, b: Value): number {
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b) ?? 0
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if ((a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration))
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  throw new CelError('no such overload')
}

const comparable: readonly Type[] = [int, uint, double, bool, string, timestamp, duration]

function extreme(values: readonly Value[], sign: number, name: string): Value {
  const [first, ...rest] = values
  if (first === undefined) throw new CelError(`${name} called on empty list`)
  return rest.reduce((best, value) => (order(value, best) * sign > 0 ? value : best), first)
}

function sum(values: readonly Value[], zero: Value): Value {
  if (typeof zero === 'number') return (values as number[]).reduce((total, value) => total + value, 0)
  if (zero instanceof Uint) return new Uint((values as Uint[]).reduce((total, { value }) => total + value, 0n))
  if (zero instanceof Duration)
    return new Duration((values as Duration[]).reduce((total, { nanos }) => total + nanos, 0n))
  return (values as bigint[]).reduce((total, value) => total + value, 0n)
}

const summable: readonly (readonly [Type, Value])[] = [
  [int, 0n],
  [uint, new Uint(0n)],
  [double, 0],
  [duration, new Duration(0n)],
]

function flatten(values: readonly Value[], depth: number): Value[] {
  if (depth < 0) throw new CelError('level must be non-negative')
  return values.flatMap(value => (isList(value) && depth > 0 ? flatten(value, depth - 1) : [value]))
}

function distinct(values: readonly Value[]): Value[] {
  return values.filter((value, index) => values.findIndex(other => equal(value, other)) === index)
}

function slice(values: readonly Value[], start: bigint, end: bigint): Value {
  if (start < 0n || end < 0n) throw new CelError(`cannot slice(${start}, ${end}), negative indexes not supported`)
  if (start > end)
    throw new CelError(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`)
  if (end > BigInt(values.length)) throw new CelError(`cannot slice(${start}, ${end}), list is length ${values.length}`)
  return values.slice(Number(start), Number(end))
}

const lists: readonly Overload[] = [
  ...comparable.flatMap(type => [
    method('isSorted', [listOf(type)], bool, (values: Value[]) =>
      values.every((value, index) => index === 0 || order(values[index - 1]!, value) <= 0),
    ),
    method('min', [listOf(type)], type, (values: Value[]) => extreme(values, -1, 'min')),
    method('max', [listOf(type)], type, (values: Value[]) => extreme(values, 1, 'max')),
  ]),
  ...summable.map(([type, zero]) =>
    method('sum', [listOf(type)], type, (values: Value[]) => sum(values, values[0] ?? zero)),
  ),
  method('indexOf', [list, A], int, (values: Value[], item: Value) =>
    BigInt(values.findIndex(value => equal(value, item))),
  ),
  method('lastIndexOf', [list, A], int, (values: Value[], item: Value) =>
    BigInt(values.findLastIndex(value => equal(value, item))),
  ),
  method('slice', [list, int, int], list, slice),
  method('flatten', [listOf(dyn)], listOf(dyn), (values: Value[]) => flatten(values, 1)),
  method('flatten', [listOf(dyn), int], listOf(dyn), (values: Value[], depth: bigint) =>
    flatten(values, Number(depth)),
  ),
  method('distinct', [list], list, distinct),
  method('reverse', [list], list, (values: Value[]) => values.toReversed()),
  method('sort', [list], list, (values: Value[]) => values.toSorted(order)),
  fn('lists.range', [int], listOf(int), (count: bigint) =>
    Array.from({ length: Number(count) }, (_, index) => BigInt(index)),
  ),
]

const present = ({ value }: Optional): Value => {
  if (value === undefined) throw new CelError('optional.none() dereference')
  return value
}

/** What counts as "no value" for optional.ofNonZeroValue. */
function isZero(value: Value): boolean {
  if (value === null || value === false || value === '' || value === 0 || value === 0n) return true
  if (value instanceof Uint) return value.value === 0n
  if (value instanceof Duration) return value.nanos === 0n
  if (value instanceof Uint8Array || isList(value)) return value.length === 0
  return isMap(value) && value.size === 0
}

const optionals: readonly Overload[] = [
  fn('optional.of', [A], optionalOf(A), (value: Value) => new Optional(value)),
  fn('optional.none', [], optionalOf(A), () => new Optional(undefined)),
  fn('optional.ofNonZeroValue', [A], optionalOf(A), (value: Value) => new Optional(isZero(value) ? undefined : value)),
  method('hasValue', [optionalOf(A)], bool, ({ value }: Optional) => value !== undefined),
  method('value', [optionalOf(A)], A, present),
  method('or', [optionalOf(A), optionalOf(A)], optionalOf(A), (one: Optional, other: Optional) =>
    one.value === undefined ? other : one,
  ),
  method('orValue', [optionalOf(A), A], A, ({ value }: Optional, other: Value) => value ?? other),
  fn('optional.unwrap', [listOf(optionalOf(A))], list, (values: Optional[]) =>
    values.flatMap(({ value }) => (value === undefined ? [] : [value])),
  ),
  method('unwrapOpt', [listOf(optionalOf(A))], list, (values: Optional[]) =>
    values.flatMap(({ value }) => (value === undefined ? [] : [value])),
  ),
  method('first', [list], optionalOf(A), (values: Value[]) => new Optional(values[0])),
  method('last', [list], optionalOf(A), (values: Value[]) => new Optional(values.at(-1))),
]

export const collections: readonly Overload[] = [...sets, ...lists, ...optionals]
