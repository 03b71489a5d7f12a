/** Operators on numbers, texts, lists and times; order (langdef.md "Standard Definitions"). */
import { CelError } from '../errors.ts'
import { checkedInt, checkedUint, fn, type Overload } from '../functions.ts'
import { bool, bytes, double, duration, int, listOf, param, string, type Type, timestamp, uint } from '../types.ts'
import { compareNumbers, type Duration, isNumber, type Timestamp, Uint, type Value } from '../values.ts'
import { checkedDuration, checkedTimestamp } from './time.ts'

const zero = (): never => {
  throw new CelError('divide by zero')
}
const modulusZero = (): never => {
  throw new CelError('modulus by zero')
}

const binary = (name: string, type: Type, run: Overload['run']) => fn(name, [type, type], type, run)

const integers: readonly Overload[] = [
  binary('_+_', int, (a: bigint, b: bigint) => checkedInt(a + b)),
  binary('_-_', int, (a: bigint, b: bigint) => checkedInt(a - b)),
  binary('_*_', int, (a: bigint, b: bigint) => checkedInt(a * b)),
  binary('_/_', int, (a: bigint, b: bigint) => (b === 0n ? zero() : checkedInt(a / b))),
  binary('_%_', int, (a: bigint, b: bigint) => (b === 0n ? modulusZero() : a % b)),
  fn('-_', [int], int, (a: bigint) => checkedInt(-a)),
  binary('_+_', uint, (a: Uint, b: Uint) => new Uint(checkedUint(a.value + b.value))),
  binary('_-_', uint, (a: Uint, b: Uint) => new Uint(checkedUint(a.value - b.value))),
  binary('_*_', uint, (a: Uint, b: Uint) => new Uint(checkedUint(a.value * b.value))),
  binary('_/_', uint, (a: Uint, b: Uint) => (b.value === 0n ? zero() : new Uint(a.value / b.value))),
  binary('_%_', uint, (a: Uint, b: Uint) => (b.value === 0n ? modulusZero() : new Uint(a.value % b.value))),
]

const doubles: readonly Overload[] = [
  binary('_+_', double, (a: number, b: number) => a + b),
  binary('_-_', double, (a: number, b: number) => a - b),
  binary('_*_', double, (a: number, b: number) => a * b),
  binary('_/_', double, (a: number, b: number) => a / b),
  fn('-_', [double], double, (a: number) => -a),
]

const texts: readonly Overload[] = [
  binary('_+_', string, (a: string, b: string) => a + b),
  binary('_+_', bytes, (a: Uint8Array, b: Uint8Array) => Uint8Array.from([...a, ...b])),
  binary('_+_', listOf(param('A')), (a: Value[], b: Value[]) => [...a, ...b]),
]

const times: readonly Overload[] = [
  fn('_+_', [timestamp, duration], timestamp, (a: Timestamp, b: Duration) => checkedTimestamp(a.nanos + b.nanos)),
  fn('_+_', [duration, timestamp], timestamp, (a: Duration, b: Timestamp) => checkedTimestamp(a.nanos + b.nanos)),
  binary('_+_', duration, (a: Duration, b: Duration) => checkedDuration(a.nanos + b.nanos)),
  fn('_-_', [timestamp, timestamp], duration, (a: Timestamp, b: Timestamp) => checkedDuration(a.nanos - b.nanos)),
  fn('_-_', [timestamp, duration], timestamp, (a: Timestamp, b: Duration) => checkedTimestamp(a.nanos - b.nanos)),
  binary('_-_', duration, (a: Duration, b: Duration) => checkedDuration(a.nanos - b.nanos)),
  fn('-_', [duration], duration, (a: Duration) => checkedDuration(-a.nanos)),
]

/** -1, 0, 1, or undefined where one is not a number. */
function compare(a: Value, b: Value): number | undefined {
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b)
  if (typeof a === 'string') return compareTexts(a, b as string)
  if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array)
  const [left, right] = [orderOf(a), orderOf(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

/** By code points, as UTF-8 sorts. */
function compareTexts(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function orderOf(value: Value): bigint {
  if (typeof value === 'boolean') return value ? 1n : 0n
  return (value as Timestamp | Duration).nanos
}

const ordered: readonly (readonly [Type, Type])[] = [
  ...[bool, string, bytes, timestamp, duration].map(type => [type, type] as const),
  ...[int, uint, double].flatMap(left => [int, uint, double].map(right => [left, right] as const)),
]

const relation = (name: string, holds: (order: number) => boolean): Overload[] =>
  ordered.map(types =>
    fn(name, types, bool, (a: Value, b: Value) => {
      const order = compare(a, b)
      return order !== undefined && holds(order)
    }),
  )

export const arithmetic: readonly Overload[] = [
  ...integers,
  ...doubles,
  ...texts,
  ...times,
  fn('!_', [bool], bool, (a: boolean) => !a),
  ...relation('_<_', order => order < 0),
  ...relation('_<=_', order => order <= 0),
  ...relation('_>_', order => order > 0),
  ...relation('_>=_', order => order >= 0),
]
