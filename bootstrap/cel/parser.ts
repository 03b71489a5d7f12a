/** Parses CEL into its tree (cel-spec doc/langdef.md, "Syntax"); errors name the offset. */
import type { Element, Entry, Expr, Field } from './ast.ts'
import { CelSyntaxError } from './errors.ts'
import { type Token, tokens } from './lexer.ts'
import { expandCall } from './macros.ts'
import { Uint } from './values.ts'

const reserved = new Set([
  ...['as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop', 'package'],
  ...['namespace', 'return', 'var', 'void', 'while'],
])
const relations = new Set(['==', '!=', '<', '<=', '>', '>='])
const maxDepth = 250

/** Throws CelSyntaxError for text that is no expression. */
export function parse(text: string): Expr {
  return new Parser(tokens(text)).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  #position = 0
  #depth = 0

  constructor(list: readonly Token[]) {
    this.#tokens = list
  }

  whole(): Expr {
    const expr = this.#expr()
    const rest = this.#peek()
    if (rest.kind !== 'end') throw this.#unexpected(rest)
    return expr
  }

  #expr(): Expr {
    if (++this.#depth > maxDepth) throw new CelSyntaxError('expression recursion limit exceeded: 250', this.#peek().at)
    const test = this.#or()
    const question = this.#take('?')
    this.#depth--
    if (!question) return test
    const then = this.#or()
    this.#want(':')
    return { kind: 'conditional', at: question.at, test, then, otherwise: this.#expr() }
  }

  #or(): Expr {
    return this.#leftToRight(
      ['||'],
      () => this.#and(),
      (at, _, left, right) => ({ kind: 'or', at, left, right }),
    )
  }

  #and(): Expr {
    return this.#leftToRight(
      ['&&'],
      () => this.#relation(),
      (at, _, left, right) => ({ kind: 'and', at, left, right }),
    )
  }

  #relation(): Expr {
    let left = this.#sum()
    for (;;) {
      const token = this.#peek()
      const isRelation = token.kind === 'symbol' && relations.has(token.text)
      const isIn = token.kind === 'name' && token.text === 'in' && !token.quoted
      if (!isRelation && !isIn) return left
      this.#position++
      left = call(`_${token.text}_`, token.at, left, this.#sum())
    }
  }

  #sum(): Expr {
    return this.#leftToRight(
      ['+', '-'],
      () => this.#product(),
      (at, symbol, left, right) => call(`_${symbol}_`, at, left, right),
    )
  }

  #product(): Expr {
    const make = (at: number, symbol: string, left: Expr, right: Expr) => call(`_${symbol}_`, at, left, right)
    return this.#leftToRight(['*', '/', '%'], () => this.#unary(), make)
  }

  #leftToRight(
    symbols: readonly string[],
    operand: () => Expr,
    make: (at: number, symbol: string, left: Expr, right: Expr) => Expr,
  ): Expr {
    let left = operand()
    for (;;) {
      const token = this.#peek()
      if (token.kind !== 'symbol' || !symbols.includes(token.text)) return left
      this.#position++
      left = make(token.at, token.text, left, operand())
    }
  }

  #unary(): Expr {
    const token = this.#peek()
    if (token.kind !== 'symbol' || (token.text !== '!' && token.text !== '-')) return this.#member()
    this.#position++
    const next = this.#peek()
    if (
      token.text === '-' &&
      next.kind === 'literal' &&
      (typeof next.value === 'bigint' || typeof next.value === 'number')
    ) {
      this.#position++
      return this.#members({ kind: 'literal', at: token.at, value: -next.value })
    }
    if (++this.#depth > maxDepth) throw new CelSyntaxError('expression recursion limit exceeded: 250', token.at)
    const operand = this.#unary()
    this.#depth--
    return { kind: 'call', at: token.at, name: token.text === '!' ? '!_' : '-_', target: undefined, args: [operand] }
  }

  #member(): Expr {
    return this.#members(this.#primary())
  }

  #members(start: Expr): Expr {
    let expr = start
    for (;;) {
      const token = this.#peek()
      if (token.kind !== 'symbol') return expr
      switch (token.text) {
        case '.':
        case '.?':
          this.#position++
          expr = this.#selection(expr, token.at, token.text === '.?')
          break
        case '[':
        case '[?': {
          this.#position++
          const index = this.#expr()
          this.#want(']')
          expr = { kind: 'index', at: token.at, operand: expr, index, optional: token.text === '[?' }
          break
        }
        case '{': {
          const type = typeNameOf(expr)
          if (type === undefined) return expr
          this.#position++
          expr = { kind: 'struct', at: token.at, type, fields: this.#fields() }
          break
        }
        default:
          return expr
      }
    }
  }

  #selection(operand: Expr, at: number, optional: boolean): Expr {
    const name = this.#name(true)
    const open = this.#peek()
    if (optional || !this.#take('(')) return { kind: 'select', at, operand, field: name.text, test: false, optional }
    const args = this.#list(')', () => this.#expr())
    return expandCall(name.text, operand, args, open.at)
  }

  #primary(): Expr {
    const token = this.#peek()
    switch (token.kind) {
      case 'literal':
        this.#position++
        if (token.minimum) throw new CelSyntaxError('invalid int literal', token.at)
        return { kind: 'literal', at: token.at, value: token.value }
      case 'name':
        return this.#named()
      case 'symbol':
        return this.#bracketed(token.text, token.at)
      case 'end':
        throw this.#unexpected(token)
    }
  }

  #bracketed(symbol: string, at: number): Expr {
    this.#position++
    switch (symbol) {
      case '(': {
        const expr = this.#expr()
        this.#want(')')
        return expr
      }
      case '[':
        return { kind: 'list', at, elements: this.#list(']', () => this.#element()) }
      // A leading "[?" is a list whose first element is optional.
      case '[?':
        this.#position--
        return { kind: 'list', at, elements: this.#optionalList() }
      case '{':
        return { kind: 'map', at, entries: this.#list('}', () => this.#entry()) }
      case '.': {
        const { text } = this.#name(false)
        if (!this.#take('(')) return { kind: 'ident', at, name: text }
        return expandCall(
          text,
          undefined,
          this.#list(')', () => this.#expr()),
          at,
        )
      }
      default:
        this.#position--
        throw this.#unexpected(this.#peek())
    }
  }

  #optionalList(): Element[] {
    this.#position++
    const first = { value: this.#expr(), optional: true }
    if (this.#take(']')) return [first]
    this.#want(',')
    return [first, ...this.#list(']', () => this.#element())]
  }

  #named(): Expr {
    const { text, at, quoted } = this.#name(false)
    if (!quoted) {
      if (text === 'true' || text === 'false') return { kind: 'literal', at, value: text === 'true' }
      if (text === 'null') return { kind: 'literal', at, value: null }
      if (text === 'in') throw this.#unexpected({ kind: 'name', text, at, quoted })
      if (reserved.has(text)) throw new CelSyntaxError(`reserved identifier: ${text}`, at)
    }
    const open = this.#peek()
    if (!this.#take('(')) return { kind: 'ident', at, name: text }
    return expandCall(
      text,
      undefined,
      this.#list(')', () => this.#expr()),
      open.at,
    )
  }

  #element(): Element {
    const optional = this.#take('?') !== undefined
    return { value: this.#expr(), optional }
  }

  #entry(): Entry {
    const optional = this.#take('?') !== undefined
    const key = this.#expr()
    this.#want(':')
    return { key, value: this.#expr(), optional }
  }

  #fields(): Field[] {
    return this.#list('}', () => {
      const optional = this.#take('?') !== undefined
      const { text } = this.#name(true)
      this.#want(':')
      return { name: text, value: this.#expr(), optional }
    })
  }

  /** Items up to the closing symbol, with commas between; a trailing comma is fine, but not in a call. */
  #list<T>(close: string, item: () => T): T[] {
    const items: T[] = []
    while (!this.#take(close)) {
      if (items.length > 0) {
        this.#want(',', close)
        if (close !== ')' && this.#take(close)) break
      }
      items.push(item())
    }
    return items
  }

  #name(asField: boolean): Token & { kind: 'name' } {
    const token = this.#peek()
    if (token.kind !== 'name' || (asField && token.text === 'in' && !token.quoted)) throw this.#unexpected(token)
    this.#position++
    return token
  }

  #peek(): Token {
    return this.#tokens[this.#position]!
  }

  #take(symbol: string): Token | undefined {
    const token = this.#peek()
    if (token.kind !== 'symbol') return undefined
    if (token.text === symbol) {
      this.#position++
      return token
    }
    return undefined
  }

  #want(symbol: string, orClose?: string): void {
    if (this.#take(symbol)) return
    throw this.#unexpected(this.#peek(), orClose ?? symbol)
  }

  #unexpected(token: Token, wanted?: string): CelSyntaxError {
    const text = token.kind === 'end' ? '<EOF>' : token.kind === 'literal' ? literalText(token) : token.text
    const message =
      wanted === undefined
        ? `Syntax error: mismatched input '${text}' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`
        : `Syntax error: missing '${wanted}' at '${text}'`
    return new CelSyntaxError(message, token.at)
  }
}

function literalText({ value }: Token & { kind: 'literal' }): string {
  if (value instanceof Uint) return `${value.value}u`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

function call(name: string, at: number, left: Expr, right: Expr): Expr {
  return { kind: 'call', at, name, target: undefined, args: [left, right] }
}

/** "a.b.C" where the expression is nothing but a qualified name. */
function typeNameOf(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name
  if (expr.kind !== 'select' || expr.test || expr.optional) return undefined
  const prefix = typeNameOf(expr.operand)
  return prefix === undefined ? undefined : `${prefix}.${expr.field}`
}
