/** Traefik's rule language, v3 and the lists of v2: matchers joined by &&, ||, ! and parentheses. */
import { RuleError, type Token, tokens } from './rule-lexer.ts'

export type Rule =
  | { readonly type: 'matcher'; readonly name: string; readonly args: readonly string[] }
  | { readonly type: 'not'; readonly rule: Rule }
  | { readonly type: 'and' | 'or'; readonly rules: readonly Rule[] }

/** Throws RuleError with the position of what is wrong. */
export function parseRule(text: string): Rule {
  const parser = new Parser(text, tokens(text))
  const rule = parser.or()
  parser.expect('end')
  return rule
}

class Parser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(text: string, list: readonly Token[]) {
    this.#text = text
    this.#tokens = list
  }

  or(): Rule {
    return this.#joined('||', 'or', () => this.#joined('&&', 'and', () => this.#unary()))
  }

  #joined(mark: '&&' | '||', type: 'and' | 'or', part: () => Rule): Rule {
    const rules = [part()]
    while (this.#next().type === mark) {
      this.#at++
      rules.push(part())
    }
    return rules.length === 1 ? rules[0]! : { type, rules }
  }

  #unary(): Rule {
    const token = this.#next()
    if (token.type === '!') {
      this.#at++
      return { type: 'not', rule: this.#unary() }
    }
    if (token.type === '(') {
      this.#at++
      const rule = this.or()
      this.expect(')')
      return rule
    }
    return this.#matcher()
  }

  #matcher(): Rule {
    const name = this.#next()
    if (name.type !== 'name') throw this.#unexpected(name, 'a matcher such as Host(`example.com`)')
    this.#at++
    this.expect('(')
    const args: string[] = []
    while (this.#next().type !== ')') {
      if (args.length > 0) this.expect(',')
      const arg = this.#next()
      if (arg.type !== 'string') throw this.#unexpected(arg, 'a text in backquotes')
      args.push(arg.text)
      this.#at++
    }
    this.expect(')')
    return { type: 'matcher', name: name.text, args }
  }

  expect(type: Token['type']): void {
    const token = this.#next()
    if (token.type !== type) throw this.#unexpected(token, type === 'end' ? '&&, || or the end' : type)
    this.#at++
  }

  #next(): Token {
    return this.#tokens[this.#at]!
  }

  #unexpected(token: Token, wanted: string): RuleError {
    const found = token.type === 'end' ? 'the end' : 'text' in token ? `"${token.text}"` : `"${token.type}"`
    return new RuleError(`expected ${wanted}, found ${found} at position ${token.at + 1} of rule ${this.#text}`)
  }
}
