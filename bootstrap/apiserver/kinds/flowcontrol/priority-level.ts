/** PriorityLevelConfiguration. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type { PriorityLevelConfiguration as PriorityLevel } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { oneOf } from '../common/checks.ts'
import { fill, fillZero } from '../common/defaulting.ts'

function defaults({ spec }: Draft<PriorityLevel>): void {
  if (spec?.exempt) fill(spec.exempt, { nominalConcurrencyShares: 0, lendablePercent: 0 })
  const limited = spec?.limited
  if (!limited) return
  fill(limited, { nominalConcurrencyShares: 30, lendablePercent: 0 })
  const queuing = limited.limitResponse?.queuing
  if (queuing) fillZero(queuing, { queues: 64, handSize: 8, queueLengthLimit: 50 })
}

function* validate({ spec }: PriorityLevel): Errors {
  yield* oneOf(spec?.type, 'spec.type', ['Exempt', 'Limited'])
  if (spec?.type === 'Exempt') {
    if (spec.limited) yield field.forbidden('spec.limited', 'must be nil if the type is Exempt')
    return
  }
  if (spec?.exempt) yield field.forbidden('spec.exempt', 'must be nil if the type is not Exempt')
  const limited = spec?.limited
  if (spec?.type !== 'Limited') return
  if (!limited) return yield field.required('spec.limited', 'must not be empty when type is Limited')
  const path = 'spec.limited'
  if ((limited.nominalConcurrencyShares ?? 0) < 0) {
    yield field.invalid(
      `${path}.nominalConcurrencyShares`,
      limited.nominalConcurrencyShares,
      'must be a non-negative integer',
    )
  }
  const percent = limited.lendablePercent ?? 0
  if (percent < 0 || percent > 100) {
    yield field.invalid(`${path}.lendablePercent`, percent, 'must be between 0 and 100, inclusive')
  }
  yield* oneOf(limited.limitResponse?.type, `${path}.limitResponse.type`, ['Queue', 'Reject'])
  const queuing = limited.limitResponse?.queuing
  if (limited.limitResponse?.type === 'Queue' && !queuing) {
    yield field.required(`${path}.limitResponse.queuing`, 'must not be empty if limited.limitResponse.type is Queue')
  }
  if (limited.limitResponse?.type === 'Reject' && queuing) {
    yield field.forbidden(`${path}.limitResponse.queuing`, 'must be nil if limited.limitResponse.type is not Limited')
  }
  if (queuing && (queuing.handSize ?? 0) > (queuing.queues ?? 0)) {
    const text = `should not be greater than queues (${queuing.queues})`
    yield field.invalid(`${path}.limitResponse.queuing.handSize`, queuing.handSize, text)
  }
}

const queuingOf = ({ spec }: PriorityLevel) => spec?.limited?.limitResponse?.queuing
const numberText = (value: number | undefined) => (value === undefined ? '<none>' : String(value))

export const priorityLevelConfiguration = strategy<PriorityLevel>({
  hasGeneration: true,
  defaults,
  status: {},
  validate,
  columns: [
    nameColumn,
    column('Type', object => object.spec?.type),
    column('NominalConcurrencyShares', ({ spec }) => numberText(spec?.limited?.nominalConcurrencyShares)),
    column('Queues', object => numberText(queuingOf(object)?.queues)),
    column('HandSize', object => numberText(queuingOf(object)?.handSize)),
    column('QueueLengthLimit', object => numberText(queuingOf(object)?.queueLengthLimit)),
    ageColumn,
  ],
})
