/** A place in a YAML text, and the mistakes reported there. */

export interface Mark {
  /** Both from 0. */
  readonly line: number
  readonly column: number
  /** Characters before it. */
  readonly index: number
}

/** A mistake, in the words and with the line number of go-yaml: "yaml: line 2: mapping values are not allowed in this context". */
export class YamlSyntaxError extends Error {
  constructor(message: string) {
    super(`yaml: ${message}`)
    this.name = 'YamlSyntaxError'
  }
}

/** Characters by their role in YAML; the empty string stands for the end. */
export const isBreak = (char: string): boolean =>
  char === '\n' || char === '\r' || char === '\x85' || char === '\u2028' || char === '\u2029'
export const isEnd = (char: string): boolean => char === '' || char === '\0'
export const isBlank = (char: string): boolean => char === ' ' || char === '\t'
export const isBreakOrEnd = (char: string): boolean => isEnd(char) || isBreak(char)
export const isBlankOrEnd = (char: string): boolean => isBlank(char) || isBreakOrEnd(char)
export const isWord = (char: string): boolean => /^[0-9A-Za-z_-]$/.test(char)

export class Cursor {
  readonly #text: string
  #at = 0
  #index = 0
  line = 0
  column = 0

  constructor(text: string) {
    this.#text = text.startsWith('\ufeff') ? text.slice(1) : text
    checkCharacters(this.#text)
  }

  /** The character (UTF-16 unit) some way ahead. */
  peek(ahead = 0): string {
    return this.#text[this.#at + ahead] ?? ''
  }

  startsWith(text: string): boolean {
    return this.#text.startsWith(text, this.#at)
  }

  mark(): Mark {
    return { line: this.line, column: this.column, index: this.#index }
  }

  /** Takes one character that is no line break. */
  take(): string {
    const char = this.peek()
    this.#at++
    // The second half of a character beyond the basic plane counts nothing.
    if (!/[\udc00-\udfff]/.test(char)) {
      this.#index++
      this.column++
    }
    return char
  }

  skip(count = 1): void {
    for (let index = 0; index < count; index++) this.take()
  }

  /** Takes a line break, as the line feed it counts for; nothing when there is none. */
  takeBreak(): string {
    const char = this.peek()
    if (!isBreak(char)) return ''
    const width = char === '\r' && this.peek(1) === '\n' ? 2 : 1
    this.#at += width
    this.#index += width
    this.column = 0
    this.line++
    return char === '\u2028' || char === '\u2029' ? char : '\n'
  }

  /** "---" or "..." on a line of its own. */
  atDocumentIndicator(): boolean {
    return this.column === 0 && (this.startsWith('---') || this.startsWith('...')) && isBlankOrEnd(this.peek(3))
  }

  /** A mistake found while splitting into tokens. */
  fail(problem: string, context: Mark): never {
    if (this.line !== 0) throw new YamlSyntaxError(`line ${this.line + 1}: ${problem}`)
    throw new YamlSyntaxError(context.line !== 0 ? `line ${context.line}: ${problem}` : problem)
  }
}

function checkCharacters(text: string): void {
  if (/[\udc80-\udcff]/.test(text) && !text.isWellFormed()) throw new YamlSyntaxError('invalid leading UTF-8 octet')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the forbidden ones
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/.test(text))
    throw new YamlSyntaxError('control characters are not allowed')
}
