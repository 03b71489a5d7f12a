/** Block scalars: `|` keeps its lines, `>` folds them. */
import { type Cursor, end, isBlank, isBreak, isBreakOrEnd, isDigit, type Mark, scannerProblem } from './cursor.ts'

type Chomping = 'strip' | 'clip' | 'keep'

/** Reads the scalar whose indicator stands at the cursor; `parentIndent` is -1 at the top. */
export function scanBlockScalar(cursor: Cursor, parentIndent: number): string {
  const start = cursor.mark()
  const folds = cursor.read() === '>'
  const { chomping, increment } = scanHeader(cursor, start)
  const given = increment > 0 ? Math.max(parentIndent, 0) + increment : 0
  const breaks = scanBreaks(cursor, given, parentIndent, start)
  const { indent } = breaks
  let text = ''
  let lastBreak = ''
  let trailing = breaks.text
  let lastWasBlank = false
  while (cursor.column === indent && cursor.peek() !== end) {
    const isIndented = isBlank(cursor.peek())
    const joins = folds && !lastWasBlank && !isIndented && lastBreak === '\n'
    text += joins ? (trailing === '' ? ' ' : '') : lastBreak
    text += trailing + cursor.readUntil(isBreakOrEnd)
    lastWasBlank = isIndented
    lastBreak = cursor.readBreak()
    trailing = scanBreaks(cursor, indent, parentIndent, start).text
  }
  if (chomping !== 'strip') text += lastBreak
  return chomping === 'keep' ? text + trailing : text
}

function scanHeader(cursor: Cursor, start: Mark): { chomping: Chomping; increment: number } {
  let chomping: Chomping = 'clip'
  let increment = 0
  for (let part = 0; part < 2; part++) {
    if (chomping === 'clip' && (cursor.is('+') || cursor.is('-'))) chomping = cursor.read() === '+' ? 'keep' : 'strip'
    else if (increment === 0 && isDigit(cursor.peek())) {
      if (cursor.is('0')) throw scannerProblem('found an indentation indicator equal to 0', cursor.mark(), start)
      increment = Number(cursor.read())
    }
  }
  cursor.skipBlanks()
  cursor.skipComment()
  if (!isBreakOrEnd(cursor.peek()))
    throw scannerProblem('did not find expected comment or line break', cursor.mark(), start)
  cursor.readBreak()
  return { chomping, increment }
}

/** Empty lines, and the indentation of the next one; 0 means that it is still to be found out. */
function scanBreaks(
  cursor: Cursor,
  known: number,
  parentIndent: number,
  start: Mark,
): { text: string; indent: number } {
  let text = ''
  let deepest = 0
  for (;;) {
    while ((known === 0 || cursor.column < known) && cursor.is(' ')) cursor.skip()
    deepest = Math.max(deepest, cursor.column)
    if ((known === 0 || cursor.column < known) && cursor.is('\t'))
      throw scannerProblem('found a tab character where an indentation space is expected', cursor.mark(), start)
    if (!isBreak(cursor.peek())) break
    text += cursor.readBreak()
  }
  return { text, indent: known === 0 ? Math.max(deepest, parentIndent + 1, 1) : known }
}
