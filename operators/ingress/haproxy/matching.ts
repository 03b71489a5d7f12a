/** How a frontend finds the route of a request: maps for hosts and paths, then rules that need more than those. */
import { assertNever } from '../../../bootstrap/api/object.ts'
import type { Condition, Match, PathMatch, Router, Test } from '../model/model.ts'
import type { Steps } from '../slices.ts'
import type { Line } from './plane.ts'
import { cidr, headerName, parameterName, Unrenderable, word } from './quote.ts'

export interface EntryPointTables {
  readonly exact: Map<string, string>
  readonly prefix: Map<string, string>
  readonly fallback: Map<string, string>
  /** Rules in the order they are tried. */
  readonly rules: readonly Line[]
}

export interface Routed {
  readonly router: Router
  readonly backend: string
}

/** "backend|priority|rank": a rule only takes a request from the maps when it outranks what they found. */
const mapValue = ({ router, backend }: Routed): string => `${backend}|${router.priority}|${router.rank}`

/** Routers must come oldest first: of two that want the same host and path, the older one gets it. */
export function* tablesOf(
  routed: readonly Routed[],
  conflict: (loser: Router, winner: Router) => void,
): Steps<EntryPointTables> {
  const owners = new Map<string, Router>()
  const tables = {
    exact: new Map<string, string>(),
    prefix: new Map<string, string>(),
    fallback: new Map<string, string>(),
  }
  const put = (table: Map<string, string>, kind: string, key: string, entry: Routed) => {
    const winner = owners.get(kind + key)
    if (winner && winner.priority >= entry.router.priority) {
      if (winner !== entry.router) conflict(entry.router, winner)
      return
    }
    if (winner) conflict(winner, entry.router)
    owners.set(kind + key, entry.router)
    table.set(key, mapValue(entry))
  }
  for (const entry of routed) {
    yield
    for (const match of entry.router.matches) {
      if (match.type === 'default') put(tables.fallback, 'default ', '*', entry)
      if (match.type !== 'simple') continue
      const { path } = match
      if (path.type === 'exact') put(tables.exact, 'exact ', keyOf(match.host, path.value), entry)
      else put(tables.prefix, 'prefix ', keyOf(match.host, prefixKey(path)), entry)
    }
  }
  return { ...tables, rules: rulesOf(routed) }
}

/** "*" is any host, "*.example.com" one more label. */
function keyOf(host: string | undefined, path: string): string {
  // A line break in a map would be another entry.
  if (host !== undefined && !/^(\*\.)?[\w.:[\]-]+$/.test(host))
    throw new Unrenderable(`host ${JSON.stringify(host)} is no host name`)
  if (/[\s\p{Cc}]/u.test(path))
    throw new Unrenderable(`path ${JSON.stringify(path)} contains a space or control character`)
  return `${host === undefined ? '*' : host.toLowerCase()}${path}`
}

/** Paths are looked up with a slash at the end, so that "/a" finds "/a" and "/a/b" but not "/ab". */
const prefixKey = ({ type, value }: PathMatch): string =>
  type === 'segments' && !value.endsWith('/') ? `${value}/` : value

/** Throws Unrenderable when a match cannot be expressed. */
export function checkMatch(match: Match): void {
  if (match.type === 'simple') keyOf(match.host, match.path.value)
  if (match.type === 'conditions') for (const { test } of match.all) criteria(test)
}

/**
 * The lines of a frontend that look a request up, in the order of the Ingress specification. `last`: no rules follow, so
 * that a request whose host is known needs no more of them.
 */
export function lookupLines(entryPoint: string, last: boolean): string[] {
  const map = (key: string, kind: 'exact' | 'prefix') =>
    `http-request set-var(txn.route) var(txn.${key})${kind === 'prefix' ? ',concat(/),map_beg' : ',map_str'}(maps/${entryPoint}.${kind})`
  const open = 'if !{ var(txn.route) -m found }'
  return [
    'http-request set-var-fmt(txn.key) "%[req.hdr(host),host_only,lower]%[path]"',
    map('key', 'exact'),
    `${map('key', 'prefix')} ${open}`,
    ...(last ? ['http-request allow if { var(txn.route) -m found }'] : []),
    `http-request set-var-fmt(txn.key) "*.%[req.hdr(host),host_only,lower,field(2,.,0)]%[path]" ${open}`,
    `${map('key', 'exact')} ${open}`,
    `${map('key', 'prefix')} ${open}`,
    `http-request set-var-fmt(txn.key) "*%[path]" ${open}`,
    `${map('key', 'exact')} ${open}`,
    `${map('key', 'prefix')} ${open}`,
  ]
}

export function fallbackLine(entryPoint: string): string {
  return `http-request set-var(txn.route) str(*),map_str(maps/${entryPoint}.fallback) if !{ var(txn.route) -m found }`
}

interface Rule extends Routed {
  readonly all: readonly Condition[]
}

function rulesOf(routed: readonly Routed[]): Line[] {
  const rules: Rule[] = routed.flatMap(entry =>
    entry.router.matches.flatMap(match => (match.type === 'conditions' ? [{ ...entry, all: match.all }] : [])),
  )
  if (rules.length === 0) return []
  const acls = new Acls()
  const byPriority = rules.filter(rule => rule.router.rank === 0).sort((a, b) => b.router.priority - a.router.priority)
  const byRank = rules.filter(rule => rule.router.rank > 0).sort((a, b) => b.router.rank - a.router.rank)
  const lines = [...byPriority.map(rule => ruleLine(rule, acls, 2)), ...byRank.map(rule => ruleLine(rule, acls, 3))]
  return [...acls.lines, ...lines.flat()]
}

const unbeatable = Number.MAX_SAFE_INTEGER

function ruleLine({ router, backend, all }: Rule, acls: Acls, field: 2 | 3): Line {
  const { owner } = router
  const mine = field === 2 ? router.priority : router.rank
  const conditions = all.map(({ negated, test }) => `${negated ? '!' : ''}${acls.of(test, owner)}`)
  const outranks = `!{ var(txn.route),field(${field},|) -m int ge ${mine} }`
  const value = `${backend}|${router.priority}|${router.rank === 0 ? unbeatable : router.rank}`
  // A rule of equal priority that came first keeps the request.
  return {
    text: `  http-request set-var(txn.route) str(${value}) if ${[...conditions, outranks].join(' ')}`,
    owner,
  }
}

/** Named ACLs, each test once: anonymous ones would end at a user's "}". */
class Acls {
  readonly lines: Line[] = []
  readonly #names = new Map<string, string>()

  of(test: Test, owner: Router['owner']): string {
    const key = JSON.stringify(test)
    const known = this.#names.get(key)
    if (known) return known
    const name = `t${this.#names.size + 1}`
    this.#names.set(key, name)
    for (const text of criteria(test)) this.lines.push({ text: `  acl ${name} ${text}`, owner })
    return name
  }
}

function criteria(test: Test): string[] {
  switch (test.type) {
    case 'host':
      return [
        test.value.startsWith('*.')
          ? `req.hdr(host),host_only,lower,field(2,.,0) -m str -- ${word(test.value.slice(2).toLowerCase())}`
          : `req.hdr(host),host_only,lower -m str -- ${word(test.value.toLowerCase())}`,
      ]
    case 'hostRegex':
      return [`req.hdr(host),host_only,lower -m reg -- ${word(test.pattern)}`]
    case 'path':
      return [pathCriterion(test.path)]
    case 'pathRegex':
      return [`path -m reg -- ${word(test.pattern)}`]
    case 'header':
      return [`req.fhdr(${headerName(test.name)}) -m str -- ${word(test.value)}`]
    case 'headerRegex':
      return [`req.fhdr(${headerName(test.name)}) -m reg -- ${word(test.pattern)}`]
    case 'query':
      return test.value === undefined
        ? [`url_param(${parameterName(test.name)}) -m found`]
        : [`url_param(${parameterName(test.name)}),url_dec(1) -m str -- ${word(test.value)}`]
    case 'queryRegex':
      return [`url_param(${parameterName(test.name)}),url_dec(1) -m reg -- ${word(test.pattern)}`]
    case 'method':
      return [`method ${word(test.value.toUpperCase())}`]
    case 'clientIp':
      return test.ranges.map(range => `src ${cidr(range)}`)
    default:
      return assertNever(test)
  }
}

function pathCriterion({ type, value }: PathMatch): string {
  if (type === 'exact') return `path -m str -- ${word(value)}`
  if (type === 'text') return `path -m beg -- ${word(value)}`
  return `path,concat(/) -m beg -- ${word(value.endsWith('/') ? value : `${value}/`)}`
}
