/** ReplicaSet. */
import type { ReplicaSet } from '../../../api/types.gen.ts'
import { strategy } from '../common/build.ts'
import { immutable } from '../common/checks.ts'
import { fill } from '../common/defaulting.ts'
import { nonNegative } from '../common/metadata.ts'
import { defaultPodTemplate } from '../common/pod/defaults.ts'
import { podSpecWarnings } from '../common/pod/spec.ts'
import { scaleSelector } from '../common/selector.ts'
import { runningTemplateErrors, workloadSelectorErrors } from '../common/workload.ts'
import { replicated, templateColumns } from '../common/workload-columns.ts'

export const replicaSet = strategy<ReplicaSet>({
  hasGeneration: true,
  defaults({ spec }) {
    if (!spec) return
    fill(spec, { replicas: 1 })
    defaultPodTemplate(spec.template)
  },
  status: { replicas: 0 },
  *validate({ spec }) {
    if (!spec) return
    yield* nonNegative(spec.replicas, 'spec.replicas')
    yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds')
    yield* workloadSelectorErrors(spec, 'spec', 'empty selector is invalid for deployment')
    yield* runningTemplateErrors(spec, 'spec', 'ReplicaSet')
  },
  validateUpdate: (object, old) => immutable(object.spec?.selector, old.spec?.selector, 'spec.selector'),
  warnings: object => podSpecWarnings(object.spec?.template?.spec, 'spec.template.spec'),
  scale: {
    ...replicated.scalePaths,
    selector: object => scaleSelector(object.spec?.selector),
  },
  fieldNames: replicated.fieldNames,
  fields: replicated.fields,
  columns: [
    ...replicated.columns<ReplicaSet>(),
    ...templateColumns<ReplicaSet>(
      object => object.spec?.template,
      object => object.spec?.selector,
    ),
  ],
})
