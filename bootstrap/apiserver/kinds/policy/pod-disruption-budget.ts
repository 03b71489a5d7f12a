/** PodDisruptionBudget. */
import { field } from '../../../api/errors.ts'
import type { PodDisruptionBudget } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { atMostHundredPercent, countOrPercent, supportedOrEmpty } from '../common/checks.ts'
import { nonNegative } from '../common/metadata.ts'
import { selectorErrors } from '../common/selector.ts'
import { countColumn } from '../common/workload-columns.ts'

const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const

export const podDisruptionBudget = strategy<PodDisruptionBudget>({
  hasGeneration: true,
  allowUnconditionalUpdate: false,
  status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
  *validate({ spec = {} }) {
    if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
      yield field.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set')
    }
    for (const name of ['minAvailable', 'maxUnavailable'] as const) {
      yield* countOrPercent(spec[name], `spec.${name}`)
      yield* atMostHundredPercent(spec[name], `spec.${name}`)
    }
    yield* selectorErrors(spec.selector, 'spec.selector')
    const policies = ['AlwaysAllow', 'IfHealthyBudget']
    yield* supportedOrEmpty(spec.unhealthyPodEvictionPolicy, 'spec.unhealthyPodEvictionPolicy', policies)
  },
  *validateStatusUpdate({ status }) {
    for (const name of counts) yield* nonNegative(status?.[name], `status.${name}`)
  },
  columns: [
    nameColumn,
    column('Min Available', object => String(object.spec?.minAvailable ?? 'N/A')),
    column('Max Unavailable', object => String(object.spec?.maxUnavailable ?? 'N/A')),
    countColumn('Allowed Disruptions', object => object.status?.disruptionsAllowed),
    ageColumn,
  ],
})
