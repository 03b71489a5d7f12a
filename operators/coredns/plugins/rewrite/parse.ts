/** Reading the rules of the rewrite plugin. */
import { type Directive, mistake } from '../../corefile.ts'
import { classNumber, rcodeNumber, typeNumber } from '../../wire/constants.ts'
import { fqdn, normal } from '../../wire/names.ts'
import type { Request } from '../plugin.ts'
import { expression } from '../settings.ts'
import { ednsRule } from './edns.ts'
import {
  byPattern,
  fill,
  ownerRule,
  type RecordRule,
  type Rule,
  remap,
  renamed,
  swapSuffix,
  valueRule,
} from './rules.ts'

type Mode = Rule['mode']

/** A rule is one line, or a block whose lines are read as one. */
export function rewriteRule(directive: Directive): Rule {
  const words = [...directive.args, ...directive.block.flatMap(line => [line.name, ...line.args])]
  const first = words[0]?.toLowerCase()
  const hasMode = first === 'stop' || first === 'continue'
  const mode: Mode = hasMode ? first : 'stop'
  const [type = '', ...args] = words.slice(hasMode ? 1 : 0)
  switch (type.toLowerCase()) {
    case 'name':
      return nameRule(directive, mode, args)
    case 'type':
      return numberRule(directive, mode, args, 'type', typeNumber)
    case 'class':
      return numberRule(directive, mode, args, 'class', classNumber)
    case 'ttl':
      return ttlRule(directive, mode, args)
    case 'rcode':
      return rcodeRule(directive, mode, args)
    case 'edns0':
      return ednsRule(directive, mode, args)
    case 'answer':
      throw wrong(directive, 'response rewrites must begin with a name rule')
    default:
      throw wrong(directive, `invalid rule type "${type}", want name, type, class, ttl, rcode or edns0`)
  }
}

export const wrong = (directive: Directive, message: string): Error => mistake(directive, `plugin/rewrite: ${message}`)

const matchTypes = ['exact', 'prefix', 'suffix', 'substring', 'regex'] as const
type MatchType = (typeof matchTypes)[number]

function matchTypeOf(directive: Directive, text: string): MatchType {
  const found = matchTypes.find(known => known === text.toLowerCase())
  if (!found)
    throw wrong(
      directive,
      `name rule supports only exact, prefix, suffix, substring, and regex name matching, received: ${text}`,
    )
  return found
}

function nameRule(directive: Directive, mode: Mode, args: readonly string[]): Rule {
  if (args.length < 2) throw wrong(directive, 'too few arguments for a name rule')
  const type = args.length === 2 ? 'exact' : matchTypeOf(directive, args[0]!)
  const [from, to] = (args.length === 2 ? args : args.slice(1)) as [string, string]
  const answers = args.length > 3 ? answerRules(directive, type, args.slice(3)) : { auto: false, rules: [] }
  const auto = answers.auto || type === 'exact'
  const change = nameChange(directive, type, from, to)
  return {
    mode,
    apply(request) {
      const name = change(request.name)
      if (name === undefined) return undefined
      const back = type === 'suffix' ? swapSuffix(normal(to), normal(from)) : remap(name, request.asked)
      const undo = auto ? [ownerRule(back), valueRule(back)] : []
      return { request: renamed(request, name), records: [...undo, ...answers.rules] }
    },
  }
}

/** The new name, or undefined when the rule does not match. */
function nameChange(
  directive: Directive,
  type: MatchType,
  from: string,
  to: string,
): (name: string) => string | undefined {
  const lower = from.toLowerCase()
  switch (type) {
    case 'exact':
      return name => (name === normal(from) ? normal(to) : undefined)
    case 'prefix':
      return name => (name.startsWith(lower) ? to.toLowerCase() + name.slice(lower.length) : undefined)
    case 'suffix':
      return name =>
        name.endsWith(normal(from)) ? name.slice(0, name.length - normal(from).length) + normal(to) : undefined
    case 'substring':
      return name => (name.includes(lower) ? name.replaceAll(lower, to.toLowerCase()) : undefined)
    case 'regex': {
      const pattern = checkedPattern(directive, from, to)
      return name => {
        const groups = pattern.exec(name)
        return groups ? normal(fill(fqdn(to), groups)) : undefined
      }
    }
  }
}

function checkedPattern(directive: Directive, from: string, to: string): RegExp {
  const pattern = expression(directive, from)
  const groups = new RegExp(`${pattern.source}|`).exec('')!.length - 1
  const used = [...to.matchAll(/\{(\d+)\}/g)].map(match => Number(match[1]))
  if (used.some(index => index > groups))
    throw wrong(
      directive,
      `the rewrite regex pattern (${to}) uses more subexpressions than its corresponding matching regex pattern (${from})`,
    )
  return pattern
}

function answerRules(
  directive: Directive,
  type: string,
  args: readonly string[],
): { auto: boolean; rules: RecordRule[] } {
  const rules: RecordRule[] = []
  let auto = false
  let names = 0
  let kind = ''
  for (let at = 0; at < args.length; ) {
    if (args[at] === 'answer') kind = args[++at] ?? ''
    else if (kind === '' || args[at] !== kind)
      throw wrong(directive, `exceeded the number of arguments for a non-answer rule argument for ${type} rule`)
    at++
    if (kind === 'auto') {
      auto = true
      continue
    }
    if (kind !== 'name' && kind !== 'value')
      throw wrong(directive, `invalid type "${kind}" for answer rule for ${type} rule, want name, value or auto`)
    const [from, to] = [args[at], args[at + 1]]
    if (from === undefined || to === undefined)
      throw wrong(directive, `${kind} answer rule for ${type} rule: 2 arguments required`)
    const change = byPattern(checkedPattern(directive, from, to), normal(to))
    rules.push(kind === 'name' ? ownerRule(change) : valueRule(change))
    if (kind === 'name') names++
    at += 2
  }
  if (auto && names > 0)
    throw wrong(directive, 'auto name answer rule cannot be combined with explicit name answer rules')
  return { auto, rules }
}

function numberRule(
  directive: Directive,
  mode: Mode,
  args: readonly string[],
  field: 'type' | 'class',
  numberOf: (name: string) => number | undefined,
): Rule {
  const [from, to] = args.map(numberOf)
  if (args.length !== 2) throw wrong(directive, `${field} rules must have exactly two arguments`)
  if (from === undefined || to === undefined)
    throw wrong(directive, `invalid ${field} "${args[from === undefined ? 0 : 1]}"`)
  return {
    mode,
    apply: request => (request[field] === from ? { request: { ...request, [field]: to }, records: [] } : undefined),
  }
}

/** `[exact|prefix|...] NAME` as a test of a name. */
function nameTest(directive: Directive, args: readonly string[]): (request: Request) => boolean {
  const [type, text] =
    args.length === 1 ? (['exact', args[0]!] as const) : ([matchTypeOf(directive, args[0]!), args[1]!] as const)
  switch (type) {
    case 'exact':
      return ({ name }) => name === normal(text)
    case 'prefix':
      return ({ name }) => name.startsWith(text.toLowerCase())
    case 'suffix':
      return ({ name }) => name.endsWith(normal(text))
    case 'substring':
      return ({ name }) => name.includes(text.toLowerCase())
    case 'regex': {
      const pattern = expression(directive, text)
      return ({ name }) => pattern.test(name)
    }
  }
}

function ttlRule(directive: Directive, mode: Mode, args: readonly string[]): Rule {
  if (args.length < 2 || args.length > 3)
    throw wrong(directive, 'a ttl rule wants [MATCH] NAME and seconds, or a range of them')
  const range = /^(\d+)$|^(\d*)-(\d*)$/.exec(args.at(-1)!)
  const least = Number(range?.[1] ?? (range?.[2] || 0))
  const most = Number(range?.[1] ?? (range?.[3] || 2 ** 31 - 1))
  if (!range || args.at(-1) === '-' || least > most)
    throw wrong(directive, `invalid TTL '${args.at(-1)}' for a ttl rule`)
  const test = nameTest(directive, args.slice(0, -1))
  const clamp: RecordRule = record => ({ ...record, ttl: Math.min(most, Math.max(least, record.ttl)) })
  return { mode, apply: request => (test(request) ? { request, records: [clamp] } : undefined) }
}

function rcodeRule(directive: Directive, mode: Mode, args: readonly string[]): Rule {
  if (args.length < 3 || args.length > 4)
    throw wrong(directive, 'a rcode rule wants [MATCH] NAME, the code to replace and the one to set')
  const [from, to] = args
    .slice(-2)
    .map(text => (/^\d+$/.test(text) && Number(text) <= 23 ? Number(text) : rcodeNumber(text)))
  if (from === undefined || to === undefined)
    throw wrong(directive, `invalid RCODE '${args.at(from === undefined ? -2 : -1)}' for a rcode rule`)
  const test = nameTest(directive, args.slice(0, -2))
  return {
    mode,
    apply: request =>
      test(request)
        ? { request, records: [], reply: reply => (reply.rcode === from ? { ...reply, rcode: to } : reply) }
        : undefined,
  }
}
