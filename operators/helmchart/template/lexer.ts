/** Splits the text of a template into the tokens of text/template. */
import { isPrint } from './bytes.ts'
import { quote } from './quote.ts'

export type TokenKind =
  | 'error'
  | 'bool'
  | 'char'
  | 'rune'
  | 'complex'
  | '='
  | ':='
  | 'eof'
  | 'field'
  | 'identifier'
  | 'left'
  | '('
  | 'number'
  | '|'
  | 'raw string'
  | 'right'
  | ')'
  | 'space'
  | 'string'
  | 'text'
  | 'variable'
  | Keyword

const keywords = [
  'block',
  'break',
  'continue',
  '.',
  'define',
  'else',
  'end',
  'if',
  'nil',
  'range',
  'template',
  'with',
] as const
export type Keyword = (typeof keywords)[number]
const keywordSet: ReadonlySet<string> = new Set(keywords)

export interface Token {
  readonly kind: TokenKind
  /** Offset in the text. */
  readonly position: number
  readonly value: string
  readonly line: number
}

/** A token as error messages show it. */
export function describeToken(token: Token): string {
  if (token.kind === 'eof') return 'EOF'
  if (token.kind === 'error') return token.value
  if (keywordSet.has(token.kind)) return `<${token.value}>`
  const shown = [...token.value]
  return token.value.length > 10 ? `${quote(shown.slice(0, 10).join(''))}...` : quote(token.value)
}

const letterOrDigit = /^[\p{L}\p{Nd}_]$/u
const wordPattern = /[\p{L}\p{Nd}_]*/uy
const spacePattern = /[ \t\r\n]*/y
const stringPattern = /(?:[^"\\\n]|\\[^\n])*/y
const runePattern = /(?:[^'\\\n]|\\[^\n])*/y
const eof = ''

function isAlphanumeric(char: string): boolean {
  return char !== eof && letterOrDigit.test(char)
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\r' || char === '\n'
}

function isLeftTrim(text: string, at: number): boolean {
  return text[at] === '-' && isSpace(text[at + 1])
}

function isRightTrim(text: string, at: number): boolean {
  return isSpace(text[at]) && text[at + 1] === '-'
}

/** Go writes a character in a message as U+0021 '!'. */
export function unicodeName(char: string): string {
  if (char === eof) return 'U+FFFFFFFFFFFFFFFF'
  const code = char.codePointAt(0)!
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
  return isPrint(code) ? `${name} '${char}'` : name
}

export class Lexer {
  #text: string
  readonly #left: string
  readonly #right: string
  #position = 0
  #start = 0
  #line = 1
  #startLine = 1
  #parentheses = 0
  #inAction = false

  constructor(text: string, left: string, right: string) {
    this.#text = text
    this.#left = left
    this.#right = right
  }

  /** The next token; an error token ends the input, afterwards there is only eof. */
  next(): Token {
    return this.#inAction ? this.#action() : this.#textToken()
  }

  #peek(): string {
    const unit = this.#text.charCodeAt(this.#position)
    if (!(unit >= 0xd800 && unit < 0xdc00)) return this.#text[this.#position] ?? eof
    return String.fromCodePoint(this.#text.codePointAt(this.#position)!)
  }

  #advance(): string {
    const char = this.#peek()
    this.#position += char.length
    if (char === '\n') this.#line++
    return char
  }

  #emit(kind: TokenKind): Token {
    const value = this.#text.slice(this.#start, this.#position)
    const token = { kind, position: this.#start, value, line: this.#startLine }
    this.#start = this.#position
    this.#startLine = this.#line
    return token
  }

  /** Moves on without a token, counting the lines passed. */
  #skipTo(position: number): void {
    this.#countLines(this.#start, position)
    this.#position = position
    this.#start = position
    this.#startLine = this.#line
  }

  #countLines(from: number, to: number): void {
    for (let at = this.#text.indexOf('\n', from); at >= 0 && at < to; at = this.#text.indexOf('\n', at + 1))
      this.#line++
  }

  #error(message: string): Token {
    const token: Token = { kind: 'error', position: this.#start, value: message, line: this.#startLine }
    this.#text = ''
    this.#start = 0
    this.#position = 0
    this.#inAction = false
    return token
  }

  #textToken(): Token {
    for (;;) {
      const delimiter = this.#text.indexOf(this.#left, this.#position)
      if (delimiter < 0) {
        this.#countLines(this.#position, this.#text.length)
        this.#position = this.#text.length
        if (this.#position > this.#start) return this.#emit('text')
        return { kind: 'eof', position: this.#position, value: '', line: this.#startLine }
      }
      if (delimiter > this.#position) {
        let end = delimiter
        if (isLeftTrim(this.#text, delimiter + this.#left.length))
          while (end > this.#start && isSpace(this.#text[end - 1])) end--
        this.#countLines(this.#start, end)
        this.#position = end
        const token = this.#emit('text')
        this.#skipTo(delimiter)
        if (token.value !== '') return token
      }
      const token = this.#leftDelimiter()
      if (token) return token
    }
  }

  /** Undefined when there was a comment. */
  #leftDelimiter(): Token | undefined {
    const afterDelimiter = this.#position + this.#left.length
    const afterMarker = afterDelimiter + (isLeftTrim(this.#text, afterDelimiter) ? 2 : 0)
    if (this.#text.startsWith('/*', afterMarker)) {
      this.#skipTo(afterMarker)
      return this.#comment()
    }
    this.#position = afterDelimiter
    const token = this.#emit('left')
    this.#inAction = true
    this.#skipTo(afterMarker)
    this.#parentheses = 0
    return token
  }

  #comment(): Token | undefined {
    const end = this.#text.indexOf('*/', this.#position + 2)
    if (end < 0) return this.#error('unclosed comment')
    let position = end + 2
    const { found, trims } = this.#rightDelimiterAt(position)
    if (!found) return this.#error('comment ends before closing delimiter')
    position += (trims ? 2 : 0) + this.#right.length
    while (trims && isSpace(this.#text[position])) position++
    this.#skipTo(position)
    return undefined
  }

  #rightDelimiterAt(position: number): { found: boolean; trims: boolean } {
    if (isRightTrim(this.#text, position) && this.#text.startsWith(this.#right, position + 2))
      return { found: true, trims: true }
    return { found: this.#text.startsWith(this.#right, position), trims: false }
  }

  #rightDelimiter(): Token {
    const { trims } = this.#rightDelimiterAt(this.#position)
    if (trims) this.#skipTo(this.#position + 2)
    this.#position += this.#right.length
    const token = this.#emit('right')
    if (trims) {
      let position = this.#position
      while (isSpace(this.#text[position])) position++
      this.#skipTo(position)
    }
    this.#inAction = false
    return token
  }

  #action(): Token {
    if (this.#rightDelimiterAt(this.#position).found)
      return this.#parentheses === 0 ? this.#rightDelimiter() : this.#error('unclosed left paren')
    const char = this.#peek()
    if (isSpace(char)) return this.#space()
    if (char === '+' || char === '-' || /^[0-9]/.test(char)) return this.#number()
    if (char === '.') return this.#dot()
    if (isAlphanumeric(char)) return this.#identifier()
    this.#advance()
    switch (char) {
      case eof:
        return this.#error('unclosed action')
      case '=':
        return this.#emit('=')
      case ':':
        return this.#advance() === '=' ? this.#emit(':=') : this.#error('expected :=')
      case '|':
        return this.#emit('|')
      case '"':
        return this.#quoted('"', 'string', 'unterminated quoted string')
      case '`':
        return this.#rawString()
      case '$':
        return this.#fieldOrVariable('variable')
      case "'":
        return this.#quoted("'", 'rune', 'unterminated character constant')
      case '(':
        this.#parentheses++
        return this.#emit('(')
      case ')':
        return --this.#parentheses < 0 ? this.#error('unexpected right paren') : this.#emit(')')
      default:
        if (char.codePointAt(0)! < 0x80 && isPrint(char.codePointAt(0)!)) return this.#emit('char')
        return this.#error(`unrecognized character in action: ${unicodeName(char)}`)
    }
  }

  /** Takes what a sticky pattern matches here. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#position
    const text = pattern.exec(this.#text)?.[0] ?? ''
    this.#position += text.length
    return text
  }

  #space(): Token {
    const spaces = this.#take(spacePattern)
    const { length } = spaces
    for (let at = spaces.indexOf('\n'); at >= 0; at = spaces.indexOf('\n', at + 1)) this.#line++
    // The last space may belong to a closing delimiter that trims.
    const last = this.#position - 1
    if (isRightTrim(this.#text, last) && this.#text.startsWith(this.#right, last + 2)) {
      if (this.#text[last] === '\n') this.#line--
      this.#position = last
      if (length === 1) return this.#rightDelimiter()
    }
    return this.#emit('space')
  }

  #identifier(): Token {
    const word = this.#take(wordPattern)
    if (!this.#atTerminator()) return this.#error(`bad character ${unicodeName(this.#peek())}`)
    if (keywordSet.has(word)) return this.#emit(word as Keyword)
    return this.#emit(word === 'true' || word === 'false' ? 'bool' : 'identifier')
  }

  #dot(): Token {
    if (/^[0-9]/.test(this.#text[this.#position + 1] ?? '')) return this.#number()
    this.#advance()
    // A dot that ends the text is no field: Go takes it for the start of a number.
    if (this.#position >= this.#text.length) {
      this.#position--
      return this.#number()
    }
    return this.#fieldOrVariable('field')
  }

  #fieldOrVariable(kind: 'field' | 'variable'): Token {
    if (this.#atTerminator()) return this.#emit(kind === 'field' ? '.' : kind)
    this.#take(wordPattern)
    return this.#atTerminator() ? this.#emit(kind) : this.#error(`bad character ${unicodeName(this.#peek())}`)
  }

  #atTerminator(): boolean {
    const char = this.#peek()
    if (char === eof || isSpace(char) || '.,|:)('.includes(char)) return true
    return this.#text.startsWith(this.#right, this.#position)
  }

  #quoted(mark: string, kind: TokenKind, unterminated: string): Token {
    this.#take(mark === '"' ? stringPattern : runePattern)
    return this.#take(mark === '"' ? /"/y : /'/y) === mark ? this.#emit(kind) : this.#error(unterminated)
  }

  #rawString(): Token {
    const end = this.#text.indexOf('`', this.#position)
    if (end < 0) return this.#error('unterminated raw quoted string')
    this.#countLines(this.#position, end)
    this.#position = end + 1
    return this.#emit('raw string')
  }

  #number(): Token {
    if (!this.#scanNumber()) return this.#error(`bad number syntax: ${quote(this.#pending())}`)
    const sign = this.#peek()
    if (sign !== '+' && sign !== '-') return this.#emit('number')
    if (!this.#scanNumber() || !this.#pending().endsWith('i'))
      return this.#error(`bad number syntax: ${quote(this.#pending())}`)
    return this.#emit('complex')
  }

  #pending(): string {
    return this.#text.slice(this.#start, this.#position)
  }

  #scanNumber(): boolean {
    const number =
      /[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?/y
    number.lastIndex = this.#position
    this.#position += number.exec(this.#text)![0].length
    if (!isAlphanumeric(this.#peek())) return true
    this.#advance()
    return false
  }
}
