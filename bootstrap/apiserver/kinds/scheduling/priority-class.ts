/** PriorityClass. */
import { field } from '../../../api/errors.ts'
import type { PriorityClass } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable, oneOf } from '../common/checks.ts'
import { fill } from '../common/defaulting.ts'

const maxUserValue = 1_000_000_000
const systemClasses = new Map([
  ['system-cluster-critical', 2_000_000_000],
  ['system-node-critical', 2_000_001_000],
])

function* validate({ metadata, value = 0, globalDefault, preemptionPolicy }: PriorityClass): Errors {
  const name = metadata?.name ?? ''
  if (name.startsWith('system-')) {
    const expected = systemClasses.get(name)
    const problem =
      expected === undefined
        ? `${name} is not a known system priority class`
        : expected !== value
          ? `value of ${name} PriorityClass must be ${expected}`
          : globalDefault
            ? `globalDefault of ${name} PriorityClass must be false`
            : undefined
    if (problem) {
      const text = "priority class names with 'system-' prefix are reserved for system use only. error: "
      yield field.forbidden('metadata.name', text + problem)
    }
  } else if (value > maxUserValue) {
    const text = `maximum allowed value of a user defined priority is ${maxUserValue}`
    yield field.forbidden('value', text)
  }
  yield* oneOf(preemptionPolicy, 'preemptionPolicy', ['PreemptLowerPriority', 'Never'])
}

export const priorityClass = strategy<PriorityClass>({
  hasGeneration: true,
  bumpsGeneration: () => false,
  defaults: draft => fill(draft, { preemptionPolicy: 'PreemptLowerPriority' }),
  validate,
  *validateUpdate(object, old) {
    if (object.value !== old.value) yield field.forbidden('value', 'may not be changed in an update.')
    yield* immutable(object.preemptionPolicy, old.preemptionPolicy, 'preemptionPolicy')
  },
  columns: [
    nameColumn,
    column('Value', object => object.value, 'integer'),
    column('Global-Default', object => object.globalDefault ?? false, 'boolean'),
    ageColumn,
    column('PreemptionPolicy', object => object.preemptionPolicy),
  ],
})
