/** ReplicationController. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import { formatLabels } from '../../../api/selectors.ts'
import type { ReplicationController } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, nameColumn, strategy, wide } from '../common/build.ts'
import { nonNegative } from '../common/metadata.ts'
import { defaultPodTemplate } from '../common/pod/defaults.ts'
import { podTemplateErrors } from '../common/pod/spec.ts'
import { labelsText } from '../common/selector.ts'
import { countColumn, templateColumns } from '../common/workload-columns.ts'

function defaults(controller: Draft<ReplicationController>): void {
  const spec = (controller.spec ??= {})
  const labels = spec.template?.metadata?.labels
  if (labels) {
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels }
    const metadata = (controller.metadata ??= {})
    if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
  }
  spec.replicas ??= 1
  defaultPodTemplate(spec.template)
}

function* validate({ spec = {} }: ReplicationController): Errors {
  yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds')
  const selector = Object.entries(spec.selector ?? {})
  if (selector.length === 0) yield field.required('spec.selector')
  yield* nonNegative(spec.replicas, 'spec.replicas')
  if (!spec.template) return yield field.required('spec.template')
  const labels = spec.template.metadata?.labels ?? {}
  if (selector.length > 0 && !selector.every(([key, value]) => labels[key] === value)) {
    const text = '`selector` does not match template `labels`'
    yield field.invalid('spec.template.metadata.labels', labels, text)
  }
  yield* podTemplateErrors(spec.template, 'spec.template')
  const policy = spec.template.spec?.restartPolicy
  if (policy && policy !== 'Always') {
    yield field.notSupported('spec.template.spec.restartPolicy', policy, ['Always'])
  }
  if (spec.template.spec?.activeDeadlineSeconds !== undefined) {
    yield field.forbidden(
      'spec.template.spec.activeDeadlineSeconds',
      'activeDeadlineSeconds in ReplicaSet is not Supported',
    )
  }
}

export const replicationController = strategy<ReplicationController>({
  hasGeneration: true,
  defaultPropagation: 'Orphan',
  defaults,
  status: { replicas: 0 },
  validate,
  scale: {
    specReplicas: 'spec.replicas',
    statusReplicas: 'status.replicas',
    selector: object => formatLabels(object.spec?.selector),
  },
  fieldNames: ['status.replicas'],
  fields: object => ({ 'status.replicas': String(object.status?.replicas ?? 0) }),
  columns: [
    nameColumn,
    countColumn('Desired', object => object.spec?.replicas),
    countColumn('Current', object => object.status?.replicas),
    countColumn('Ready', object => object.status?.readyReplicas),
    ageColumn,
    ...templateColumns<ReplicationController>(object => object.spec?.template),
    wide('Selector', object => labelsText(object.spec?.selector)),
  ],
})
