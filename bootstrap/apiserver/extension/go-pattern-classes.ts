/** Sets of characters in Go's regular expressions, and how JavaScript writes them. */

/** First and last code point. */
export type CharacterRange = readonly [from: number, to: number]

const last = 0x10ffff
const lastOfBasicPlane = 0xffff
const code = (character: string) => character.codePointAt(0)!
const range = (from: string, to: string): CharacterRange => [code(from), code(to)]

const digits = [range('0', '9')]
const lower = [range('a', 'z')]
const upper = [range('A', 'Z')]
const word = [...digits, ...upper, range('_', '_'), ...lower]
const space = [range('\t', '\n'), range('\f', '\r'), range(' ', ' ')]

const named: { readonly [name: string]: readonly CharacterRange[] } = {
  alnum: [...digits, ...upper, ...lower],
  alpha: [...upper, ...lower],
  ascii: [[0, 0x7f]],
  blank: [range('\t', '\t'), range(' ', ' ')],
  cntrl: [
    [0, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: digits,
  graph: [range('!', '~')],
  lower,
  print: [range(' ', '~')],
  punct: [range('!', '/'), range(':', '@'), range('[', '`'), range('{', '~')],
  space: [range('\t', '\r'), range(' ', ' ')],
  upper,
  word,
  xdigit: [...digits, range('A', 'F'), range('a', 'f')],
}

/** [:name:]; throws SyntaxError for another name. */
export function namedClass(name: string, negated: boolean): readonly CharacterRange[] {
  const ranges = Object.hasOwn(named, name) ? named[name] : undefined
  if (!ranges) throw new SyntaxError(`no class ${name}`)
  return negated ? complement(ranges) : ranges
}

/** \d, \s, \w and their opposites. */
export function shorthand(letter: string): readonly CharacterRange[] {
  const ranges = { d: digits, s: space, w: word }[letter.toLowerCase() as 'd' | 's' | 'w']
  return letter === letter.toLowerCase() ? ranges : complement(ranges)
}

/** Every character but these, which are in order. */
export function complement(ranges: readonly CharacterRange[]): readonly CharacterRange[] {
  const rest: CharacterRange[] = []
  let next = 0
  for (const [from, to] of ranges) {
    if (from > next) rest.push([next, from - 1])
    next = to + 1
  }
  return next <= last ? [...rest, [next, last]] : rest
}

/** The ranges with the other case of each of their letters A to Z. */
export function foldCase(ranges: readonly CharacterRange[]): readonly CharacterRange[] {
  const distance = code('a') - code('A')
  const folded = [...ranges]
  for (const [from, to] of ranges) {
    for (const [[first, final], step] of [
      [upper[0]!, distance],
      [lower[0]!, -distance],
    ] as const) {
      const start = Math.max(from, first)
      const end = Math.min(to, final)
      if (start <= end) folded.push([start + step, end + step])
    }
  }
  return folded
}

/** A JavaScript class; property escapes mean something in expressions with the u flag only. */
export function classText(
  ranges: readonly CharacterRange[],
  properties: readonly string[],
  negated: boolean,
  unicode: boolean,
): string {
  const highest = unicode ? last : lastOfBasicPlane
  const parts = ranges
    .filter(([from]) => from <= highest)
    .map(([from, to]) => (from === to ? escaped(from) : `${escaped(from)}-${escaped(Math.min(to, highest))}`))
  return `[${negated ? '^' : ''}${parts.join('')}${properties.join('')}]`
}

const escaped = (point: number) =>
  point > lastOfBasicPlane ? `\\u{${point.toString(16)}}` : `\\u${point.toString(16).padStart(4, '0')}`
