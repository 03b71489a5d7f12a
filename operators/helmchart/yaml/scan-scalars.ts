/** The scalars of YAML: plain, quoted and block ones, with their line breaks folded. */
import { type Cursor, isBlank, isBlankOrEnd, isBreak, isBreakOrEnd, isEnd, type Mark } from './cursor.ts'

/** White space between two words of a scalar, as it is folded. */
class Gap {
  #blanks = ''
  #firstBreak = ''
  #breaks = ''
  /** There was a line break. */
  broken = false

  /** Takes all blanks and line breaks; `atBlank` may complain about one. */
  take(cursor: Cursor, atBlank?: () => void): void {
    for (let char = cursor.peek(); isBlank(char) || isBreak(char); char = cursor.peek()) {
      if (isBlank(char)) {
        atBlank?.()
        cursor.take()
        if (!this.broken) this.#blanks += char
      } else if (this.broken) this.#breaks += cursor.takeBreak()
      else this.#break(cursor.takeBreak())
    }
  }

  #break(char: string): void {
    this.#blanks = ''
    this.#firstBreak = char
    this.broken = true
  }

  /** An escaped line break leaves nothing. */
  escapeBreak(): void {
    this.broken = true
  }

  folded(): string {
    if (!this.broken) return this.#blanks
    if (this.#firstBreak === '\n') return this.#breaks === '' ? ' ' : this.#breaks
    return this.#firstBreak + this.#breaks
  }
}

/** A plain scalar; says whether a line break follows, after which a key may come. */
export function scanPlain(
  cursor: Cursor,
  parentIndent: number,
  inFlow: boolean,
): { value: string; lineEnded: boolean } {
  const start = cursor.mark()
  const indent = parentIndent + 1
  let value = ''
  let gap = new Gap()
  for (;;) {
    if (cursor.atDocumentIndicator() || cursor.peek() === '#') break
    while (!isBlankOrEnd(cursor.peek()) && !endsPlain(cursor, inFlow)) {
      value += gap.folded()
      gap = new Gap()
      value += cursor.take()
    }
    if (!isBlank(cursor.peek()) && !isBreak(cursor.peek())) break
    gap = new Gap()
    const taken = gap
    taken.take(cursor, () => {
      if (taken.broken && cursor.column < indent && cursor.peek() === '\t')
        cursor.fail('found a tab character that violates indentation', start)
    })
    if (!inFlow && cursor.column < indent) break
  }
  return { value, lineEnded: gap.broken }
}

function endsPlain(cursor: Cursor, inFlow: boolean): boolean {
  const char = cursor.peek()
  if (char === ':' && isBlankOrEnd(cursor.peek(1))) return true
  return inFlow && ',?[]{}'.includes(char)
}

/** A scalar in single or double quotes. */
export function scanQuoted(cursor: Cursor): string {
  const start = cursor.mark()
  const mark = cursor.take()
  let value = ''
  for (;;) {
    if (cursor.atDocumentIndicator()) cursor.fail('found unexpected document indicator', start)
    if (isEnd(cursor.peek())) cursor.fail('found unexpected end of stream', start)
    const gap = new Gap()
    while (!isBlankOrEnd(cursor.peek()) && cursor.peek() !== mark) {
      if (mark === '"' && cursor.peek() === '\\') {
        if (isBreak(cursor.peek(1))) {
          cursor.take()
          cursor.takeBreak()
          gap.escapeBreak()
          break
        }
        value += scanEscape(cursor, start)
      } else value += cursor.take()
    }
    if (cursor.peek() === mark) {
      cursor.take()
      if (mark === '"' || cursor.peek() !== "'") return value
      cursor.take()
      value += "'"
      continue
    }
    gap.take(cursor)
    value += gap.folded()
  }
}

const escapes: { readonly [char: string]: string } = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  t: '\t',
  '\t': '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  e: '\x1b',
  ' ': ' ',
  '"': '"',
  "'": "'",
  '\\': '\\',
  N: '\x85',
  _: '\xa0',
  L: '\u2028',
  P: '\u2029',
}

function scanEscape(cursor: Cursor, start: Mark): string {
  const kind = cursor.peek(1)
  const width = { x: 2, u: 4, U: 8 }[kind]
  if (width === undefined && escapes[kind] === undefined) cursor.fail('found unknown escape character', start)
  cursor.skip(2)
  if (width === undefined) return escapes[kind]!
  let digits = ''
  for (let index = 0; index < width; index++) digits += cursor.peek(index)
  if (!/^[0-9a-fA-F]+$/.test(digits) || digits.length < width)
    cursor.fail('did not find expected hexdecimal number', start)
  const code = Number.parseInt(digits, 16)
  if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
    cursor.fail('found invalid Unicode character escape code', start)
  cursor.skip(width)
  return String.fromCodePoint(code)
}

/** A literal ("|") or folded (">") block. */
export function scanBlock(cursor: Cursor, parentIndent: number): string {
  const start = cursor.mark()
  const literal = cursor.take() === '|'
  const { chomping, increment } = blockHeader(cursor, start)
  const leading = { indent: increment > 0 ? Math.max(parentIndent, 0) + increment : 0, breaks: '' }
  blockBreaks(cursor, leading, parentIndent, start)
  let value = ''
  let lineBreak = ''
  let leadingBlank = false
  while (cursor.column === leading.indent && !isEnd(cursor.peek())) {
    const blank = isBlank(cursor.peek())
    const folds = !literal && lineBreak.startsWith('\n') && !leadingBlank && !blank
    if (!folds) value += lineBreak
    else if (leading.breaks === '') value += ' '
    value += leading.breaks
    leadingBlank = blank
    while (!isBreakOrEnd(cursor.peek())) value += cursor.take()
    lineBreak = cursor.takeBreak()
    leading.breaks = ''
    blockBreaks(cursor, leading, parentIndent, start)
  }
  if (chomping !== '-') value += lineBreak
  return chomping === '+' ? value + leading.breaks : value
}

function blockHeader(cursor: Cursor, start: Mark): { chomping: string; increment: number } {
  let chomping = ''
  let increment = 0
  const takeChomping = (): void => {
    if (cursor.peek() === '+' || cursor.peek() === '-') chomping = cursor.take()
  }
  const takeIncrement = (): void => {
    if (cursor.peek() === '0') cursor.fail('found an indentation indicator equal to 0', start)
    if (/^[1-9]$/.test(cursor.peek())) increment = Number(cursor.take())
  }
  takeChomping()
  takeIncrement()
  if (chomping === '') takeChomping()
  while (isBlank(cursor.peek())) cursor.take()
  if (cursor.peek() === '#') while (!isBreakOrEnd(cursor.peek())) cursor.take()
  if (!isBreakOrEnd(cursor.peek())) cursor.fail('did not find expected comment or line break', start)
  cursor.takeBreak()
  return { chomping, increment }
}

/** Empty lines before content; finds the indentation of the block when it is not known yet. */
function blockBreaks(
  cursor: Cursor,
  state: { indent: number; breaks: string },
  parentIndent: number,
  start: Mark,
): void {
  let deepest = 0
  const before = (): boolean => state.indent === 0 || cursor.column < state.indent
  for (;;) {
    while (before() && cursor.peek() === ' ') cursor.take()
    deepest = Math.max(deepest, cursor.column)
    if (before() && cursor.peek() === '\t')
      cursor.fail('found a tab character where an indentation space is expected', start)
    if (!isBreak(cursor.peek())) break
    state.breaks += cursor.takeBreak()
  }
  if (state.indent === 0) state.indent = Math.max(deepest, parentIndent + 1, 1)
}
