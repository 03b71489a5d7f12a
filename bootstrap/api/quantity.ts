/** Resource quantities ("500m", "1Gi", "2e3"), exact to the nano; rules are those of apimachinery's pkg/api/resource. */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent'

const syntax = /^([+-]?)(\d*)(?:\.(\d*))?(.*)$/s
const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const nano = 1_000_000_000n
const milli = 1_000_000n
const maximum = (2n ** 63n - 1n) * nano

/** A malformed quantity; the message is upstream's. */
export class QuantityError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'QuantityError'
  }
}

const badForm = () =>
  new QuantityError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")

/** An immutable amount. */
export class Quantity {
  /** The amount times 10^9. */
  readonly nanos: bigint
  readonly format: QuantityFormat

  constructor(nanos: bigint, format: QuantityFormat = 'DecimalSI') {
    this.nanos = nanos
    this.format = format
  }

  static zero = new Quantity(0n)

  /** From a whole number, or from whole thousandths with `ofMilli`. */
  static of(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(value) * nano, format)
  }

  static ofMilli(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(value) * milli, format)
  }

  /** Whole units, rounded away from zero. */
  value(): number {
    return Number(ceilDivide(this.nanos, nano))
  }

  /** Thousandths, rounded away from zero. */
  milliValue(): number {
    return Number(ceilDivide(this.nanos, milli))
  }

  /** The amount as the nearest double, for arithmetic that may be approximate. */
  toNumber(): number {
    return Number(this.nanos) / 1e9
  }

  isZero(): boolean {
    return this.nanos === 0n
  }

  sign(): -1 | 0 | 1 {
    return this.nanos < 0n ? -1 : this.nanos > 0n ? 1 : 0
  }

  compare(other: Quantity): -1 | 0 | 1 {
    return this.nanos < other.nanos ? -1 : this.nanos > other.nanos ? 1 : 0
  }

  add(other: Quantity): Quantity {
    return new Quantity(this.nanos + other.nanos, this.isZero() ? other.format : this.format)
  }

  sub(other: Quantity): Quantity {
    return new Quantity(this.nanos - other.nanos, this.isZero() ? other.format : this.format)
  }

  neg(): Quantity {
    return new Quantity(-this.nanos, this.format)
  }

  /** Rounded up to thousandths, which upstream does to every value of a ResourceList. */
  roundUpToMilli(): Quantity {
    return new Quantity(ceilDivide(this.nanos, milli) * milli, this.format)
  }

  /** Canonical form: no fraction, the largest suffix that loses nothing. */
  toString(): string {
    if (this.nanos === 0n) return '0'
    const fits = this.format === 'BinarySI' && this.nanos % nano === 0n && absolute(this.nanos) >= 1024n * nano
    return fits ? this.#binary() : this.#decimal()
  }

  toJSON(): string {
    return this.toString()
  }

  #binary(): string {
    let amount = this.nanos / nano
    let step = 0
    while (step < binarySuffixes.length - 1 && amount % 1024n === 0n) {
      amount /= 1024n
      step++
    }
    return `${amount}${binarySuffixes[step]}`
  }

  #decimal(): string {
    let amount = this.nanos
    let step = 0
    while (step < decimalSuffixes.length - 1 && amount % 1000n === 0n) {
      amount /= 1000n
      step++
    }
    if (this.format !== 'DecimalExponent') return `${amount}${decimalSuffixes[step]}`
    const exponent = (step - 3) * 3
    return exponent === 0 ? `${amount}` : `${amount}e${exponent}`
  }
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value
}

function ceilDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value % by === 0n ? quotient : quotient + (value < 0n ? -1n : 1n)
}

/** Parses a quantity as it stands in JSON. Throws QuantityError. */
export function parseQuantity(input: string | number): Quantity {
  const text = typeof input === 'number' ? String(input) : input
  const [, sign, whole, fraction = '', suffix] = syntax.exec(text) as unknown as [
    string,
    string,
    string,
    string | undefined,
    string,
  ]
  if (whole === '' && fraction === '') throw badForm()
  if (!/^[eEinumkKMGTP]*[-+]?[0-9]*$/.test(suffix)) throw badForm()
  const { format, base, exponent } = suffixOf(suffix)
  const digits = BigInt(whole + fraction)
  const shift = 9 - fraction.length + (base === 10 ? exponent : 0)
  const multiplied = digits * (base === 2 ? 2n ** BigInt(exponent) : 1n)
  const exact = shift >= 0 ? multiplied * 10n ** BigInt(shift) : ceilDivide(multiplied, 10n ** BigInt(-shift))
  const nanos = exact > maximum ? maximum : exact
  const isFraction = format === 'BinarySI' && nanos > 0n && nanos < nano
  return new Quantity(sign === '-' ? -nanos : nanos, isFraction ? 'DecimalSI' : format)
}

function suffixOf(suffix: string): { format: QuantityFormat; base: 2 | 10; exponent: number } {
  const decimal = decimalSuffixes.indexOf(suffix)
  if (decimal >= 0) return { format: 'DecimalSI', base: 10, exponent: (decimal - 3) * 3 }
  const binary = binarySuffixes.indexOf(suffix)
  if (binary > 0) return { format: 'BinarySI', base: 2, exponent: binary * 10 }
  const exponent = /^[eE]([-+]?\d+)$/.exec(suffix)?.[1]
  const value = Number(exponent)
  if (exponent === undefined || Math.abs(value) > 1000) throw new QuantityError("unable to parse quantity's suffix")
  return { format: 'DecimalExponent', base: 10, exponent: value }
}

/** The quantity, or undefined when the text is malformed. */
export function tryParseQuantity(input: unknown): Quantity | undefined {
  if (typeof input !== 'string' && typeof input !== 'number') return undefined
  try {
    return parseQuantity(input)
  } catch (error) {
    if (error instanceof QuantityError) return undefined
    throw error
  }
}
