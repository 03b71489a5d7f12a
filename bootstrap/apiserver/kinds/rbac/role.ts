/** Role and ClusterRole. */
import { field } from '../../../api/errors.ts'
import type { ClusterRole, PolicyRule, Role } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { strategy } from '../common/build.ts'
import { pathSegment } from '../common/names.ts'
import { selectorErrors } from '../common/selector.ts'

function* ruleErrors(rule: PolicyRule, namespaced: boolean, path: string): Errors {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule
  if (verbs.length === 0) yield field.required(`${path}.verbs`, 'verbs must contain at least one value')
  if (nonResourceURLs.length > 0) {
    const at = `${path}.nonResourceURLs`
    if (namespaced) {
      yield field.invalid(at, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs')
    }
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0) {
      const text = 'rules cannot apply to both regular resources and non-resource URLs'
      yield field.invalid(at, nonResourceURLs, text)
    }
    return
  }
  if (apiGroups.length === 0) {
    yield field.required(`${path}.apiGroups`, 'resource rules must supply at least one api group')
  }
  if (resources.length === 0) {
    yield field.required(`${path}.resources`, 'resource rules must supply at least one resource')
  }
}

function* rulesErrors(rules: readonly PolicyRule[] | undefined, namespaced: boolean): Errors {
  for (const [index, rule] of (rules ?? []).entries()) yield* ruleErrors(rule, namespaced, `rules[${index}]`)
}

export const role = strategy<Role>({
  allowCreateOnUpdate: true,
  validateName: pathSegment,
  validate: object => rulesErrors(object.rules, true),
})

export const clusterRole = strategy<ClusterRole>({
  allowCreateOnUpdate: true,
  validateName: pathSegment,
  *validate({ rules, aggregationRule }) {
    yield* rulesErrors(rules, false)
    if (!aggregationRule) return
    const path = 'aggregationRule.clusterRoleSelectors'
    const selectors = aggregationRule.clusterRoleSelectors ?? []
    if (selectors.length === 0) {
      yield field.required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil')
    }
    for (const [index, selector] of selectors.entries()) yield* selectorErrors(selector, `${path}[${index}]`)
  },
})
