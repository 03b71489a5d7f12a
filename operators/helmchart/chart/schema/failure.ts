/** Why values do not fit a schema, and how Helm prints it. */

export interface Failure {
  /** Path of the value. */
  readonly at: readonly string[]
  readonly text: string
  readonly causes: readonly Failure[]
  /** A group has no text of its own worth showing where its causes can stand for it; a reference with one cause neither. */
  readonly kind?: 'group' | 'reference'
}

/** One line per failure, causes indented below theirs. */
export function failureLines(failures: readonly Failure[], indent = 0): string[] {
  return failures.flatMap(failure => {
    if (failure.kind === 'reference' && failure.causes.length === 1) return failureLines(failure.causes, indent)
    const line = `${'  '.repeat(indent)}- at ${quoted(pointer(failure.at))}: ${failure.text}`
    return [line, ...failureLines(failure.causes, indent + 1)]
  })
}

/** A JSON pointer. */
export function pointer(path: readonly string[]): string {
  return path.map(token => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

export function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

/** A number as English texts have it: 70,000, and 1.5×10⁰⁶ from a million on. */
export function englishNumber(value: number | bigint): string {
  const number = Number(value)
  const size = Math.abs(number)
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) {
    const [mantissa, exponent] = number.toExponential().split('e') as [string, string]
    const digits = exponent.replace(/[-+]/, '').padStart(2, '0')
    return `${mantissa}×10${exponent.startsWith('-') ? '⁻' : ''}${[...digits].map(digit => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')}`
  }
  const [whole, fraction] = String(number).split('.') as [string, string?]
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (fraction === undefined ? '' : `.${fraction}`)
}
