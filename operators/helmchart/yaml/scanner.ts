/** Splits a YAML text into tokens, by libyaml's rules for simple keys and indentation. */
import { Cursor, isBlankOrEnd, isBreak, isBreakOrEnd, isEnd, isWord, type Mark } from './cursor.ts'
import { scanBlock, scanPlain, scanQuoted } from './scan-scalars.ts'

export type TokenKind =
  | 'stream end'
  | 'directive'
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
  | 'key'
  | 'value'
  | 'alias'
  | 'anchor'
  | 'tag'
  | 'scalar'

export interface Token {
  readonly kind: TokenKind
  readonly start: Mark
  /** The text of scalars, names of anchors, the suffix of a tag. */
  readonly value: string
  /** The handle of a tag. */
  readonly handle?: string
  /** A scalar without quotes. */
  readonly plain?: boolean
}

/** Where a key without "?" may have begun. */
interface SimpleKey {
  possible: boolean
  readonly required: boolean
  readonly token: number
  readonly mark: Mark
}

const maxDepth = 10_000
const noKey = (mark: Mark, token: number): SimpleKey => ({ possible: false, required: false, token, mark })

export class Scanner {
  readonly #cursor: Cursor
  readonly #queue: Token[] = []
  #taken = 0
  #indent = -1
  readonly #indents: number[] = []
  readonly #keys: SimpleKey[]
  /** The keys a token may start. An empty collection forgets its own, as upstream: `{}: x` ends after the `{}`. */
  readonly #keysByToken = new Map<number, SimpleKey>()
  #keyAllowed = true
  #flow = 0
  #ended = false

  constructor(text: string) {
    this.#cursor = new Cursor(text)
    this.#keys = [noKey(this.#cursor.mark(), 0)]
  }

  peek(): Token {
    while (this.#needsMore()) this.#fetch()
    return this.#queue[0]!
  }

  next(): Token {
    const token = this.peek()
    if (token.kind !== 'stream end') {
      this.#queue.shift()
      this.#taken++
    }
    return token
  }

  /** The first token of the queue may yet turn out to be the start of a key. */
  #needsMore(): boolean {
    if (this.#queue.length === 0) return true
    const key = this.#keysByToken.get(this.#taken)
    return key !== undefined && this.#isValid(key) && !this.#ended
  }

  #isValid(key: SimpleKey): boolean {
    if (!key.possible) return false
    const here = this.#cursor.mark()
    if (key.mark.line >= here.line && key.mark.index + 1024 >= here.index) return true
    if (key.required) this.#cursor.fail("could not find expected ':'", key.mark)
    key.possible = false
    return false
  }

  #saveKey(): void {
    if (!this.#keyAllowed) return
    const mark = this.#cursor.mark()
    const required = this.#flow === 0 && this.#indent === this.#cursor.column
    this.#removeKey()
    const key = { possible: true, required, token: this.#taken + this.#queue.length, mark }
    this.#keys[this.#keys.length - 1] = key
    this.#keysByToken.set(key.token, key)
  }

  #removeKey(): void {
    const key = this.#keys.at(-1)!
    if (!key.possible) return
    if (key.required) this.#cursor.fail("could not find expected ':'", key.mark)
    key.possible = false
    this.#keysByToken.delete(key.token)
  }

  #push(kind: TokenKind, start: Mark, value = '', more: { handle?: string; plain?: boolean } = {}): void {
    this.#queue.push({ kind, start, value, ...more })
  }

  #roll(column: number, kind: TokenKind, mark: Mark, at = this.#queue.length): void {
    if (this.#flow > 0 || this.#indent >= column) return
    this.#indents.push(this.#indent)
    this.#indent = column
    if (this.#indents.length > maxDepth) this.#cursor.fail(`exceeded max depth of ${maxDepth}`, mark)
    this.#insert(at, { kind, start: mark, value: '' })
  }

  #insert(at: number, token: Token): void {
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, token)
  }

  #unroll(column: number): void {
    if (this.#flow > 0) return
    while (this.#indent > column) {
      this.#push('block end', this.#cursor.mark())
      this.#indent = this.#indents.pop()!
    }
  }

  #fetch(): void {
    this.#toNextToken()
    this.#unroll(this.#cursor.column)
    this.#handler(this.#cursor.peek())()
  }

  /** What a token that starts with this character is read by. */
  #handler(char: string): () => void {
    const cursor = this.#cursor
    if (isEnd(char)) return () => this.#streamEnd()
    if (cursor.column === 0 && char === '%') return () => this.#directive()
    if (cursor.atDocumentIndicator()) return () => this.#documentIndicator()
    const blankFollows = isBlankOrEnd(cursor.peek(1))
    const inFlow = this.#flow > 0
    if (char === '[' || char === '{') return () => this.#flowStart(char)
    if (char === ']' || char === '}') return () => this.#flowEnd(char)
    if (char === ',') return () => this.#flowEntry()
    if (char === '-' && blankFollows) return () => this.#blockEntry()
    if (char === '?' && (inFlow || blankFollows)) return () => this.#key()
    if (char === ':' && (inFlow || blankFollows)) return () => this.#value()
    if (char === '*' || char === '&') return () => this.#anchor(char === '*' ? 'alias' : 'anchor')
    if (char === '!') return () => this.#tag()
    if ((char === '|' || char === '>') && !inFlow) return () => this.#block()
    if (char === "'" || char === '"') return () => this.#quoted()
    if (/^[#|>%@`]$/.test(char) || isBlankOrEnd(char))
      cursor.fail('found character that cannot start any token', cursor.mark())
    return () => this.#plain()
  }

  #toNextToken(): void {
    const cursor = this.#cursor
    for (;;) {
      if (cursor.column === 0 && cursor.peek() === '\ufeff') cursor.take()
      while (cursor.peek() === ' ' || ((this.#flow > 0 || !this.#keyAllowed) && cursor.peek() === '\t')) cursor.take()
      if (cursor.peek() === '#') while (!isBreakOrEnd(cursor.peek())) cursor.take()
      if (!isBreak(cursor.peek())) return
      cursor.takeBreak()
      if (this.#flow === 0) this.#keyAllowed = true
    }
  }

  #streamEnd(): void {
    const cursor = this.#cursor
    if (cursor.column !== 0) {
      cursor.column = 0
      cursor.line++
    }
    this.#unroll(-1)
    this.#removeKey()
    this.#keyAllowed = false
    this.#push('stream end', cursor.mark())
    this.#ended = true
  }

  #documentIndicator(): void {
    this.#unroll(-1)
    this.#removeKey()
    this.#keyAllowed = false
    const start = this.#cursor.mark()
    const kind = this.#cursor.peek() === '-' ? 'document start' : 'document end'
    this.#cursor.skip(3)
    this.#push(kind, start)
  }

  /** %YAML and %TAG; the value is the line. */
  #directive(): void {
    const cursor = this.#cursor
    this.#unroll(-1)
    this.#removeKey()
    this.#keyAllowed = false
    const start = cursor.mark()
    let line = ''
    while (!isBreakOrEnd(cursor.peek())) line += cursor.take()
    if (/^%(?:[^\w-]|$)/.test(line)) cursor.fail('could not find expected directive name', start)
    if (!/^%[\w-]+(?:[ \t]|$)/.test(line)) cursor.fail('found unexpected non-alphabetical character', start)
    if (!/^%(?:YAML|TAG)(?:[ \t]|$)/.test(line)) cursor.fail('found unknown directive name', start)
    if (/^%YAML[ \t]+(?!\d)/.test(line)) cursor.fail('did not find expected version number', start)
    if (/^%YAML[ \t]+\d+(?!\.|\d)/.test(line)) cursor.fail("did not find expected digit or '.' character", start)
    cursor.takeBreak()
    this.#push('directive', start, line)
  }

  #flowStart(kind: '[' | '{'): void {
    this.#saveKey()
    this.#keys.push(noKey(this.#cursor.mark(), this.#taken + this.#queue.length))
    if (++this.#flow > maxDepth) this.#cursor.fail(`exceeded max depth of ${maxDepth}`, this.#cursor.mark())
    this.#keyAllowed = true
    this.#single(kind)
  }

  #flowEnd(kind: ']' | '}'): void {
    this.#removeKey()
    if (this.#flow > 0) {
      this.#flow--
      this.#keysByToken.delete(this.#keys.pop()!.token)
    }
    this.#keyAllowed = false
    this.#single(kind)
  }

  #flowEntry(): void {
    this.#removeKey()
    this.#keyAllowed = true
    this.#single(',')
  }

  #single(kind: TokenKind): void {
    const start = this.#cursor.mark()
    this.#cursor.take()
    this.#push(kind, start)
  }

  #blockEntry(): void {
    this.#blockStart('block sequence entries are not allowed in this context', 'block sequence start')
    this.#removeKey()
    this.#keyAllowed = true
    this.#single('-')
  }

  #blockStart(refusal: string, kind: TokenKind): void {
    if (this.#flow > 0) return
    const mark = this.#cursor.mark()
    if (!this.#keyAllowed) this.#cursor.fail(refusal, mark)
    this.#roll(mark.column, kind, mark)
  }

  #key(): void {
    this.#blockStart('mapping keys are not allowed in this context', 'block mapping start')
    this.#removeKey()
    this.#keyAllowed = this.#flow === 0
    this.#single('key')
  }

  #value(): void {
    const key = this.#keys.at(-1)!
    if (this.#isValid(key)) {
      const at = key.token - this.#taken
      this.#insert(at, { kind: 'key', start: key.mark, value: '' })
      this.#roll(key.mark.column, 'block mapping start', key.mark, at)
      key.possible = false
      this.#keysByToken.delete(key.token)
      this.#keyAllowed = false
    } else {
      this.#blockStart('mapping values are not allowed in this context', 'block mapping start')
      this.#keyAllowed = this.#flow === 0
    }
    this.#single('value')
  }

  #anchor(kind: 'alias' | 'anchor'): void {
    const cursor = this.#cursor
    this.#saveKey()
    this.#keyAllowed = false
    const start = cursor.mark()
    cursor.take()
    let name = ''
    while (isWord(cursor.peek())) name += cursor.take()
    if (name === '' || !(isBlankOrEnd(cursor.peek()) || '?:,]}%@`'.includes(cursor.peek())))
      cursor.fail('did not find expected alphabetic or numeric character', start)
    this.#push(kind, start, name)
  }

  #tag(): void {
    const cursor = this.#cursor
    this.#saveKey()
    this.#keyAllowed = false
    const start = cursor.mark()
    let text = ''
    const verbatim = cursor.startsWith('!<')
    if (verbatim) cursor.skip(2)
    while (/^[\w\-;/?:@&=+$,.!~*'()[\]%]$/.test(cursor.peek())) text += cursor.take()
    if (verbatim) {
      if (cursor.peek() !== '>') cursor.fail("did not find the expected '>'", start)
      cursor.take()
    }
    if (!isBlankOrEnd(cursor.peek())) cursor.fail('did not find expected whitespace or line break', start)
    const [, handle = '', suffix = ''] = verbatim ? ['', '', text] : (/^(![\w-]*!|!)(.*)$/.exec(text) ?? [])
    const bare = !verbatim && text === '!'
    this.#push('tag', start, bare ? '!' : unescapeUri(suffix), { handle: bare ? '' : handle })
  }

  #block(): void {
    this.#removeKey()
    this.#keyAllowed = true
    const start = this.#cursor.mark()
    this.#push('scalar', start, scanBlock(this.#cursor, this.#indent))
  }

  #quoted(): void {
    this.#saveKey()
    this.#keyAllowed = false
    const start = this.#cursor.mark()
    this.#push('scalar', start, scanQuoted(this.#cursor))
  }

  #plain(): void {
    this.#saveKey()
    this.#keyAllowed = false
    const start = this.#cursor.mark()
    const { value, lineEnded } = scanPlain(this.#cursor, this.#indent, this.#flow > 0)
    this.#push('scalar', start, value, { plain: true })
    if (lineEnded) this.#keyAllowed = true
  }
}

function unescapeUri(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
