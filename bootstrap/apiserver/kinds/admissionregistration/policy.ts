/** Validating and mutating admission policies and their bindings. Their expressions are compiled where they run. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type {
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../api/types.gen.ts'
import type { Errors, TypedColumn } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { oneOf, requiredText, supportedOrEmpty } from '../common/checks.ts'
import { fill, when } from '../common/defaulting.ts'
import { selectorErrors } from '../common/selector.ts'
import { countColumn } from '../common/workload-columns.ts'
import { ruleErrors } from './webhook.ts'

type Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy
type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding

function matchDefaults(match: Draft<MatchResources>): void {
  fill(match, { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} })
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) fill(rule, { scope: '*' })
}

function* matchErrors(match: MatchResources | undefined, path: string): Errors {
  yield* supportedOrEmpty(match?.matchPolicy, `${path}.matchPolicy`, ['Equivalent', 'Exact'])
  yield* selectorErrors(match?.namespaceSelector, `${path}.namespaceSelector`)
  yield* selectorErrors(match?.objectSelector, `${path}.objectSelector`)
  for (const list of ['resourceRules', 'excludeResourceRules'] as const) {
    for (const [index, rule] of (match?.[list] ?? []).entries()) yield* ruleErrors(rule, `${path}.${list}[${index}]`)
  }
}

function* policyErrors({ spec }: Policy, steps: 'validations' | 'mutations'): Errors {
  yield* supportedOrEmpty(spec?.failurePolicy, 'spec.failurePolicy', ['Fail', 'Ignore'])
  yield* kindErrors(spec?.paramKind)
  if (!spec?.matchConstraints) yield field.required('spec.matchConstraints')
  else {
    yield* matchErrors(spec.matchConstraints, 'spec.matchConstraints')
    if (!spec.matchConstraints.resourceRules?.length) yield field.required('spec.matchConstraints.resourceRules')
  }
  const names = new Set<string>()
  for (const [index, condition] of (spec?.matchConditions ?? []).entries()) {
    const at = `spec.matchConditions[${index}]`
    yield* requiredText(condition.name, `${at}.name`)
    yield* requiredText(condition.expression, `${at}.expression`)
    if (names.has(condition.name)) yield field.duplicate(`${at}.name`, condition.name)
    names.add(condition.name)
  }
  for (const [index, variable] of (spec?.variables ?? []).entries()) {
    yield* requiredText(variable.name, `spec.variables[${index}].name`, 'name is not specified')
    yield* requiredText(variable.expression, `spec.variables[${index}].expression`, 'expression is not specified')
  }
  const list = (spec as { readonly [field: string]: unknown } | undefined)?.[steps] as readonly unknown[] | undefined
  const audits = (spec as ValidatingAdmissionPolicy['spec'])?.auditAnnotations
  if (!list?.length && !audits?.length) {
    const text =
      steps === 'validations'
        ? 'validations or auditAnnotations must be non-empty'
        : 'mutations must contain at least one item'
    yield field.required(`spec.${steps}`, text)
  }
}

function* kindErrors(kind: ParamKind | undefined): Errors {
  if (!kind) return
  yield* requiredText(kind.apiVersion, 'spec.paramKind.apiVersion')
  yield* requiredText(kind.kind, 'spec.paramKind.kind')
}

function* bindingErrors({ spec }: Binding): Errors {
  yield* requiredText(spec?.policyName, 'spec.policyName')
  yield* parameterErrors(spec?.paramRef)
  if (spec?.matchResources) yield* matchErrors(spec.matchResources, 'spec.matchResources')
}

function* parameterErrors(reference: ParamRef | undefined): Errors {
  if (!reference) return
  const path = 'spec.paramRef'
  if (reference.name && reference.selector) {
    yield field.forbidden(`${path}.name`, 'name and selector are mutually exclusive')
  }
  if (!reference.name && !reference.selector) {
    yield field.required(path, 'one of name or selector must be specified')
  }
  yield* selectorErrors(reference.selector, `${path}.selector`)
  yield* oneOf(reference.parameterNotFoundAction, `${path}.parameterNotFoundAction`, ['Allow', 'Deny'])
}

function* actionErrors({ spec }: ValidatingAdmissionPolicyBinding): Errors {
  const actions = spec?.validationActions ?? []
  const path = 'spec.validationActions'
  if (actions.length === 0) yield field.required(path, 'at least one validation action is required')
  const seen = new Set<string>()
  for (const [index, action] of actions.entries()) {
    yield* supportedOrEmpty(action, `${path}[${index}]`, ['Audit', 'Deny', 'Warn'])
    if (seen.has(action)) yield field.duplicate(`${path}[${index}]`, action)
    seen.add(action)
  }
  if (seen.has('Deny') && seen.has('Warn')) {
    yield field.invalid(
      path,
      actions,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    )
  }
}

function kindText(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion}/${kind.kind}` : '<unset>'
}

function parameterText(reference: ParamRef | undefined): string {
  if (!reference) return '<unset>'
  const name = reference.name || '*'
  return reference.namespace ? `${reference.namespace}/${name}` : name
}

function policyDefaults({ spec }: Draft<Policy>): void {
  if (!spec) return
  fill(spec, { failurePolicy: 'Fail' })
  when(spec.matchConstraints, matchDefaults)
}

const bindingColumns: readonly TypedColumn<Binding>[] = [
  nameColumn,
  column('PolicyName', object => object.spec?.policyName),
  column('ParamRef', object => parameterText(object.spec?.paramRef)),
  ageColumn,
]
const bindingDefaults = ({ spec }: Draft<Binding>) => when(spec?.matchResources, matchDefaults)

export const validatingAdmissionPolicy = strategy<ValidatingAdmissionPolicy>({
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults: policyDefaults,
  status: {},
  validate: object => policyErrors(object, 'validations'),
  columns: [
    nameColumn,
    countColumn('Validations', object => object.spec?.validations?.length),
    column('ParamKind', object => kindText(object.spec?.paramKind)),
    ageColumn,
  ],
})

export const mutatingAdmissionPolicy = strategy<MutatingAdmissionPolicy>({
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults: policyDefaults,
  *validate(object) {
    yield* policyErrors(object, 'mutations')
    yield* oneOf(object.spec?.reinvocationPolicy, 'spec.reinvocationPolicy', ['IfNeeded', 'Never'])
  },
  columns: [
    nameColumn,
    countColumn('Mutations', object => object.spec?.mutations?.length),
    column('ParamKind', object => kindText(object.spec?.paramKind)),
    ageColumn,
  ],
})

export const validatingAdmissionPolicyBinding = strategy<ValidatingAdmissionPolicyBinding>({
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults: bindingDefaults,
  *validate(object) {
    yield* bindingErrors(object)
    yield* actionErrors(object)
  },
  columns: bindingColumns,
})

export const mutatingAdmissionPolicyBinding = strategy<MutatingAdmissionPolicyBinding>({
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  defaults: bindingDefaults,
  validate: bindingErrors,
  columns: bindingColumns,
})
