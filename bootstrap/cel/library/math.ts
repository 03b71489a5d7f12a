/** cel-go's math and encoders extensions. */
import { CelError } from '../errors.ts'
import { checkedInt, fn, type Overload } from '../functions.ts'
import { bool, bytes, double, dyn, int, listOf, string, type Type, uint } from '../types.ts'
import { compareNumbers, isNumber, Uint, type Value } from '../values.ts'

const numbers: readonly Type[] = [int, uint, double]

function best(values: readonly Value[], sign: number): Value {
  const [first, ...rest] = values
  if (first === undefined) throw new CelError('math.@max(list) argument must not be empty')
  let chosen = first
  for (const value of rest) {
    if (!isNumber(value) || !isNumber(chosen)) throw new CelError('no such overload')
    if ((compareNumbers(value, chosen) ?? 0) * sign > 0) chosen = value
  }
  if (!isNumber(chosen)) throw new CelError('no such overload')
  return chosen
}

/** greatest and least take numbers of any type, or one list of them. */
const choices = (name: string, sign: number): Overload[] => [
  ...numbers.map(type => fn(name, [type], type, (value: Value) => value)),
  ...numbers.map(type => fn(name, [listOf(type)], type, (values: Value[]) => best(values, sign))),
  fn(name, [listOf(dyn)], dyn, (values: Value[]) => best(values, sign)),
  ...[2, 3, 4, 5, 6, 7, 8].flatMap(count => [
    ...numbers.map(type => fn(name, Array<Type>(count).fill(type), type, (...values: Value[]) => best(values, sign))),
    fn(name, Array<Type>(count).fill(dyn), dyn, (...values: Value[]) => best(values, sign)),
  ]),
]

/** Halves go away from zero. */
const round = (value: number) => (Number.isFinite(value) ? Math.sign(value) * Math.floor(Math.abs(value) + 0.5) : value)
const signed = (value: bigint) => BigInt.asIntN(64, value)

function shift(value: bigint, by: bigint, run: (value: bigint, by: bigint) => bigint): bigint {
  if (by < 0n) throw new CelError(`math.bitShift() negative offset: ${by}`)
  return by >= 64n ? 0n : run(value, by)
}

const bits = (name: string, run: (a: bigint, b: bigint) => bigint): Overload[] => [
  fn(name, [int, int], int, run),
  fn(name, [uint, uint], uint, (a: Uint, b: Uint) => new Uint(run(a.value, b.value))),
]

const absolute: readonly Overload[] = [
  fn('math.abs', [int], int, (value: bigint) => checkedInt(value < 0n ? -value : value)),
  fn('math.abs', [uint], uint, (value: Uint) => value),
  fn('math.abs', [double], double, Math.abs),
  fn('math.sign', [int], int, (value: bigint) => (value > 0n ? 1n : value < 0n ? -1n : 0n)),
  fn('math.sign', [uint], uint, ({ value }: Uint) => new Uint(value > 0n ? 1n : 0n)),
  fn('math.sign', [double], double, Math.sign),
]

const roots: readonly Overload[] = [
  fn('math.sqrt', [int], double, (value: bigint) => Math.sqrt(Number(value))),
  fn('math.sqrt', [uint], double, ({ value }: Uint) => Math.sqrt(Number(value))),
  fn('math.sqrt', [double], double, Math.sqrt),
]

export const math: readonly Overload[] = [
  ...choices('math.greatest', 1),
  ...choices('math.least', -1),
  fn('math.ceil', [double], double, Math.ceil),
  fn('math.floor', [double], double, Math.floor),
  fn('math.round', [double], double, round),
  fn('math.trunc', [double], double, Math.trunc),
  ...absolute,
  ...roots,
  fn('math.isNaN', [double], bool, Number.isNaN),
  fn('math.isInf', [double], bool, (value: number) => Math.abs(value) === Infinity),
  fn('math.isFinite', [double], bool, Number.isFinite),
  ...bits('math.bitAnd', (a, b) => a & b),
  ...bits('math.bitOr', (a, b) => a | b),
  ...bits('math.bitXor', (a, b) => a ^ b),
  fn('math.bitNot', [int], int, (value: bigint) => ~value),
  fn('math.bitNot', [uint], uint, ({ value }: Uint) => new Uint(BigInt.asUintN(64, ~value))),
  fn('math.bitShiftLeft', [int, int], int, (value: bigint, by: bigint) => shift(value, by, (a, b) => signed(a << b))),
  fn(
    'math.bitShiftLeft',
    [uint, int],
    uint,
    ({ value }: Uint, by: bigint) => new Uint(shift(value, by, (a, b) => BigInt.asUintN(64, a << b))),
  ),
  fn('math.bitShiftRight', [int, int], int, (value: bigint, by: bigint) =>
    shift(value, by, (a, b) => signed(BigInt.asUintN(64, a) >> b)),
  ),
  fn(
    'math.bitShiftRight',
    [uint, int],
    uint,
    ({ value }: Uint, by: bigint) => new Uint(shift(value, by, (a, b) => a >> b)),
  ),
]

export const encoders: readonly Overload[] = [
  fn('base64.encode', [bytes], string, (value: Uint8Array) => Buffer.from(value).toString('base64')),
  fn('base64.decode', [string], bytes, (text: string) => {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new CelError('illegal base64 data')
    return new Uint8Array(Buffer.from(text, 'base64'))
  }),
]
