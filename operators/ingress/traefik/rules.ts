/** Rules as matches: alternatives of conditions that must all hold. */
import { assertNever } from '../../../bootstrap/api/object.ts'
import type { Condition, Match, PathMatch, Test } from '../model/model.ts'
import { RuleError } from './rule-lexer.ts'
import { parseRule, type Rule } from './rule-parser.ts'

/** A rule that multiplies out to more than this is refused. */
const mostAlternatives = 64

/** The alternatives of a rule; those of a host and a path only are looked up in maps. Throws RuleError. */
export function matchesOf(text: string, isV2: boolean): Match[] {
  return alternatives(parseRule(text), false, isV2).map(all => simple(all) ?? { type: 'conditions', all })
}

/** Hosts that a rule names, for TLS options. */
export function hostsIn(matches: readonly Match[]): string[] {
  const names = matches.flatMap(match => {
    if (match.type === 'simple') return match.host ?? []
    if (match.type === 'default') return []
    return match.all.flatMap(({ test, negated }) => (test.type === 'host' && !negated ? test.value : []))
  })
  return [...new Set(names)]
}

/** Disjunctive normal form, negations moved to the matchers. */
function alternatives(rule: Rule, negated: boolean, isV2: boolean): Condition[][] {
  switch (rule.type) {
    case 'not':
      return alternatives(rule.rule, !negated, isV2)
    case 'and':
    case 'or': {
      const parts = rule.rules.map(part => alternatives(part, negated, isV2))
      return (rule.type === 'or') !== negated ? parts.flat() : product(parts)
    }
    case 'matcher': {
      const tests = testsOf(rule.name, rule.args, isV2)
      if (negated) return [tests.map(test => ({ negated, test }))]
      return tests.map(test => [{ negated, test }])
    }
    default:
      return assertNever(rule)
  }
}

function product(parts: readonly Condition[][][]): Condition[][] {
  const all = parts.reduce<Condition[][]>(
    (rows, part) => rows.flatMap(row => part.map(more => [...row, ...more])),
    [[]],
  )
  if (all.length > mostAlternatives)
    throw new RuleError(`the rule has ${all.length} alternatives; at most ${mostAlternatives} are supported`)
  return all
}

/** Rules without a host outrank those with one when they are longer, so they are compared one by one. */
function simple(all: readonly Condition[]): Match | undefined {
  if (all.some(({ negated }) => negated)) return undefined
  const hosts = all.flatMap(({ test }) => (test.type === 'host' ? test.value : []))
  const paths = all.flatMap(({ test }) => (test.type === 'path' ? test.path : []))
  if (hosts.length !== 1 || paths.length > 1 || hosts.length + paths.length !== all.length) return undefined
  const path: PathMatch = paths[0] ?? { type: 'segments', value: '/' }
  // The map would find "/a" for the prefix "/a/" as well.
  if (path.type === 'text' && path.value.length > 1 && path.value.endsWith('/')) return undefined
  return { type: 'simple', host: hosts[0]!, path }
}

/** A matcher's arguments are alternatives; Traefik v3 takes one, v2 took many. */
function testsOf(name: string, args: readonly string[], isV2: boolean): Test[] {
  const [first = '', second] = args
  const count = (least: number, most: number) => {
    if (args.length < least || args.length > most)
      throw new RuleError(
        `${name} takes ${least === most ? least : `${least} to ${most}`} arguments, not ${args.length}`,
      )
  }
  switch (name) {
    case 'Host':
    case 'HostHeader':
      count(1, Number.POSITIVE_INFINITY)
      return args.map(value => ({ type: 'host', value }))
    case 'HostRegexp':
      count(1, Number.POSITIVE_INFINITY)
      return args.map(value => ({
        type: 'hostRegex',
        pattern: isV2 || /\{\w+:/.test(value) ? namedGroups(value) : `(?i)${value}`,
      }))
    case 'Path':
      count(1, Number.POSITIVE_INFINITY)
      return args.map(value => pathTest(value, 'exact', isV2))
    case 'PathPrefix':
      count(1, Number.POSITIVE_INFINITY)
      return args.map(value => pathTest(value, 'text', isV2))
    case 'PathRegexp':
      count(1, 1)
      return [{ type: 'pathRegex', pattern: first }]
    case 'Header':
    case 'Headers':
      count(2, 2)
      return [{ type: 'header', name: first, value: second ?? '' }]
    case 'HeaderRegexp':
    case 'HeadersRegexp':
      count(2, 2)
      return [{ type: 'headerRegex', name: first, pattern: second ?? '' }]
    case 'Method':
      count(1, Number.POSITIVE_INFINITY)
      return args.map(value => ({ type: 'method', value }))
    case 'Query':
      return args.some(value => value.includes('=')) && isV2 ? args.map(queryOfV2) : [queryTest(args)]
    case 'QueryRegexp':
      count(1, 2)
      return [{ type: 'queryRegex', name: first, pattern: second ?? '.*' }]
    case 'ClientIP':
      count(1, Number.POSITIVE_INFINITY)
      return [{ type: 'clientIp', ranges: args }]
    default:
      throw new RuleError(`unknown matcher ${name}`)
  }
}

function queryTest(args: readonly string[]): Test {
  if (args.length < 1 || args.length > 2) throw new RuleError(`Query takes 1 to 2 arguments, not ${args.length}`)
  const [name = '', value] = args
  // Query(`a=b`) is how v2 wrote Query(`a`, `b`).
  return value === undefined && name.includes('=') ? queryOfV2(name) : { type: 'query', name, value }
}

function queryOfV2(text: string): Test {
  const at = text.indexOf('=')
  return at < 0
    ? { type: 'query', name: text, value: undefined }
    : { type: 'query', name: text.slice(0, at), value: text.slice(at + 1) }
}

function pathTest(value: string, type: 'exact' | 'text', isV2: boolean): Test {
  if (!value.startsWith('/')) throw new RuleError(`path "${value}" does not begin with a slash`)
  if (!isV2 || !value.includes('{')) return { type: 'path', path: { type, value } }
  return { type: 'pathRegex', pattern: `${namedGroups(value).replace(/\$$/, '')}${type === 'exact' ? '$' : ''}` }
}

/** v2's {name:pattern} parts between literal text. */
function namedGroups(text: string): string {
  const parts = text.split(/(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})/)
  const pattern = parts.map(part => {
    if (!part.startsWith('{')) return part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
    const colon = part.indexOf(':')
    return colon < 0 ? '[^/.]+' : `(?:${part.slice(colon + 1, -1)})`
  })
  return `(?i)^${pattern.join('')}$`
}
