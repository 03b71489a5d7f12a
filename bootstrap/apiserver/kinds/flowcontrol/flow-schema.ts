/** FlowSchema. */
import { field } from '../../../api/errors.ts'
import type { FlowSchema, PolicyRulesWithSubjects } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { oneOf, supportedOrEmpty } from '../common/checks.ts'
import { fillZero } from '../common/defaulting.ts'

const maxPrecedence = 10_000

function* rulesErrors(rules: PolicyRulesWithSubjects, path: string): Errors {
  if (!rules.subjects?.length) yield field.required(`${path}.subjects`, 'subjects must contain at least one value')
  for (const [index, subject] of (rules.subjects ?? []).entries()) {
    yield* oneOf(subject.kind, `${path}.subjects[${index}].kind`, ['Group', 'ServiceAccount', 'User'])
  }
  if (!rules.resourceRules?.length && !rules.nonResourceRules?.length) {
    yield field.required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty')
  }
  for (const [index, rule] of (rules.resourceRules ?? []).entries()) {
    const at = `${path}.resourceRules[${index}]`
    for (const name of ['verbs', 'apiGroups', 'resources'] as const) {
      if (!rule[name]?.length) yield field.required(`${at}.${name}`, texts[name])
    }
    if (!rule.namespaces?.length && !rule.clusterScope) {
      const text = 'resource rules that are not cluster scoped must supply at least one namespace'
      yield field.required(`${at}.namespaces`, text)
    }
  }
  for (const [index, rule] of (rules.nonResourceRules ?? []).entries()) {
    const at = `${path}.nonResourceRules[${index}]`
    if (!rule.verbs?.length) yield field.required(`${at}.verbs`, 'verbs must contain at least one value')
    if (!rule.nonResourceURLs?.length) {
      yield field.required(`${at}.nonResourceURLs`, 'nonResourceURLs must contain at least one value')
    }
  }
}

const texts = {
  verbs: 'verbs must contain at least one value',
  apiGroups: 'resource rules must supply at least one api group',
  resources: 'resource rules must supply at least one resource',
}

function missingText({ status }: FlowSchema): string {
  return status?.conditions?.find(condition => condition.type === 'Dangling')?.status || '?'
}

export const flowSchema = strategy<FlowSchema>({
  hasGeneration: true,
  defaults({ spec }) {
    if (spec) fillZero(spec, { matchingPrecedence: 1000 })
  },
  status: {},
  *validate({ spec }) {
    const precedence = spec?.matchingPrecedence ?? 0
    if (precedence <= 0) yield field.invalid('spec.matchingPrecedence', precedence, 'must be a positive value')
    if (precedence > maxPrecedence) {
      const text = `must not be greater than ${maxPrecedence}`
      yield field.invalid('spec.matchingPrecedence', precedence, text)
    }
    const distinguishers = ['ByNamespace', 'ByUser']
    if (spec?.distinguisherMethod) {
      yield* supportedOrEmpty(spec.distinguisherMethod.type, 'spec.distinguisherMethod.type', distinguishers)
    }
    if (!spec?.priorityLevelConfiguration?.name) {
      yield field.required('spec.priorityLevelConfiguration.name', 'must reference a priority level')
    }
    for (const [index, rules] of (spec?.rules ?? []).entries()) yield* rulesErrors(rules, `spec.rules[${index}]`)
  },
  columns: [
    nameColumn,
    column('PriorityLevel', object => object.spec?.priorityLevelConfiguration?.name),
    column('MatchingPrecedence', object => object.spec?.matchingPrecedence, 'integer'),
    column('DistinguisherMethod', object => object.spec?.distinguisherMethod?.type ?? '<none>'),
    ageColumn,
    column('MissingPL', missingText),
  ],
})
