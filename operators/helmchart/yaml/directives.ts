/** Directives and tags. */
import {
  type Cursor,
  isAlpha,
  isBlank,
  isBlankOrEnd,
  isBreakOrEnd,
  isDigit,
  type Mark,
  scannerProblem,
} from './cursor.ts'
import type { Token } from './scanner.ts'

/** Reads the directive at the cursor, and its line. */
export function scanDirective(cursor: Cursor): Token {
  const mark = cursor.mark()
  cursor.skip()
  const name = cursor.readUntil(code => !isAlpha(code))
  if (name === '') throw scannerProblem('could not find expected directive name', cursor.mark(), mark)
  if (!isBlankOrEnd(cursor.peek()))
    throw scannerProblem('found unexpected non-alphabetical character', cursor.mark(), mark)
  if (name !== 'YAML' && name !== 'TAG') throw scannerProblem('found unknown directive name', cursor.mark(), mark)
  const token = name === 'YAML' ? scanVersion(cursor, mark) : scanTagDirective(cursor, mark)
  cursor.skipBlanks()
  cursor.skipComment()
  if (!isBreakOrEnd(cursor.peek()))
    throw scannerProblem('did not find expected comment or line break', cursor.mark(), mark)
  cursor.readBreak()
  return token
}

function scanVersion(cursor: Cursor, mark: Mark): Token {
  cursor.skipBlanks()
  const major = scanNumber(cursor, mark)
  if (!cursor.is('.')) throw scannerProblem("did not find expected digit or '.' character", cursor.mark(), mark)
  cursor.skip()
  return { type: 'version directive', mark, value: `${major}.${scanNumber(cursor, mark)}` }
}

function scanNumber(cursor: Cursor, mark: Mark): number {
  const digits = cursor.readUntil(code => !isDigit(code))
  if (digits.length > 2) throw scannerProblem('found extremely long version number', cursor.mark(), mark)
  if (digits === '') throw scannerProblem('did not find expected version number', cursor.mark(), mark)
  return Number(digits)
}

function scanTagDirective(cursor: Cursor, mark: Mark): Token {
  cursor.skipBlanks()
  const value = scanHandle(cursor, true, mark)
  if (!isBlank(cursor.peek())) throw scannerProblem('did not find expected whitespace', cursor.mark(), mark)
  cursor.skipBlanks()
  const suffix = scanUri(cursor, '', mark)
  if (!isBlankOrEnd(cursor.peek()))
    throw scannerProblem('did not find expected whitespace or line break', cursor.mark(), mark)
  return { type: 'tag directive', mark, value, suffix }
}

/** Reads `!<uri>`, `!!str`, `!handle!suffix`, `!suffix` or `!`. */
export function scanTag(cursor: Cursor): Token {
  const mark = cursor.mark()
  const { value, suffix } = cursor.peek(1) === 0x3c ? scanVerbatim(cursor, mark) : scanShort(cursor, mark)
  if (!isBlankOrEnd(cursor.peek()))
    throw scannerProblem('did not find expected whitespace or line break', cursor.mark(), mark)
  return { type: 'tag', mark, value, suffix }
}

interface TagText {
  readonly value: string
  readonly suffix: string
}

function scanVerbatim(cursor: Cursor, mark: Mark): TagText {
  cursor.skip()
  cursor.skip()
  const suffix = scanUri(cursor, '', mark)
  if (!cursor.is('>')) throw scannerProblem("did not find the expected '>'", cursor.mark(), mark)
  cursor.skip()
  return { value: '', suffix }
}

function scanShort(cursor: Cursor, mark: Mark): TagText {
  const handle = scanHandle(cursor, false, mark)
  if (handle.length > 1 && handle.endsWith('!')) return { value: handle, suffix: scanUri(cursor, '', mark) }
  const suffix = scanUri(cursor, handle, mark)
  return suffix === '' ? { value: '', suffix: '!' } : { value: '!', suffix }
}

function scanHandle(cursor: Cursor, isDirective: boolean, mark: Mark): string {
  if (!cursor.is('!')) throw scannerProblem("did not find expected '!'", cursor.mark(), mark)
  const handle = cursor.read() + cursor.readUntil(code => !isAlpha(code))
  if (cursor.is('!')) return handle + cursor.read()
  if (isDirective && handle !== '!') throw scannerProblem("did not find expected '!'", cursor.mark(), mark)
  return handle
}

/** What follows a handle; `head` is a handle that turned out to be the start of the suffix. */
function scanUri(cursor: Cursor, head: string, mark: Mark): string {
  const isUri = (code: number) => isAlpha(code) || ";/?:@&=+$,.!~*'()[]%".includes(String.fromCharCode(code))
  const text = cursor.readUntil(code => code < 0 || !isUri(code))
  if (head === '' && text === '') throw scannerProblem('did not find expected tag URI', cursor.mark(), mark)
  try {
    return head.slice(1) + decodeURIComponent(text)
  } catch {
    throw scannerProblem('did not find URI escaped octet', cursor.mark(), mark)
  }
}
