/** Validation of where a pod may run: affinity, tolerations, spread constraints, gates. */
import { field } from '../../../../api/errors.ts'
import { labelValueErrors, qualifiedNameErrors } from '../../../../api/labels.ts'
import type {
  Affinity,
  LabelSelector,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodSchedulingGate,
  PodSpec,
  Toleration,
  TopologySpreadConstraint,
} from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import { supportedOrEmpty } from '../checks.ts'
import { textErrors } from '../metadata.ts'
import { dnsLabel, dnsSubdomain } from '../names.ts'
import { requirementErrors, selectorErrors } from '../selector.ts'

const required = 'requiredDuringSchedulingIgnoredDuringExecution'
const preferred = 'preferredDuringSchedulingIgnoredDuringExecution'
const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

/** Checks a pod's affinity. */
export function* affinityErrors(affinity: Affinity | undefined, path: string): Errors {
  const node = affinity?.nodeAffinity
  if (node?.[required]) yield* nodeSelectorErrors(node[required], `${path}.nodeAffinity.${required}`)
  for (const [index, term] of (node?.[preferred] ?? []).entries()) {
    const at = `${path}.nodeAffinity.${preferred}[${index}]`
    yield* weightErrors(term.weight, at)
    yield* nodeTermErrors(term.preference, `${at}.preference`, false)
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    for (const [index, term] of (affinity?.[kind]?.[required] ?? []).entries()) {
      yield* podTermErrors(term, `${path}.${kind}.${required}[${index}]`)
    }
    for (const [index, term] of (affinity?.[kind]?.[preferred] ?? []).entries()) {
      const at = `${path}.${kind}.${preferred}[${index}]`
      yield* weightErrors(term.weight, at)
      yield* podTermErrors(term.podAffinityTerm, `${at}.podAffinityTerm`)
    }
  }
}

function* weightErrors(weight: number, path: string): Errors {
  if (!(weight > 0 && weight <= 100)) yield field.invalid(`${path}.weight`, weight ?? 0, 'must be in the range 1-100')
}

/** Checks a selector of nodes, of a pod or a volume. */
export function* nodeSelectorErrors(selector: NodeSelector, path: string): Errors {
  const terms = selector.nodeSelectorTerms ?? []
  if (terms.length === 0) yield field.required(`${path}.nodeSelectorTerms`, 'must have at least one node selector term')
  for (const [index, term] of terms.entries()) yield* nodeTermErrors(term, `${path}.nodeSelectorTerms[${index}]`, true)
}

function* nodeTermErrors(term: NodeSelectorTerm, path: string, checkValues: boolean): Errors {
  for (const [index, requirement] of (term?.matchExpressions ?? []).entries()) {
    yield* requirementErrors(requirement, `${path}.matchExpressions[${index}]`, { compares: true, checkValues })
  }
  for (const [index, requirement] of (term?.matchFields ?? []).entries()) {
    yield* nodeFieldErrors(requirement, `${path}.matchFields[${index}]`)
  }
}

function* nodeFieldErrors(requirement: NodeSelectorRequirement, path: string): Errors {
  const { key, operator, values = [] } = requirement
  if (operator !== 'In' && operator !== 'NotIn') {
    yield field.invalid(`${path}.operator`, operator ?? '', 'not a valid selector operator')
  } else if (values.length !== 1) {
    const text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
    yield field.required(`${path}.values`, text)
  }
  if (key !== 'metadata.name') yield field.invalid(`${path}.key`, key ?? '', 'not a valid field selector key')
  else for (const [index, name] of values.entries()) yield* textErrors(dnsSubdomain, name, `${path}.values[${index}]`)
}

function* podTermErrors(term: PodAffinityTerm, path: string): Errors {
  yield* selectorErrors(term.labelSelector, `${path}.labelSelector`)
  yield* selectorErrors(term.namespaceSelector, `${path}.namespaceSelector`)
  for (const name of term.namespaces ?? []) yield* textErrors(dnsLabel, name, `${path}.namespace`)
  yield* labelKeysErrors(term.matchLabelKeys, term.labelSelector, `${path}.matchLabelKeys`)
  yield* labelKeysErrors(term.mismatchLabelKeys, term.labelSelector, `${path}.mismatchLabelKeys`)
  const both = term.matchLabelKeys?.filter(key => term.mismatchLabelKeys?.includes(key)) ?? []
  for (const key of both) {
    const index = term.matchLabelKeys!.indexOf(key)
    yield field.invalid(`${path}.matchLabelKeys[${index}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys')
  }
  if (!term.topologyKey) yield field.required(`${path}.topologyKey`, 'can not be empty')
  yield* textErrors(qualifiedNameErrors, term.topologyKey ?? '', `${path}.topologyKey`)
}

function* labelKeysErrors(
  keys: readonly string[] | undefined,
  selector: LabelSelector | undefined,
  path: string,
): Errors {
  if (!keys?.length) return
  if (!selector) yield field.forbidden(path, 'must not be specified when labelSelector is not set')
  for (const [index, key] of keys.entries()) yield* textErrors(qualifiedNameErrors, key, `${path}[${index}]`)
}

/** Checks a pod's tolerations. */
export function* tolerationsErrors(tolerations: readonly Toleration[] | undefined, path: string): Errors {
  for (const [index, toleration] of (tolerations ?? []).entries()) {
    const at = `${path}[${index}]`
    const { key, operator, value = '', effect } = toleration
    if (key) yield* textErrors(qualifiedNameErrors, key, `${at}.key`)
    else if (operator !== 'Exists') {
      const text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
      yield field.invalid(`${at}.operator`, operator ?? '', text)
    }
    if (typeof toleration.tolerationSeconds === 'number' && effect !== 'NoExecute') {
      const text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
      yield field.invalid(`${at}.effect`, effect ?? '', text)
    }
    if (!operator || operator === 'Equal') {
      const problems = labelValueErrors(value)
      if (problems.length > 0) yield field.invalid(`${at}.operator`, value, problems.join(';'))
    } else if (operator === 'Exists') {
      if (value) yield field.invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'")
    } else yield field.notSupported(`${at}.operator`, operator, ['Equal', 'Exists'])
    yield* supportedOrEmpty(effect, `${at}.effect`, taintEffects)
  }
}

/** Checks the effect of a taint. */
export function* taintEffectErrors(effect: string | undefined, path: string): Errors {
  if (!effect) yield field.required(path)
  else yield* supportedOrEmpty(effect, path, taintEffects)
}

/** Checks topology spread constraints. */
export function* spreadErrors(constraints: PodSpec['topologySpreadConstraints'], path: string): Errors {
  const seen = new Set<string>()
  for (const [index, constraint] of (constraints ?? []).entries()) {
    const at = `${path}[${index}]`
    yield* constraintErrors(constraint, at)
    const pair = `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`
    if (seen.has(pair)) yield field.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair)
    seen.add(pair)
  }
}

function* constraintErrors(constraint: TopologySpreadConstraint, path: string): Errors {
  const { maxSkew, minDomains, whenUnsatisfiable } = constraint
  if (!(maxSkew > 0)) yield field.invalid(`${path}.maxSkew`, maxSkew ?? 0, 'must be greater than zero')
  if (!constraint.topologyKey) yield field.required(`${path}.topologyKey`, 'can not be empty')
  else yield* textErrors(qualifiedNameErrors, constraint.topologyKey, `${path}.topologyKey`)
  if (!whenUnsatisfiable || !['DoNotSchedule', 'ScheduleAnyway'].includes(whenUnsatisfiable)) {
    const supported = ['DoNotSchedule', 'ScheduleAnyway']
    yield field.notSupported(`${path}.whenUnsatisfiable`, whenUnsatisfiable ?? '', supported)
  }
  if (typeof minDomains === 'number') {
    if (minDomains <= 0) yield field.invalid(`${path}.minDomains`, minDomains, 'must be greater than zero')
    if (whenUnsatisfiable !== 'DoNotSchedule') {
      const text = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`
      yield field.invalid(`${path}.minDomains`, minDomains, text)
    }
  }
  yield* supportedOrEmpty(constraint.nodeAffinityPolicy, `${path}.nodeAffinityPolicy`, ['Honor', 'Ignore'])
  yield* supportedOrEmpty(constraint.nodeTaintsPolicy, `${path}.nodeTaintsPolicy`, ['Honor', 'Ignore'])
  yield* labelKeysErrors(constraint.matchLabelKeys, constraint.labelSelector, `${path}.matchLabelKeys`)
  yield* selectorErrors(constraint.labelSelector, `${path}.labelSelector`)
}

/** Checks scheduling gates. */
export function* gatesErrors(gates: readonly PodSchedulingGate[] | undefined, path: string): Errors {
  const seen = new Set<string>()
  for (const [index, { name }] of (gates ?? []).entries()) {
    yield* textErrors(qualifiedNameErrors, name ?? '', `${path}[${index}]`)
    if (seen.has(name)) yield field.duplicate(`${path}[${index}]`, name)
    seen.add(name)
  }
}
