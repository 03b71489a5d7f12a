/** The parser of label selector texts; tokens, grammar and messages are those of apimachinery's pkg/labels. */
import { errors, StatusError } from './errors.ts'
import type { LabelOperator, LabelRequirement } from './label-requirement.ts'
import { requirement } from './label-requirement.ts'

type Token = { readonly type: 'identifier' | 'end' | 'error' | 'keyword' | 'symbol'; readonly text: string }

const special = '=!(),><'
const symbols = new Set(['=', '==', '!=', '!', '(', ')', ',', '>', '<'])
const operators: { readonly [text: string]: LabelOperator | undefined } = {
  in: 'in',
  notin: 'notin',
  '=': '=',
  '==': '==',
  '!=': '!=',
  '>': 'gt',
  '<': 'lt',
}

function* tokens(text: string): Generator<Token> {
  for (const [part] of text.matchAll(/[=!(),><]+|[^\s=!(),><]+/g)) {
    if (!special.includes(part[0]!)) {
      yield { type: part === 'in' || part === 'notin' ? 'keyword' : 'identifier', text: part }
      continue
    }
    for (let at = 0; at < part.length; ) {
      const two = part.slice(at, at + 2)
      const symbol = two.length === 2 && symbols.has(two) ? two : part[at]!
      yield { type: 'symbol', text: symbol }
      at += symbol.length
    }
  }
}

/** All requirements of a selector text. Throws a 400. */
export function parseRequirements(text: string): LabelRequirement[] {
  const parser = new Parser([...tokens(text)])
  const found: LabelRequirement[] = []
  for (;;) {
    if (parser.isEnd()) return found
    const next = parser.peek()
    if (!parser.startsRequirement()) throw fail(next, `!, identifier, or 'end of string'`)
    found.push(prefixed(() => parser.requirement()))
    const after = parser.take()
    if (after.type === 'end') return found
    if (after.text !== ',') throw fail(after, `',' or 'end of string'`)
    if (!parser.startsRequirement()) throw fail(parser.peek(), `identifier after ','`)
  }
}

function fail(token: Token, expected: string): StatusError {
  return errors.badRequest(`found '${token.text}', expected: ${expected}`)
}

function prefixed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof StatusError) throw errors.badRequest(`unable to parse requirement: ${error.message}`)
    throw error
  }
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(list: readonly Token[]) {
    this.#tokens = list
  }

  peek(): Token {
    return this.#tokens[this.#at] ?? { type: 'end', text: '' }
  }

  take(): Token {
    const token = this.peek()
    this.#at++
    return token
  }

  isEnd(): boolean {
    return this.peek().type === 'end'
  }

  startsRequirement(): boolean {
    return this.#isName(this.peek()) || this.peek().text === '!'
  }

  requirement(): LabelRequirement {
    const negated = this.peek().text === '!'
    if (negated) this.take()
    const key = this.take()
    if (!this.#isName(key)) throw fail(key, 'identifier')
    if (this.isEnd() || this.peek().text === ',') return requirement(key.text, negated ? '!' : 'exists', [])
    if (negated) return requirement(key.text, '!', [])
    const sign = this.take()
    const operator = sign.type === 'identifier' ? undefined : operators[sign.text]
    if (operator === undefined) throw fail(sign, 'in, notin, =, ==, !=, gt, lt')
    const values = operator === 'in' || operator === 'notin' ? this.#list() : [this.#value()]
    return requirement(key.text, operator, values)
  }

  #isName(token: Token): boolean {
    return token.type === 'identifier' || token.type === 'keyword'
  }

  #value(): string {
    if (this.isEnd() || this.peek().text === ',') return ''
    const token = this.take()
    if (!this.#isName(token)) throw fail(token, 'identifier')
    return token.text
  }

  #list(): string[] {
    const open = this.take()
    if (open.text !== '(') throw errors.badRequest(`found '${open.text}' expected: '('`)
    if (this.peek().text === ')') {
      this.take()
      return []
    }
    const values: string[] = []
    for (;;) {
      const separates = this.peek().text === ',' || this.peek().text === ')'
      if (separates) values.push('')
      else if (this.#isName(this.peek())) values.push(this.take().text)
      else throw fail(this.peek(), `',', ')' or identifier`)
      const next = this.take()
      if (next.text === ')') return values
      if (next.text !== ',') throw fail(next, `',' or ')'`)
    }
  }
}
