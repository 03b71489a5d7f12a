/** ReplicationController. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import { formatLabels, selectsMap } from '../../../api/selectors.ts'
import type { ReplicationController } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { strategy, wide } from '../common/build.ts'
import { nonNegative } from '../common/metadata.ts'
import { defaultPodTemplate } from '../common/pod/defaults.ts'
import { podTemplateErrors } from '../common/pod/spec.ts'
import { labelsText } from '../common/selector.ts'
import { replicated, templateColumns } from '../common/workload-columns.ts'

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
  if (!selectsMap(spec.selector, labels)) {
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
    ...replicated.scalePaths,
    selector: object => formatLabels(object.spec?.selector),
  },
  fieldNames: replicated.fieldNames,
  fields: replicated.fields,
  columns: [
    ...replicated.columns<ReplicationController>(),
    ...templateColumns<ReplicationController>(object => object.spec?.template),
    wide('Selector', object => labelsText(object.spec?.selector)),
  ],
})
