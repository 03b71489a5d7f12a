/** HTTPRoute's matches and their precedence. */
import { escapeRegex } from '../haproxy/quote.ts'
import type { Condition, Match, PathMatch } from '../model/model.ts'
import type { RouteMatch } from './types.ts'

export interface RankedMatch {
  readonly match: Match
  /** The API's precedence as one number: host, path, method, headers, query parameters. */
  readonly rank: number
}

const anyPath: PathMatch = { type: 'segments', value: '/' }

export function rankedMatch(
  host: string | undefined,
  { path, headers = [], queryParams = [], method }: RouteMatch,
): RankedMatch {
  const { type = 'PathPrefix', value = '/' } = path ?? {}
  const literal: PathMatch =
    type === 'Exact' ? { type: 'exact', value } : value === '/' ? anyPath : { type: 'segments', value }
  const conditions: Condition[] = []
  const add = (test: Condition['test']) => void conditions.push({ negated: false, test })
  for (const { type: how, name, value: text } of headers)
    add(
      how === 'RegularExpression'
        ? { type: 'headerRegex', name, pattern: `^(?:${text})$` }
        : { type: 'header', name, value: text },
    )
  for (const { type: how, name, value: text } of queryParams)
    add(
      how === 'RegularExpression'
        ? { type: 'queryRegex', name, pattern: `^(?:${text})$` }
        : { type: 'query', name, value: text },
    )
  if (method !== undefined) add({ type: 'method', value: method })
  const isWildcard = host?.startsWith('*.') === true
  const hostRank = host === undefined ? 0 : (isWildcard ? 300 : 600) + host.length
  const pathRank = type === 'Exact' ? 2000 : Math.min(1024, value.length)
  const rank =
    (((hostRank * 4000 + pathRank) * 2 + (method === undefined ? 0 : 1)) * 32 + Math.min(31, headers.length)) * 32 +
    Math.min(31, queryParams.length) +
    1
  if (conditions.length === 0 && !isWildcard && type !== 'RegularExpression')
    return { match: { type: 'simple', host, path: literal }, rank }
  if (type === 'RegularExpression') add({ type: 'pathRegex', pattern: `^(?:${value})` })
  else if (literal !== anyPath) add({ type: 'path', path: literal })
  // Here a wildcard stands for one or more labels.
  if (isWildcard) add({ type: 'hostRegex', pattern: `^.+${escapeRegex(host!.slice(1).toLowerCase())}$` })
  else if (host !== undefined) add({ type: 'host', value: host })
  return { match: { type: 'conditions', all: conditions }, rank }
}
