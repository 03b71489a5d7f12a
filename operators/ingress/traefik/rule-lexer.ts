/** Traefik's rule language in tokens: names, strings in backquotes, quotes or apostrophes, and punctuation. */

export type Token =
  | { readonly type: 'name'; readonly text: string; readonly at: number }
  | { readonly type: 'string'; readonly text: string; readonly at: number }
  | { readonly type: '&&' | '||' | '!' | '(' | ')' | ',' | 'end'; readonly at: number }

/** A rule that cannot be read; the message says where. */
export class RuleError extends Error {}

export function tokens(rule: string): Token[] {
  const found: Token[] = []
  let at = 0
  while (at < rule.length) {
    const token = tokenAt(rule, at)
    if (token.length === 0) throw new RuleError(`unexpected "${rule[at]}" at position ${at + 1} of rule ${rule}`)
    if (token.value) found.push(token.value)
    at += token.length
  }
  return [...found, { type: 'end', at: rule.length }]
}

const strings = /`([^`]*)`|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/y
const names = /[A-Za-z][A-Za-z0-9]*/y
const marks = /&&|\|\||[!(),]/y
const blanks = /\s+/y

function tokenAt(rule: string, at: number): { value?: Token; length: number } {
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at
    return pattern.exec(rule)
  }
  const blank = take(blanks)
  if (blank) return { length: blank[0].length }
  const string = take(strings)
  if (string) {
    const text = string[1] ?? (string[2] ?? string[3] ?? '').replace(/\\(.)/g, '$1')
    return { value: { type: 'string', text, at }, length: string[0].length }
  }
  const name = take(names)
  if (name) return { value: { type: 'name', text: name[0], at }, length: name[0].length }
  const mark = take(marks)
  if (mark) return { value: { type: mark[0] as ',', at }, length: mark[0].length }
  return { length: 0 }
}
