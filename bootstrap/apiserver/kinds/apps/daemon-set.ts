/** DaemonSet. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type { DaemonSet, DaemonSetSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { atMostHundredPercent, countOrPercent, immutable } from '../common/checks.ts'
import { fill, same } from '../common/defaulting.ts'
import { nonNegative } from '../common/metadata.ts'
import { defaultPodTemplate } from '../common/pod/defaults.ts'
import { podSpecWarnings } from '../common/pod/spec.ts'
import { labelsText } from '../common/selector.ts'
import { runningTemplateErrors, workloadSelectorErrors } from '../common/workload.ts'
import { countColumn, templateColumns } from '../common/workload-columns.ts'

/** Where apps/v1 keeps the counter of template changes that older versions had in the spec. */
const templateGeneration = 'deprecated.daemonset.template.generation'

function defaults({ spec }: Draft<DaemonSet>): void {
  if (!spec) return
  fill(spec, { updateStrategy: {}, revisionHistoryLimit: 10 })
  const rollout = spec.updateStrategy!
  fill(rollout, { type: 'RollingUpdate' })
  if (rollout.type === 'RollingUpdate') {
    rollout.rollingUpdate ??= {}
    fill(rollout.rollingUpdate, { maxUnavailable: 1, maxSurge: 0 })
  }
  defaultPodTemplate(spec.template)
}

function countTemplate(draft: Draft<DaemonSet>, generation: number): void {
  const metadata = (draft.metadata ??= {})
  metadata.annotations = { ...metadata.annotations, [templateGeneration]: String(generation) }
}

function* validate({ spec }: DaemonSet): Errors {
  if (!spec) return
  yield* workloadSelectorErrors(spec, 'spec', 'empty selector is invalid for daemonset')
  yield* runningTemplateErrors(spec, 'spec', 'DaemonSet')
  yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds')
  yield* rolloutErrors(spec)
  yield* nonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit')
}

const isZero = (value: unknown) => value === undefined || value === 0 || value === '0%'

function* rolloutErrors({ updateStrategy = {} }: DaemonSetSpec): Errors {
  const { type, rollingUpdate } = updateStrategy
  if (type === 'OnDelete') return
  if (type !== 'RollingUpdate') {
    return yield field.notSupported('spec.updateStrategy', updateStrategy, ['RollingUpdate', 'OnDelete'])
  }
  const path = 'spec.updateStrategy.rollingUpdate'
  const { maxUnavailable, maxSurge } = rollingUpdate ?? {}
  yield* countOrPercent(maxUnavailable, `${path}.maxUnavailable`)
  yield* countOrPercent(maxSurge, `${path}.maxSurge`)
  yield* atMostHundredPercent(maxUnavailable, `${path}.maxUnavailable`)
  yield* atMostHundredPercent(maxSurge, `${path}.maxSurge`)
  if (!isZero(maxUnavailable) && !isZero(maxSurge)) {
    yield field.invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero')
  } else if (isZero(maxUnavailable) && isZero(maxSurge)) {
    yield field.required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0')
  }
}

export const daemonSet = strategy<DaemonSet>({
  hasGeneration: true,
  defaults,
  status: { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 },
  prepareForCreate: draft => countTemplate(draft, 1),
  prepareForUpdate(draft, old) {
    const before = Number(old.metadata?.annotations?.[templateGeneration] ?? 1)
    countTemplate(draft, same(draft.spec?.template, old.spec?.template) ? before : before + 1)
  },
  validate,
  validateUpdate: (object, old) => immutable(object.spec?.selector, old.spec?.selector, 'spec.selector'),
  warnings: object => podSpecWarnings(object.spec?.template?.spec, 'spec.template.spec'),
  columns: [
    nameColumn,
    countColumn('Desired', object => object.status?.desiredNumberScheduled),
    countColumn('Current', object => object.status?.currentNumberScheduled),
    countColumn('Ready', object => object.status?.numberReady),
    countColumn('Up-to-date', object => object.status?.updatedNumberScheduled),
    countColumn('Available', object => object.status?.numberAvailable),
    column('Node Selector', object => labelsText(object.spec?.template?.spec?.nodeSelector)),
    ageColumn,
    ...templateColumns<DaemonSet>(
      object => object.spec?.template,
      object => object.spec?.selector,
    ),
  ],
})
