/** strconv.FormatFloat: floats in decimal as Go writes them. */

export type FloatFormat = 'e' | 'E' | 'f' | 'g' | 'G' | 'b' | 'x' | 'X'

/** The digits of a positive finite number: 0.d1d2d3... times 10 to the power of `point`. */
interface Decimal {
  readonly digits: string
  readonly point: number
}

/** A float in a format; precision -1 is the shortest that reads back as the same number. */
export function formatFloat(value: number, format: FloatFormat, precision: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const magnitude = Math.abs(value)
  if (format === 'b') return sign + binary(magnitude)
  if (format === 'x' || format === 'X') return sign + hexadecimal(magnitude, format, precision)
  return sign + decimal(magnitude, format, precision)
}

function decimal(value: number, format: 'e' | 'E' | 'f' | 'g' | 'G', precision: number): string {
  const shortest = precision < 0
  if (format === 'f') {
    const number = shortest ? shortestDecimal(value) : roundedTo(value, precision)
    return plain(number, shortest ? Math.max(number.digits.length - number.point, 0) : precision)
  }
  if (format === 'e' || format === 'E') {
    const number = shortest ? shortestDecimal(value) : significant(value, precision + 1)
    return scientific(number, shortest ? Math.max(number.digits.length - 1, 0) : precision, format)
  }
  return general(value, format === 'g' ? 'e' : 'E', precision)
}

function general(value: number, format: 'e' | 'E', precision: number): string {
  const shortest = precision < 0
  const wanted = shortest ? 6 : precision === 0 ? 1 : precision
  const number = shortest ? shortestDecimal(value) : significant(value, wanted)
  const count = number.digits.length
  let limit = shortest ? 6 : wanted
  if (!shortest && limit > count && count >= number.point) limit = count
  const exponent = number.point - 1
  if (exponent < -4 || exponent >= limit) return scientific(number, Math.max(count - 1, 0), format)
  return plain(number, Math.max(count - number.point, 0))
}

function shortestDecimal(value: number): Decimal {
  if (value === 0) return { digits: '', point: 1 }
  const [mantissa, exponent] = value.toExponential().split('e')
  const digits = mantissa!.replace('.', '').replace(/0+$/, '')
  return { digits, point: Number(exponent) + 1 }
}

/** The exact value as numerator / 2^shift. */
function exact(value: number): { numerator: bigint; shift: number } {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  const raw = bits.getBigUint64(0)
  const exponent = Number((raw >> 52n) & 0x7ffn)
  const fraction = raw & 0xfffffffffffffn
  const mantissa = exponent === 0 ? fraction : fraction | (1n << 52n)
  const power = (exponent === 0 ? 1 : exponent) - 1075
  return power >= 0 ? { numerator: mantissa << BigInt(power), shift: 0 } : { numerator: mantissa, shift: -power }
}

/** value * 10^decimals as an integer, rounded half to even. */
function scaled(value: number, decimals: number): bigint {
  const { numerator, shift } = exact(value)
  const top = decimals >= 0 ? numerator * 10n ** BigInt(decimals) : numerator
  const bottom = (1n << BigInt(shift)) * (decimals < 0 ? 10n ** BigInt(-decimals) : 1n)
  const quotient = top / bottom
  const twice = 2n * (top % bottom)
  const up = twice > bottom || (twice === bottom && (quotient & 1n) === 1n)
  return up ? quotient + 1n : quotient
}

function roundedTo(value: number, decimals: number): Decimal {
  const digits = scaled(value, decimals).toString()
  return digits === '0' ? { digits: '', point: 1 } : { digits, point: digits.length - decimals }
}

function significant(value: number, count: number): Decimal {
  if (value === 0) return { digits: '', point: 1 }
  let point = Math.floor(Math.log10(value)) + 1
  for (;;) {
    const digits = scaled(value, count - point).toString()
    if (digits.length === count) return { digits: digits.replace(/0+$/, ''), point }
    point += digits.length - count
  }
}

function plain({ digits, point }: Decimal, decimals: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (decimals === 0) return whole || '0'
  const fraction = point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits
  return `${whole || '0'}.${fraction.padEnd(decimals, '0').slice(0, decimals)}`
}

function scientific({ digits, point }: Decimal, decimals: number, letter: string): string {
  const exponent = digits === '' ? 0 : point - 1
  const fraction = decimals > 0 ? `.${digits.slice(1).padEnd(decimals, '0')}` : ''
  const power = String(Math.abs(exponent)).padStart(2, '0')
  return `${digits[0] ?? '0'}${fraction}${letter}${exponent < 0 ? '-' : '+'}${power}`
}

function binary(value: number): string {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  const raw = bits.getBigUint64(0)
  const exponent = Number((raw >> 52n) & 0x7ffn)
  const fraction = raw & 0xfffffffffffffn
  const power = (exponent === 0 ? 1 : exponent) - 1075
  return `${exponent === 0 ? fraction : fraction | (1n << 52n)}p${power < 0 ? '' : '+'}${power}`
}

function hexadecimal(value: number, format: 'x' | 'X', precision: number): string {
  const text = value === 0 ? zeroHexadecimal(precision) : normalHexadecimal(value, precision)
  return format === 'X' ? text.toUpperCase() : text
}

function zeroHexadecimal(precision: number): string {
  return `0x0${precision > 0 ? `.${'0'.repeat(precision)}` : ''}p+00`
}

function normalHexadecimal(value: number, precision: number): string {
  let exponent = Math.floor(Math.log2(value))
  if (value / 2 ** exponent >= 2) exponent++
  let mantissa = BigInt(Math.round((value / 2 ** exponent) * 2 ** 52))
  if (precision >= 0 && precision < 13) {
    const drop = BigInt(52 - 4 * precision)
    const half = 1n << (drop - 1n)
    const rest = mantissa & ((1n << drop) - 1n)
    mantissa >>= drop
    if (rest > half || (rest === half && (mantissa & 1n) === 1n)) mantissa++
    mantissa <<= drop
    if (mantissa >> 53n) {
      mantissa >>= 1n
      exponent++
    }
  }
  const digits = (mantissa & 0xfffffffffffffn).toString(16).padStart(13, '0')
  const shown = precision < 0 ? digits.replace(/0+$/, '') : digits.padEnd(precision, '0').slice(0, precision)
  const power = String(Math.abs(exponent)).padStart(2, '0')
  return `0x1${shown ? `.${shown}` : ''}p${exponent < 0 ? '-' : '+'}${power}`
}
