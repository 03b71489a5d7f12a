/** The tokens of a template with the lookahead its grammar needs, and the complaints about them. */
import { describeToken, type Lexer, type Token, type TokenKind } from './lexer.ts'
import { unquote } from './quote.ts'

/** The message of a mistake in a template, as Go writes it. */
export class ParseError extends Error {}

export class Tokens {
  readonly #lexer: Lexer
  readonly #name: string
  /** Lookahead: the last one is next. Errors are reported at the first, which was read last. */
  readonly #ahead: Token[] = []
  #pending = 0
  /** The line of the action being parsed; 0 outside of one. */
  actionLine = 0

  constructor(lexer: Lexer, templateName: string) {
    this.#lexer = lexer
    this.#name = templateName
  }

  next(): Token {
    if (this.#pending > 0) this.#pending--
    else this.#ahead[0] = this.#lexer.next()
    return this.#ahead[this.#pending]!
  }

  peek(): Token {
    if (this.#pending > 0) return this.#ahead[this.#pending - 1]!
    this.#pending = 1
    this.#ahead[0] = this.#lexer.next()
    return this.#ahead[0]
  }

  nextNonSpace(): Token {
    for (;;) {
      const token = this.next()
      if (token.kind !== 'space') return token
    }
  }

  peekNonSpace(): Token {
    const token = this.nextNonSpace()
    this.backup()
    return token
  }

  /** Takes back the last token. */
  backup(): void {
    this.#pending++
  }

  /** Takes back the last token and this one before it. */
  backup2(token: Token): void {
    this.#ahead[1] = token
    this.#pending = 2
  }

  /** Takes back the last token and two before it. */
  backup3(first: Token, second: Token): void {
    this.#ahead[1] = second
    this.#ahead[2] = first
    this.#pending = 3
  }

  expect(kind: TokenKind, context: string): Token {
    const token = this.nextNonSpace()
    if (token.kind !== kind) this.unexpected(token, context)
    return token
  }

  unquote(token: Token): string {
    return unquote(token.value) ?? this.fail('invalid syntax')
  }

  fail(message: string): never {
    throw new ParseError(`template: ${this.#name}:${this.#ahead[0]?.line ?? 0}: ${message}`)
  }

  unexpected(token: Token, context: string): never {
    if (token.kind !== 'error') this.fail(`unexpected ${describeToken(token)} in ${context}`)
    let extra = ''
    if (this.actionLine !== 0 && this.actionLine !== token.line) {
      extra = ` in action started at ${this.#name}:${this.actionLine}`
      if (token.value.endsWith(' action')) extra = extra.slice(' in action'.length)
    }
    this.fail(token.value + extra)
  }
}
