/** Policy rules: what one allows, and whether a set of them covers another (upstream: component-helpers auth/rbac/validation). */
import type { PolicyRule } from '../../api/types.gen.ts'
import type { Attributes } from './authorizer.ts'

const has = (list: readonly string[] | undefined, value: string): boolean =>
  list !== undefined && (list.includes(value) || list.includes('*'))

/** Whether one rule allows the request. */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false
  if (!attributes.isResource) return urlMatches(rule.nonResourceURLs ?? [], attributes.path)
  const { resource, subresource, name } = attributes
  return (
    has(rule.apiGroups, attributes.group) &&
    resourceMatches(rule.resources ?? [], resource, subresource) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(name))
  )
}

function resourceMatches(resources: readonly string[], resource: string, subresource: string): boolean {
  const combined = subresource === '' ? resource : `${resource}/${subresource}`
  return has(resources, combined) || (subresource !== '' && resources.includes(`*/${subresource}`))
}

function urlMatches(urls: readonly string[], path: string): boolean {
  return urls.some(url => url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))))
}

/** The parts of `wanted` that `held` does not cover, as rules of one verb, group, resource (and name) or URL each. */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter(part => !held.some(rule => covers(rule, part)))
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = []
  for (const verb of rule.verbs) {
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const part = { apiGroups: [group], resources: [resource], verbs: [verb] }
        const names = rule.resourceNames ?? []
        if (names.length === 0) parts.push(part)
        for (const name of names) parts.push({ ...part, resourceNames: [name] })
      }
    }
    for (const url of rule.nonResourceURLs ?? []) parts.push({ nonResourceURLs: [url], verbs: [verb] })
  }
  return parts
}

function covers(rule: PolicyRule, part: PolicyRule): boolean {
  if (!has(rule.verbs, part.verbs[0]!)) return false
  const url = part.nonResourceURLs?.[0]
  if (url !== undefined) return urlMatches(rule.nonResourceURLs ?? [], url)
  const [resource = '', subresource = ''] = part.resources![0]!.split('/')
  const names = rule.resourceNames ?? []
  return (
    has(rule.apiGroups, part.apiGroups![0]!) &&
    (has(rule.resources, part.resources![0]!) || resourceMatches(rule.resources ?? [], resource, subresource)) &&
    (names.length === 0 || (part.resourceNames !== undefined && names.includes(part.resourceNames[0]!)))
  )
}

/** Joins one-verb rules about the same thing, and writes each as upstream does: {APIGroups:[""], Resources:["pods"], Verbs:["get"]}. */
export function describeRules(rules: readonly PolicyRule[]): string[] {
  const byTarget = new Map<string, { rule: PolicyRule; verbs: string[] }>()
  for (const rule of rules) {
    const key = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs])
    const known = byTarget.get(key)
    if (known) known.verbs.push(...rule.verbs.filter(verb => !known.verbs.includes(verb)))
    else byTarget.set(key, { rule, verbs: [...rule.verbs] })
  }
  return [...byTarget.values()].map(({ rule, verbs }) => describeRule({ ...rule, verbs })).sort()
}

function describeRule(rule: PolicyRule): string {
  const parts: readonly [string, readonly string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ]
  const texts = parts.flatMap(([name, values]) =>
    values?.length ? [`${name}:[${values.map(value => JSON.stringify(value)).join(' ')}]`] : [],
  )
  return `{${texts.join(', ')}}`
}
