/** What can be wrong with an expression, before and while it is evaluated. */

/** The expression cannot be used at all; `at` is an offset into its text. */
export class CelSyntaxError extends Error {
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.name = 'CelSyntaxError'
    this.at = at
  }
}

/** Evaluation failed: no such key, division by zero, overflow, ... */
export class CelError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CelError'
  }
}

export interface Issue {
  readonly at: number
  readonly message: string
}

/** Issues the way cel-go prints them: line and column, the line itself, and a caret below the place. */
export function issueText(text: string, issues: readonly Issue[]): string {
  return issues.map(issue => oneIssue(text, issue)).join('\n')
}

function oneIssue(text: string, { at, message }: Issue): string {
  const before = text.slice(0, at)
  const line = before.split('\n').length
  const column = at - (before.lastIndexOf('\n') + 1)
  const source = text.split('\n')[line - 1] ?? ''
  return `ERROR: <input>:${line}:${column + 1}: ${message}\n | ${source}\n | ${'.'.repeat(column)}^`
}
