/** Quoted scalars. */
import { type Cursor, end, isBlank, isBlankOrEnd, isBreak, scannerProblem } from './cursor.ts'

const simpleEscapes: { readonly [letter: string]: string } = {
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

const codeLengths: { readonly [letter: string]: number } = { x: 2, u: 4, U: 8 }

/** Reads a scalar in the quotes that stand at the cursor. */
export function scanQuoted(cursor: Cursor): string {
  const start = cursor.mark()
  const quote = cursor.read()
  const isStop = (code: number) =>
    isBlankOrEnd(code) || code === quote.charCodeAt(0) || (quote === '"' && code === 0x5c)
  let text = ''
  for (;;) {
    if (cursor.atDocumentIndicator()) throw scannerProblem('found unexpected document indicator', cursor.mark(), start)
    if (cursor.peek() === end) throw scannerProblem('found unexpected end of stream', cursor.mark(), start)
    let escapedBreak = false
    while (!isBlankOrEnd(cursor.peek()) && !escapedBreak) {
      text += cursor.readUntil(isStop)
      if (quote === "'" && cursor.is("'") && cursor.peek(1) === 0x27) {
        cursor.skip()
        text += cursor.read()
      } else if (cursor.is(quote)) break
      else if (cursor.is('\\')) {
        escapedBreak = isBreak(cursor.peek(1))
        text += escapedBreak ? skipEscapedBreak(cursor) : readEscape(cursor, start)
      }
    }
    if (cursor.is(quote)) break
    text += foldSpace(cursor, escapedBreak)
  }
  cursor.skip()
  return text
}

function skipEscapedBreak(cursor: Cursor): string {
  cursor.skip()
  cursor.readBreak()
  return ''
}

function readEscape(cursor: Cursor, start: ReturnType<Cursor['mark']>): string {
  const letter = String.fromCharCode(Math.max(0, cursor.peek(1)))
  const simple = Object.hasOwn(simpleEscapes, letter) ? simpleEscapes[letter] : undefined
  const length = Object.hasOwn(codeLengths, letter) ? codeLengths[letter]! : 0
  if (simple === undefined && length === 0) throw scannerProblem('found unknown escape character', cursor.mark(), start)
  cursor.skip()
  cursor.skip()
  if (simple !== undefined) return simple
  let digits = ''
  for (let at = 0; at < length; at++) digits += String.fromCharCode(Math.max(0, cursor.peek(at)))
  if (!/^[0-9a-fA-F]+$/.test(digits))
    throw scannerProblem('did not find expected hexdecimal number', cursor.mark(), start)
  const code = Number.parseInt(digits, 16)
  if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
    throw scannerProblem('found invalid Unicode character escape code', cursor.mark(), start)
  for (let at = 0; at < length; at++) cursor.skip()
  return String.fromCodePoint(code)
}

/** White space between words: one line break becomes a blank, of more the first is dropped. */
function foldSpace(cursor: Cursor, afterBreak: boolean): string {
  const folded = scanSpace(cursor, afterBreak)
  return folded.broken ? foldBreaks(folded) : folded.blanks
}

export interface Space {
  readonly blanks: string
  readonly broken: boolean
  readonly first: string
  readonly further: string
}

export function foldBreaks({ first, further }: Space): string {
  if (first === '' || first !== '\n') return first + further
  return further === '' ? ' ' : further
}

/** Blanks and breaks from the cursor on; `check` sees each blank behind a break. */
export function scanSpace(cursor: Cursor, afterBreak: boolean, check: () => void = () => undefined): Space {
  let blanks = ''
  let broken = afterBreak
  let first = ''
  let further = ''
  for (let code = cursor.peek(); isBlank(code) || isBreak(code); code = cursor.peek()) {
    if (isBlank(code)) {
      if (broken) {
        check()
        cursor.skip()
      } else blanks += cursor.read()
    } else if (broken) further += cursor.readBreak()
    else {
      first = cursor.readBreak()
      broken = true
    }
  }
  return { blanks, broken, first, further }
}
