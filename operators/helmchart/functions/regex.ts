/** Sprig's regular expressions: RE2's syntax and matching, by re2js. */
import { RE2JS } from 're2js'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { quote } from '../template/quote.ts'
import { typed, types } from '../template/values.ts'

/** What MustCompile panics with carries a prefix; what Compile returns does not. */
function compile(pattern: string, must: boolean): RE2JS {
  const known = cache.get(pattern)
  if (known) return known
  if (!pattern.isWellFormed()) throw invalid(`error parsing regexp: invalid UTF-8: \`${pattern}\``)
  try {
    const compiled = RE2JS.compile(pattern)
    if (cache.size >= 500) cache.clear()
    cache.set(pattern, compiled)
    return compiled
  } catch (error) {
    const message = (error as Error).message.replace(/end of expression$/, 'end of expression: ``')
    throw invalid(message)
  }

  function invalid(message: string): GoError {
    return new GoError(must ? `regexp: Compile(${quotePattern(pattern)}): ${message}` : message)
  }
}

const cache = new Map<string, RE2JS>()

/** Patterns are shown in backquotes where that is possible. */
function quotePattern(pattern: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: backquotes hold no control characters but tab
  return /[\0-\x08\n-\x1f\x7f`\ufeff\udc80-\udcff]/.test(pattern) ? quote(pattern) : `\`${pattern}\``
}

interface Match {
  readonly start: number
  readonly end: number
  readonly group: (name: number | string) => string | undefined
}

/** All matches; an empty one right after another does not count. */
function matchesOf(regex: RE2JS, text: string, limit = -1): Match[] {
  const matches: Match[] = []
  const matcher = regex.matcher(text)
  let from = 0
  let previousEnd = -1
  while (from <= text.length && (limit < 0 || matches.length < limit) && matcher.find(from)) {
    const [start, end] = [matcher.start(), matcher.end()]
    const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, index) => matcher.group(index) ?? undefined)
    if (end > start || start !== previousEnd)
      matches.push({ start, end, group: name => groups[typeof name === 'number' ? name : indexOf(regex, name)] })
    previousEnd = end
    from = end > start ? end : end + (text.codePointAt(end)! > 0xffff ? 2 : 1)
  }
  return matches
}

function indexOf(regex: RE2JS, name: string): number {
  const groups = regex.namedGroups() as { readonly [name: string]: number }
  return Object.hasOwn(groups, name) ? groups[name]! : -1
}

function replace(regex: RE2JS, text: string, replacement: (match: Match) => string): string {
  let out = ''
  let end = 0
  for (const match of matchesOf(regex, text)) {
    out += text.slice(end, match.start) + replacement(match)
    end = match.end
  }
  return out + text.slice(end)
}

/** Expands $1, $name, ${name} and $$; a name is as long as it can be. */
function expand(template: string, match: Match): string {
  return template.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (_, bare?: string, braced?: string) => {
    const name = bare ?? braced
    if (name === undefined) return '$'
    return match.group(/^[0-9]+$/.test(name) ? Number(name) : name) ?? ''
  })
}

function split(regex: RE2JS, text: string, limit: number): string[] {
  if (limit === 0) return orNil([])
  if (regex.pattern() !== '' && text === '') return ['']
  const parts: string[] = []
  let begin = 0
  let end = 0
  for (const match of matchesOf(regex, text, limit)) {
    if (limit > 0 && parts.length === limit - 1) break
    end = match.start
    if (match.end !== 0) parts.push(text.slice(begin, end))
    begin = match.end
  }
  if (end !== text.length) parts.push(text.slice(begin))
  return parts
}

/** Go gives nil where it found nothing. */
function orNil(texts: string[]): string[] {
  return texts.length === 0 ? typed(texts, types.strings, { nil: true }) : texts
}

/** A function and its "must" twin, which differ in how they complain about the pattern. */
function both(name: string, signature: string, call: (regex: RE2JS, ...rest: never[]) => unknown): FunctionTable {
  const of = (must: boolean) =>
    goFunction(signature, (pattern: string, ...rest: never[]) => call(compile(pattern, must), ...rest))
  return { [name]: of(true), [`must${name[0]!.toUpperCase()}${name.slice(1)}`]: of(false) }
}

export const regexFunctions: FunctionTable = {
  ...both('regexMatch', 'string, string -> bool', (regex, text: string) => regex.matcher(text).find()),
  ...both('regexFindAll', 'string, string, int -> strings', (regex, text: string, limit: number) =>
    orNil(matchesOf(regex, text, limit).map(match => text.slice(match.start, match.end))),
  ),
  ...both('regexFind', 'string, string -> string', (regex, text: string) => {
    const [match] = matchesOf(regex, text, 1)
    return match ? text.slice(match.start, match.end) : ''
  }),
  ...both('regexReplaceAll', 'string, string, string -> string', (regex, text: string, template: string) =>
    replace(regex, text, match => expand(template, match)),
  ),
  ...both('regexReplaceAllLiteral', 'string, string, string -> string', (regex, text: string, replacement: string) =>
    replace(regex, text, () => replacement),
  ),
  ...both('regexSplit', 'string, string, int -> strings', split),
  // The only one that takes a bad pattern for one that never matches.
  regexMatch: goFunction('string, string -> bool', (pattern: string, text: string) => {
    try {
      return compile(pattern, false).matcher(text).find()
    } catch (error) {
      if (error instanceof GoError) return false
      throw error
    }
  }),
  regexQuoteMeta: goFunction('string -> string', (text: string) => text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')),
}
