/** Kubernetes' quantities (apiserver pkg/cel/library/quantity.go). */
import { parseQuantity, type Quantity, tryParseQuantity } from '../../api/quantity.ts'
import { CelError } from '../errors.ts'
import { fn, method, type Overload } from '../functions.ts'
import { bool, double, int, opaque, string } from '../types.ts'
import type { Opaque } from '../values.ts'

const type = opaque('kubernetes.Quantity')

class QuantityValue implements Opaque {
  readonly opaque = 'kubernetes.Quantity'
  readonly amount: Quantity

  constructor(amount: Quantity) {
    this.amount = amount
  }

  equals(other: Opaque): boolean {
    return this.amount.compare((other as QuantityValue).amount) === 0
  }
}

const billion = 1_000_000_000n
const isWhole = ({ amount }: QuantityValue) => amount.nanos % billion === 0n

function parsed(text: string): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text))
  } catch (error) {
    throw new CelError((error as Error).message)
  }
}

function asInteger(value: QuantityValue): bigint {
  if (!isWhole(value)) throw new CelError('cannot convert value to integer')
  return value.amount.nanos / billion
}

const whole = (value: bigint) => parsed(String(value))
const order = (a: QuantityValue, b: QuantityValue) => a.amount.compare(b.amount)

export const quantity: readonly Overload[] = [
  fn('quantity', [string], type, parsed),
  fn('isQuantity', [string], bool, (text: string) => tryParseQuantity(text) !== undefined),
  method('sign', [type], int, ({ amount }: QuantityValue) => BigInt(amount.sign())),
  method('isInteger', [type], bool, isWhole),
  method('asInteger', [type], int, asInteger),
  method('asApproximateFloat', [type], double, ({ amount }: QuantityValue) => amount.toNumber()),
  method('isLessThan', [type, type], bool, (a: QuantityValue, b: QuantityValue) => order(a, b) < 0),
  method('isGreaterThan', [type, type], bool, (a: QuantityValue, b: QuantityValue) => order(a, b) > 0),
  method('compareTo', [type, type], int, (a: QuantityValue, b: QuantityValue) => BigInt(order(a, b))),
  method('add', [type, type], type, (a: QuantityValue, b: QuantityValue) => new QuantityValue(a.amount.add(b.amount))),
  method('sub', [type, type], type, (a: QuantityValue, b: QuantityValue) => new QuantityValue(a.amount.sub(b.amount))),
  method('add', [type, int], type, (a: QuantityValue, b: bigint) => new QuantityValue(a.amount.add(whole(b).amount))),
  method('sub', [type, int], type, (a: QuantityValue, b: bigint) => new QuantityValue(a.amount.sub(whole(b).amount))),
]
