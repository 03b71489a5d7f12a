/** YAML 1.1 text into tokens, with the rules, limits and complaints of libyaml as Go has it. */
import { scanBlockScalar } from './block-scalar.ts'
import {
  Cursor,
  end,
  isAlpha,
  isBlank,
  isBlankOrEnd,
  isBreakOrEnd,
  type Mark,
  scannerProblem,
  YamlProblem,
} from './cursor.ts'
import { scanDirective, scanTag } from './directives.ts'
import { foldBreaks, scanQuoted, scanSpace } from './quoted.ts'

export type TokenType =
  | 'stream end'
  | 'version directive'
  | 'tag directive'
  | 'document start'
  | 'document end'
  | 'block sequence start'
  | 'block mapping start'
  | 'block end'
  | '['
  | ']'
  | '{'
  | '}'
  | ','
  | '-'
  | '?'
  | ':'
  | 'alias'
  | 'anchor'
  | 'tag'
  | 'scalar'

export interface Token {
  readonly type: TokenType
  readonly mark: Mark
  /** Text of a scalar, name of an anchor, handle of a tag, version of a directive. */
  readonly value?: string
  /** The rest of a tag, or the prefix a tag directive gives. */
  readonly suffix?: string
  readonly plain?: boolean
}

/** A token that turns out to be a key if ":" follows on its line. */
interface PossibleKey {
  readonly number: number
  readonly required: boolean
  readonly mark: Mark
}

const deepest = 10_000
const longestKey = 1024

export class Scanner {
  readonly #cursor: Cursor
  readonly #tokens: Token[] = []
  /** Tokens handed out so far: the first of `#tokens` has this number. */
  #taken = 0
  #indent = -1
  readonly #indents: number[] = []
  /** For each flow level the key that may be; none in its place when there is none. */
  readonly #keys: (PossibleKey | undefined)[] = [undefined]
  #keyAllowed = true
  #ended = false

  /** Throws YamlProblem for characters YAML does not allow. */
  constructor(text: string) {
    if (/[\p{Cs}]/u.test(text)) throw new YamlProblem('invalid leading UTF-8 octet')
    // Control characters other than tab, line feed, carriage return and next line.
    if (/[^\t\n\r\u0085\P{Cc}]|[\uFFFE\uFFFF]/u.test(text)) throw new YamlProblem('control characters are not allowed')
    this.#cursor = new Cursor(text)
  }

  /** The next token, left where it is. Throws YamlProblem. */
  peek(): Token {
    while (this.#tokens.length === 0 || this.#firstMayBeKey()) this.#fetch()
    return this.#tokens[0]!
  }

  take(): Token {
    const token = this.peek()
    this.#tokens.shift()
    this.#taken++
    return token
  }

  #firstMayBeKey(): boolean {
    for (let level = this.#keys.length - 1; level >= 0; level--)
      if (this.#keys[level]?.number === this.#taken) return this.#isStillKey(level)
    return false
  }

  /** A key ends with its line, and is not too long. */
  #isStillKey(level: number): boolean {
    const key = this.#keys[level]
    if (key === undefined) return false
    const { line, index } = this.#cursor
    if (key.mark.line >= line && key.mark.index + longestKey >= index) return true
    this.#dropKey(level)
    return false
  }

  #dropKey(level = this.#keys.length - 1): void {
    const key = this.#keys[level]
    if (key?.required) throw scannerProblem("could not find expected ':'", this.#cursor.mark(), key.mark)
    this.#keys[level] = undefined
  }

  #saveKey(): void {
    if (!this.#keyAllowed) return
    this.#dropKey()
    const mark = this.#cursor.mark()
    const required = !this.#inFlow && this.#indent === mark.column
    this.#keys[this.#keys.length - 1] = { number: this.#taken + this.#tokens.length, required, mark }
  }

  get #inFlow(): boolean {
    return this.#keys.length > 1
  }

  #fetch(): void {
    const cursor = this.#cursor
    this.#skipToToken()
    this.#unroll(cursor.column)
    const fetch = this.#atLineStart() ?? this.#fetcherOf(String.fromCharCode(cursor.peek()), cursor.peek(1))
    if (fetch === undefined)
      throw scannerProblem('found character that cannot start any token', cursor.mark(), cursor.mark())
    fetch()
  }

  /** What only the end of the text or the start of a line can hold. */
  #atLineStart(): (() => void) | undefined {
    if (this.#cursor.peek() === end) return () => this.#fetchEnd()
    if (this.#cursor.column === 0 && this.#cursor.is('%')) return () => this.#fetchDirective()
    return this.#cursor.atDocumentIndicator() ? () => this.#fetchDocumentIndicator() : undefined
  }

  #fetcherOf(character: string, next: number): (() => void) | undefined {
    switch (character) {
      case '[':
      case '{':
        return () => this.#fetchFlowStart(character)
      case ']':
      case '}':
        return () => this.#fetchFlowEnd(character)
      case ',':
        return () => this.#fetchSeparator()
      case '-':
        if (isBlankOrEnd(next)) return () => this.#fetchEntry()
        break
      case '?':
        if (this.#inFlow || isBlankOrEnd(next)) return () => this.#fetchKey()
        break
      case ':':
        if (this.#inFlow || isBlankOrEnd(next)) return () => this.#fetchValue()
        break
      case '*':
        return () => this.#fetchAnchor('alias')
      case '&':
        return () => this.#fetchAnchor('anchor')
      case '!':
        return () => this.#fetchTag()
      case '|':
      case '>':
        if (!this.#inFlow) return () => this.#fetchBlockScalar()
        break
      case "'":
      case '"':
        return () => this.#fetchQuoted()
    }
    return this.#startsPlain(character, next) ? () => this.#fetchPlain() : undefined
  }

  #startsPlain(character: string, next: number): boolean {
    if (character === '-') return !isBlank(next)
    if (character === '?' || character === ':') return !this.#inFlow && !isBlankOrEnd(next)
    return !isBlankOrEnd(character.charCodeAt(0)) && !/[,[\]{}#&*!|>'"%@`]/.test(character)
  }

  #simple(type: TokenType): void {
    const mark = this.#cursor.mark()
    this.#cursor.skip()
    this.#tokens.push({ type, mark })
  }

  /** White space, comments and line breaks; a new line may start a key. */
  #skipToToken(): void {
    const cursor = this.#cursor
    for (;;) {
      if (cursor.column === 0 && cursor.peek() === 0xfeff) cursor.skip()
      while (cursor.is(' ') || ((this.#inFlow || !this.#keyAllowed) && cursor.is('\t'))) cursor.skip()
      cursor.skipComment()
      if (cursor.readBreak() === '') return
      if (!this.#inFlow) this.#keyAllowed = true
    }
  }

  /** Opens a block collection where the indentation grows; `at` puts its start before tokens that wait already. */
  #roll(column: number, type: TokenType, mark: Mark, at = this.#tokens.length): void {
    if (this.#inFlow || this.#indent >= column) return
    this.#indents.push(this.#indent)
    this.#indent = column
    if (this.#indents.length > deepest)
      throw scannerProblem(`exceeded max depth of ${deepest}`, this.#cursor.mark(), mark)
    this.#tokens.splice(at, 0, { type, mark })
  }

  /** Closes block collections that are indented deeper than `column`. */
  #unroll(column: number): void {
    if (this.#inFlow) return
    while (this.#indent > column) {
      this.#tokens.push({ type: 'block end', mark: this.#cursor.mark() })
      this.#indent = this.#indents.pop()!
    }
  }

  #fetchEnd(): void {
    if (this.#ended) throw new YamlProblem('attempted to go past the end of stream; corrupted value?')
    this.#ended = true
    this.#cursor.closeLastLine()
    this.#unroll(-1)
    this.#dropKey()
    this.#keyAllowed = false
    this.#tokens.push({ type: 'stream end', mark: this.#cursor.mark() })
  }

  #fetchDirective(): void {
    this.#unroll(-1)
    this.#dropKey()
    this.#keyAllowed = false
    this.#tokens.push(scanDirective(this.#cursor))
  }

  #fetchDocumentIndicator(): void {
    this.#unroll(-1)
    this.#dropKey()
    this.#keyAllowed = false
    const mark = this.#cursor.mark()
    const type = this.#cursor.is('-') ? 'document start' : 'document end'
    for (let at = 0; at < 3; at++) this.#cursor.skip()
    this.#tokens.push({ type, mark })
  }

  #fetchFlowStart(type: '[' | '{'): void {
    this.#saveKey()
    this.#keys.push(undefined)
    const mark = this.#cursor.mark()
    if (this.#keys.length - 1 > deepest) throw scannerProblem(`exceeded max depth of ${deepest}`, mark, mark)
    this.#keyAllowed = true
    this.#simple(type)
  }

  #fetchFlowEnd(type: ']' | '}'): void {
    this.#dropKey()
    if (this.#inFlow) this.#keys.pop()
    this.#keyAllowed = false
    this.#simple(type)
  }

  #fetchSeparator(): void {
    this.#dropKey()
    this.#keyAllowed = true
    this.#simple(',')
  }

  #fetchTag(): void {
    this.#saveKey()
    this.#keyAllowed = false
    this.#tokens.push(scanTag(this.#cursor))
  }

  #fetchEntry(): void {
    const mark = this.#cursor.mark()
    if (!this.#inFlow) {
      if (!this.#keyAllowed) throw scannerProblem('block sequence entries are not allowed in this context', mark, mark)
      this.#roll(mark.column, 'block sequence start', mark)
    }
    this.#dropKey()
    this.#keyAllowed = true
    this.#simple('-')
  }

  #fetchKey(): void {
    const mark = this.#cursor.mark()
    if (!this.#inFlow) {
      if (!this.#keyAllowed) throw scannerProblem('mapping keys are not allowed in this context', mark, mark)
      this.#roll(mark.column, 'block mapping start', mark)
    }
    this.#dropKey()
    this.#keyAllowed = !this.#inFlow
    this.#simple('?')
  }

  #fetchValue(): void {
    const mark = this.#cursor.mark()
    const level = this.#keys.length - 1
    const key = this.#isStillKey(level) ? this.#keys[level] : undefined
    if (key !== undefined) {
      const at = key.number - this.#taken
      this.#tokens.splice(at, 0, { type: '?', mark: key.mark })
      this.#roll(key.mark.column, 'block mapping start', key.mark, at)
      this.#keys[level] = undefined
      this.#keyAllowed = false
    } else {
      if (!this.#inFlow) {
        if (!this.#keyAllowed) throw scannerProblem('mapping values are not allowed in this context', mark, mark)
        this.#roll(mark.column, 'block mapping start', mark)
      }
      this.#keyAllowed = !this.#inFlow
    }
    this.#simple(':')
  }

  #fetchAnchor(type: 'anchor' | 'alias'): void {
    this.#saveKey()
    this.#keyAllowed = false
    const mark = this.#cursor.mark()
    this.#cursor.skip()
    const value = this.#cursor.readUntil(code => !isAlpha(code))
    const code = this.#cursor.peek()
    if (value === '' || !(isBlankOrEnd(code) || '?:,]}%@`'.includes(String.fromCharCode(code))))
      throw scannerProblem('did not find expected alphabetic or numeric character', this.#cursor.mark(), mark)
    this.#tokens.push({ type, mark, value })
  }

  #fetchBlockScalar(): void {
    this.#dropKey()
    this.#keyAllowed = true
    const mark = this.#cursor.mark()
    this.#tokens.push({ type: 'scalar', mark, value: scanBlockScalar(this.#cursor, this.#indent) })
  }

  #fetchQuoted(): void {
    this.#saveKey()
    this.#keyAllowed = false
    const mark = this.#cursor.mark()
    this.#tokens.push({ type: 'scalar', mark, value: scanQuoted(this.#cursor) })
  }

  #fetchPlain(): void {
    this.#saveKey()
    this.#keyAllowed = false
    const mark = this.#cursor.mark()
    const { value, endsLine } = this.#scanPlain()
    this.#tokens.push({ type: 'scalar', mark, value, plain: true })
    if (endsLine) this.#keyAllowed = true
  }

  /** Words and what is between them, up to what cannot be part of a plain scalar. */
  #scanPlain(): { value: string; endsLine: boolean } {
    const cursor = this.#cursor
    const start = cursor.mark()
    const indent = this.#indent + 1
    const inFlow = this.#inFlow
    const stops = (code: number, next: number) =>
      isBlankOrEnd(code) ||
      (code === 0x3a && isBlankOrEnd(next)) ||
      (inFlow && (code === 0x2c || code === 0x3f || code === 0x5b || code === 0x5d || code === 0x7b || code === 0x7d))
    const check = () => {
      if (cursor.column < indent && cursor.is('\t'))
        throw scannerProblem('found a tab character that violates indentation', cursor.mark(), start)
    }
    let value = ''
    let space = { blanks: '', broken: false, first: '', further: '' }
    for (;;) {
      if (cursor.atDocumentIndicator() || cursor.is('#')) break
      const word = cursor.readUntil(stops)
      if (word !== '') {
        value += (space.broken ? foldBreaks(space) : space.blanks) + word
        space = { blanks: '', broken: false, first: '', further: '' }
      }
      const code = cursor.peek()
      if (!isBlank(code) && (isBreakOrEnd(code) ? code === end : true)) break
      space = scanSpace(cursor, false, check)
      if (!inFlow && cursor.column < indent) break
    }
    return { value, endsLine: space.broken }
  }
}
