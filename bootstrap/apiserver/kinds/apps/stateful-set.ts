/** StatefulSet. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import { draftOf } from '../../../api/object.ts'
import type { PodTemplateSpec, StatefulSet, StatefulSetSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, restoreField, strategy } from '../common/build.ts'
import { countOrPercent, oneOf } from '../common/checks.ts'
import { fill, same, when } from '../common/defaulting.ts'
import { nonNegative } from '../common/metadata.ts'
import { dnsLabel } from '../common/names.ts'
import { defaultClaimSpec, defaultPodTemplate } from '../common/pod/defaults.ts'
import { podSpecWarnings, podTemplateErrors } from '../common/pod/spec.ts'
import { scaleSelector } from '../common/selector.ts'
import { alwaysRestartErrors, templateLabelsErrors, workloadSelectorErrors } from '../common/workload.ts'
import { templateColumns } from '../common/workload-columns.ts'

function defaults({ spec }: Draft<StatefulSet>): void {
  if (!spec) return
  fill(spec, {
    replicas: 1,
    podManagementPolicy: 'OrderedReady',
    updateStrategy: {},
    revisionHistoryLimit: 10,
    persistentVolumeClaimRetentionPolicy: {},
  })
  const rollout = spec.updateStrategy!
  fill(rollout, { type: 'RollingUpdate' })
  if (rollout.type === 'RollingUpdate') {
    rollout.rollingUpdate ??= {}
    fill(rollout.rollingUpdate, { partition: 0 })
  }
  fill(spec.persistentVolumeClaimRetentionPolicy!, { whenDeleted: 'Retain', whenScaled: 'Retain' })
  defaultPodTemplate(spec.template)
  for (const claim of spec.volumeClaimTemplates ?? []) {
    fill(claim, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', status: {} })
    fill(claim.status!, { phase: 'Pending' })
    when(claim.spec, defaultClaimSpec)
  }
}

function* validate({ spec }: StatefulSet): Errors {
  if (!spec) return
  const policies = ['OrderedReady', 'Parallel']
  if (!spec.podManagementPolicy) yield field.required('spec.podManagementPolicy')
  else if (!policies.includes(spec.podManagementPolicy)) {
    yield field.invalid('spec.podManagementPolicy', spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'")
  }
  yield* rolloutErrors(spec)
  for (const name of ['whenDeleted', 'whenScaled'] as const) {
    const path = `spec.persistentVolumeClaimRetentionPolicy.${name}`
    yield* oneOf(spec.persistentVolumeClaimRetentionPolicy?.[name], path, ['Retain', 'Delete'])
  }
  yield* nonNegative(spec.replicas, 'spec.replicas')
  yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds')
  yield* nonNegative(spec.ordinals?.start, 'spec.ordinals.start')
  yield* workloadSelectorErrors(spec, 'spec', 'empty selector is invalid for statefulset')
  yield* templateLabelsErrors(spec, 'spec')
  yield* podTemplateErrors(withClaims(spec), 'spec.template')
  yield* alwaysRestartErrors(spec.template, 'spec.template')
  if (typeof spec.template?.spec?.activeDeadlineSeconds === 'number') {
    const text = 'activeDeadlineSeconds in StatefulSet is not Supported'
    yield field.forbidden('spec.template.spec.activeDeadlineSeconds', text)
  }
}

/** The template as pods will have it: with a volume per claim template. */
function withClaims({ template, volumeClaimTemplates = [] }: StatefulSetSpec): PodTemplateSpec {
  if (!template?.spec || volumeClaimTemplates.length === 0) return template
  const claims = volumeClaimTemplates.map(claim => claim.metadata?.name ?? '')
  const own = (template.spec.volumes ?? []).filter(volume => !claims.includes(volume.name))
  const added = claims.map(name => ({ name, persistentVolumeClaim: { claimName: name } }))
  return { ...template, spec: { ...template.spec, volumes: [...own, ...added] } }
}

function* rolloutErrors({ updateStrategy = {} }: StatefulSetSpec): Errors {
  const path = 'spec.updateStrategy'
  const { type, rollingUpdate } = updateStrategy
  if (!type) yield field.required(path)
  else if (type === 'OnDelete') {
    if (rollingUpdate) {
      yield field.invalid(`${path}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")
    }
  } else if (type === 'RollingUpdate') {
    yield* nonNegative(rollingUpdate?.partition, `${path}.rollingUpdate.partition`)
    if (rollingUpdate?.maxUnavailable !== undefined) {
      yield* countOrPercent(rollingUpdate.maxUnavailable, `${path}.rollingUpdate.maxUnavailable`)
    }
  } else yield field.invalid(path, updateStrategy, "must be 'RollingUpdate' or 'OnDelete'")
}

const changeable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const

function* validateUpdate(set: StatefulSet, old: StatefulSet): Errors {
  if (!set.spec || !old.spec) return
  const rest = draftOf(set.spec)
  for (const name of changeable) restoreField(rest, old.spec, name)
  if (same(rest, old.spec)) return
  const names = changeable.map(name => `'${name}'`)
  const list = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
  yield field.forbidden('spec', `updates to statefulset spec for fields other than ${list} are forbidden`)
}

export const statefulSet = strategy<StatefulSet>({
  hasGeneration: true,
  validateName: dnsLabel,
  defaults,
  status: { replicas: 0, availableReplicas: 0 },
  validate,
  validateUpdate,
  warnings: object => podSpecWarnings(object.spec?.template?.spec, 'spec.template.spec'),
  scale: {
    specReplicas: 'spec.replicas',
    statusReplicas: 'status.replicas',
    selector: object => scaleSelector(object.spec?.selector),
  },
  fieldNames: ['status.successful'],
  columns: [
    nameColumn,
    column('Ready', object => `${object.status?.readyReplicas ?? 0}/${object.spec?.replicas ?? 0}`),
    ageColumn,
    ...templateColumns<StatefulSet>(object => object.spec?.template),
  ],
})
