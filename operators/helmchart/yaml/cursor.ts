/** A place in a YAML text, and the classes of characters that YAML 1.1 knows. Columns count characters, not bytes. */

export interface Mark {
  /** 0-based. */
  readonly line: number
  readonly column: number
  /** Characters since the start. */
  readonly index: number
}

/**
 * A mistake in the text; the message is the one of Go's yaml.v2, without its prefix "yaml: ". Scanner and parser count lines
 * differently there: a mistake in the very first line has none.
 */
export class YamlProblem extends Error {
  constructor(problem: string, line = 0) {
    super(line === 0 ? problem : `line ${line}: ${problem}`)
    this.name = 'YamlProblem'
  }
}

export function scannerProblem(problem: string, at: Mark, context: Mark): YamlProblem {
  return new YamlProblem(problem, at.line > 0 ? at.line + 1 : context.line)
}

export function parserProblem(problem: string, at: Mark, context?: Mark): YamlProblem {
  return new YamlProblem(problem, at.line > 0 ? at.line : (context?.line ?? 0))
}

/** The end of the text reads as this. */
export const end = -1

const tab = 9
const lineFeed = 10
const carriageReturn = 13
const space = 32
const nextLine = 0x85
const lineSeparator = 0x2028
const paragraphSeparator = 0x2029

export const isBlank = (code: number): boolean => code === space || code === tab
export const isBreak = (code: number): boolean =>
  code === lineFeed ||
  code === carriageReturn ||
  code === nextLine ||
  code === lineSeparator ||
  code === paragraphSeparator
export const isBreakOrEnd = (code: number): boolean => code === end || isBreak(code)
export const isBlankOrEnd = (code: number): boolean => isBlank(code) || isBreakOrEnd(code)
export const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39
export const isAlpha = (code: number): boolean =>
  isDigit(code) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || code === 0x5f || code === 0x2d

export class Cursor {
  readonly #text: string
  #at = 0
  line = 0
  column = 0
  index = 0

  constructor(text: string) {
    // A byte order mark at the start takes no column.
    this.#text = text.startsWith('\ufeff') ? text.slice(1) : text
  }

  mark(): Mark {
    return { line: this.line, column: this.column, index: this.index }
  }

  /** The UTF-16 unit `ahead` of here; `end` behind the text. */
  peek(ahead = 0): number {
    return this.#codeAt(this.#at + ahead)
  }

  is(character: string): boolean {
    return this.#text.charCodeAt(this.#at) === character.charCodeAt(0)
  }

  /** Passes one character that is no line break. */
  skip(): void {
    const code = this.peek()
    this.#at += code >= 0xd800 && code < 0xdc00 ? 2 : 1
    this.column++
    this.index++
  }

  read(): string {
    const from = this.#at
    this.skip()
    return this.#text.slice(from, this.#at)
  }

  /** Reads up to the first character for which `stops` holds; it is told the one behind, too. */
  readUntil(stops: (code: number, next: number) => boolean): string {
    const from = this.#at
    let at = from
    let low = 0
    for (let code = this.#codeAt(at); ; at++) {
      const next = this.#codeAt(at + 1)
      if (stops(code, next)) break
      if (code >= 0xdc00 && code < 0xe000) low++
      code = next
    }
    this.#at = at
    this.column += at - from - low
    this.index += at - from - low
    return this.#text.slice(from, at)
  }

  #codeAt(at: number): number {
    return at < this.#text.length ? this.#text.charCodeAt(at) : end
  }

  skipBlanks(): void {
    while (isBlank(this.peek())) this.skip()
  }

  skipComment(): void {
    if (this.is('#')) this.readUntil(isBreakOrEnd)
  }

  /** Passes a line break, if there is one; returns it as the text has it: "\n" but for Unicode's own separators. */
  readBreak(): string {
    const code = this.peek()
    if (!isBreak(code)) return ''
    const length = code === carriageReturn && this.peek(1) === lineFeed ? 2 : 1
    this.#at += length
    this.index += length
    this.column = 0
    this.line++
    return code === lineSeparator || code === paragraphSeparator ? String.fromCharCode(code) : '\n'
  }

  /** Whether "---" or "..." stands here, at the start of a line. */
  atDocumentIndicator(): boolean {
    if (this.column !== 0) return false
    const code = this.peek()
    if (code !== 0x2d && code !== 0x2e) return false
    return this.peek(1) === code && this.peek(2) === code && isBlankOrEnd(this.peek(3))
  }

  /** The end of the text counts as the start of a line of its own. */
  closeLastLine(): void {
    if (this.column === 0) return
    this.column = 0
    this.line++
  }
}
