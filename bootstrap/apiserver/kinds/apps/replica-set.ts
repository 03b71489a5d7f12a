/** ReplicaSet. */
import type { ReplicaSet } from '../../../api/types.gen.ts'
import { ageColumn, nameColumn, strategy } from '../common/build.ts'
import { immutable } from '../common/checks.ts'
import { fill } from '../common/defaulting.ts'
import { nonNegative } from '../common/metadata.ts'
import { defaultPodTemplate } from '../common/pod/defaults.ts'
import { podSpecWarnings } from '../common/pod/spec.ts'
import { scaleSelector } from '../common/selector.ts'
import { runningTemplateErrors, workloadSelectorErrors } from '../common/workload.ts'
import { countColumn, templateColumns } from '../common/workload-columns.ts'

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
    specReplicas: 'spec.replicas',
    statusReplicas: 'status.replicas',
    selector: object => scaleSelector(object.spec?.selector),
  },
  fieldNames: ['status.replicas'],
  fields: object => ({ 'status.replicas': String(object.status?.replicas ?? 0) }),
  columns: [
    nameColumn,
    countColumn('Desired', object => object.spec?.replicas),
    countColumn('Current', object => object.status?.replicas),
    countColumn('Ready', object => object.status?.readyReplicas),
    ageColumn,
    ...templateColumns<ReplicaSet>(
      object => object.spec?.template,
      object => object.spec?.selector,
    ),
  ],
})
