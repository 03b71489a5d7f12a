/** Which styles a scalar can be written in, by libyaml's rules. */
import type { YamlDialect } from './scalars.ts'

export interface ScalarAnalysis {
  readonly multiline: boolean
  readonly plainAllowed: boolean
  readonly singleQuotedAllowed: boolean
  readonly blockAllowed: boolean
}

/** Characters that need no escape. */
export function isPrintable(char: string): boolean {
  const code = char.codePointAt(0)!
  if (code < 0x80) return code === 0x0a || (code >= 0x20 && code <= 0x7e)
  if (code === 0x85) return false
  return (code >= 0xa0 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd && code !== 0xfeff)
}

const breakPattern = /[\n\r\x85\u2028\u2029]/
const blankOrEnd = /^[ \t\n\r\x85\u2028\u2029\0]$/

export function analyzeScalar(text: string, dialect: YamlDialect): ScalarAnalysis {
  if (text === '') return { multiline: false, plainAllowed: true, singleQuotedAllowed: true, blockAllowed: false }
  const multiline = breakPattern.test(text)
  const special = hasSpecial(text, dialect)
  const breakThenSpace = /[\n\r\x85\u2028\u2029] /.test(text)
  const spaceThenBreak = / [\n\r\x85\u2028\u2029]/.test(text)
  const edges = /^[ \n\r\x85\u2028\u2029]|[ \n\r\x85\u2028\u2029]$/.test(text)
  const tabs = dialect === 3 && text.includes('\t')
  return {
    multiline,
    plainAllowed:
      !multiline && !edges && !breakThenSpace && !spaceThenBreak && !special && !tabs && !hasIndicators(text),
    singleQuotedAllowed: !breakThenSpace && !spaceThenBreak && !special && !tabs,
    blockAllowed: !text.endsWith(' ') && !spaceThenBreak && !special,
  }
}

function hasSpecial(text: string, dialect: YamlDialect): boolean {
  for (const char of text) if (!isPrintable(char) && !(dialect === 3 && char === '\t')) return true
  return false
}

/** Characters that would mean something at their place outside of quotes, in block style. */
function hasIndicators(text: string): boolean {
  if (/^(?:---|\.\.\.)/.test(text) || /^[#,[\]{}&*!|>'"%@`]/.test(text)) return true
  const chars = [...text]
  return chars.some((char, at) => {
    const next = chars[at + 1]
    const blankFollows = next === undefined || next === ' ' || next === '\t'
    if (char === ':') return blankFollows
    if (at === 0) return (char === '?' || char === '-') && blankFollows
    return char === '#' && blankOrEnd.test(chars[at - 1]!)
  })
}
