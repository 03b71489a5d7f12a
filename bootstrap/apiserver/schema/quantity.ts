/** Quantities in the canonical form they are stored in (apimachinery, api/resource): "1000m" is "1", 0.5 is "500m". */

const form = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?$/
const binary = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const decimal = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']

/** The message for text that is no quantity. */
export const quantityError =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

const alreadyCanonical = /^(?:0|[1-9]\d{0,2})$/
const known = new Map<string, string>()

/** The canonical text of a quantity given as text or number; undefined if it is none. Fractions below nano round up. */
export function canonicalQuantity(value: string | number): string | undefined {
  const text = String(value)
  if (alreadyCanonical.test(text)) return text
  const cached = known.get(text)
  if (cached !== undefined) return cached
  const result = canonical(text)
  if (result !== undefined && known.size < 1000) known.set(text, result)
  return result
}

function canonical(text: string): string | undefined {
  const parts = form.exec(text)
  if (!parts) return undefined
  const [, sign, number = '', suffix = ''] = parts
  const nanos = nanosOf(number, suffix)
  if (nanos === 0n) return '0'
  const minus = sign === '-' ? '-' : ''
  const whole = nanos % billion === 0n
  if (binary.indexOf(suffix) > 0 && whole && nanos >= 1024n * billion) return minus + binaryText(nanos / billion)
  if (/^[eE][+-]?\d/.test(suffix)) return minus + exponentText(nanos)
  const [digits, steps] = withoutThousands(nanos, decimal.length - 1)
  return `${minus}${digits}${decimal[steps]}`
}

const billion = 1_000_000_000n

function nanosOf(number: string, suffix: string): bigint {
  const [whole = '', fraction = ''] = number.split('.')
  const digits = BigInt(whole + fraction || '0')
  const power = binary.indexOf(suffix)
  const exponent = /^[eE][+-]?\d/.test(suffix) ? Number(suffix.slice(1)) : (decimal.indexOf(suffix) - 3) * 3
  if (power > 0) return ceilDivide(digits * 1024n ** BigInt(power) * billion, 10n ** BigInt(fraction.length))
  const scale = Math.max(-400, Math.min(400, exponent)) + 9 - fraction.length
  return scale >= 0 ? digits * 10n ** BigInt(scale) : ceilDivide(digits, 10n ** BigInt(-scale))
}

const ceilDivide = (a: bigint, b: bigint) => (a + b - 1n) / b

function binaryText(value: bigint): string {
  let steps = 0
  let rest = value
  while (rest % 1024n === 0n && steps < binary.length - 1) {
    rest /= 1024n
    steps++
  }
  return `${rest}${binary[steps]}`
}

function withoutThousands(value: bigint, most: number): [digits: bigint, steps: number] {
  let steps = 0
  let rest = value
  while (rest % 1000n === 0n && steps < most) {
    rest /= 1000n
    steps++
  }
  return [rest, steps]
}

function exponentText(nanos: bigint): string {
  const [digits, steps] = withoutThousands(nanos, Number.POSITIVE_INFINITY)
  const exponent = (steps - 3) * 3
  return exponent === 0 ? String(digits) : `${digits}e${exponent}`
}
