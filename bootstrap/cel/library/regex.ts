/** Regular expressions: matches, and Kubernetes' find and findAll. */
import { CelError } from '../errors.ts'
import { fn, method, type Overload } from '../functions.ts'
import { bool, int, listOf, string } from '../types.ts'

/** Makes Go's expressions usable; undefined for what Go does not accept. */
export type CompilePattern = (text: string) => RegExp | undefined

export function regex(compile: CompilePattern): readonly Overload[] {
  const pattern = (text: string): RegExp => {
    const found = compile(text)
    if (!found) throw new CelError(`error parsing regexp: ${text}`)
    return found
  }
  const all = (text: string, expression: string, limit = -1n): string[] => {
    const { source, flags } = pattern(expression)
    const found = [...text.matchAll(new RegExp(source, flags.includes('g') ? flags : `${flags}g`))].map(
      ([match]) => match,
    )
    return limit < 0n ? found : found.slice(0, Number(limit))
  }
  const matches = (text: string, expression: string) => pattern(expression).test(text)
  return [
    method('matches', [string, string], bool, matches),
    fn('matches', [string, string], bool, matches),
    method(
      'find',
      [string, string],
      string,
      (text: string, expression: string) => pattern(expression).exec(text)?.[0] ?? '',
    ),
    method('findAll', [string, string], listOf(string), all),
    method('findAll', [string, string, int], listOf(string), all),
  ]
}
