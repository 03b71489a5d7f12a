/** The order go-yaml writes the keys of a map in: numbers in them by value, letters after everything else. */
import type { YamlDialect } from './scalars.ts'

const isLetter = (char: string): boolean => /^\p{L}$/u.test(char)
const isDigit = (char: string | undefined): boolean => char !== undefined && /^\p{Nd}$/u.test(char)

export function compareYamlKeys(left: string, right: string, dialect: YamlDialect): number {
  const [first, second] = [[...left], [...right]]
  let digits = false
  for (let at = 0; at < first.length && at < second.length; at++) {
    const [a, b] = [first[at]!, second[at]!]
    if (a === b) {
      digits = isDigit(a)
      continue
    }
    const [aLetter, bLetter] = [isLetter(a), isLetter(b)]
    if (aLetter && bLetter) return a.codePointAt(0)! - b.codePointAt(0)!
    if (aLetter || bLetter) return (dialect === 3 && digits ? aLetter : bLetter) ? -1 : 1
    return compareNumbers(first, second, at)
  }
  return first.length - second.length
}

function compareNumbers(first: readonly string[], second: readonly string[], at: number): number {
  // Zeros after other digits count: "10" and "1".
  let start = 0n
  if (first[at] === '0' || second[at] === '0')
    for (let back = at - 1; back >= 0 && isDigit(first[back]); back--)
      if (first[back] !== '0') {
        start = 1n
        break
      }
  const [aEnd, a] = numberAt(first, at, start)
  const [bEnd, b] = numberAt(second, at, start)
  if (a !== b) return a < b ? -1 : 1
  if (aEnd !== bEnd) return aEnd - bEnd
  return first[at]!.codePointAt(0)! - second[at]!.codePointAt(0)!
}

function numberAt(chars: readonly string[], at: number, start: bigint): readonly [number, bigint] {
  let end = at
  let value = start
  for (; isDigit(chars[end]); end++) value = value * 10n + BigInt(chars[end]!.codePointAt(0)! - 48)
  return [end, value]
}
