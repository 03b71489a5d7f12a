/** Deployment. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type { Deployment, DeploymentSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { atMostHundredPercent, countOrPercent, immutable } from '../common/checks.ts'
import { fill, same } from '../common/defaulting.ts'
import { nonNegative } from '../common/metadata.ts'
import { defaultPodTemplate } from '../common/pod/defaults.ts'
import { podSpecWarnings } from '../common/pod/spec.ts'
import { scaleSelector } from '../common/selector.ts'
import { runningTemplateErrors, workloadSelectorErrors } from '../common/workload.ts'
import { countColumn, templateColumns } from '../common/workload-columns.ts'

function defaults(deployment: Draft<Deployment>): void {
  const spec = deployment.spec
  if (!spec) return
  fill(spec, { replicas: 1, strategy: {}, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 })
  const rollout = spec.strategy!
  fill(rollout, { type: 'RollingUpdate' })
  if (rollout.type === 'RollingUpdate') {
    rollout.rollingUpdate ??= {}
    fill(rollout.rollingUpdate, { maxUnavailable: '25%', maxSurge: '25%' })
  }
  defaultPodTemplate(spec.template)
}

function* validate({ spec }: Deployment): Errors {
  if (!spec) return
  yield* nonNegative(spec.replicas, 'spec.replicas')
  yield* workloadSelectorErrors(spec, 'spec', 'empty selector is invalid for deployment')
  yield* runningTemplateErrors(spec, 'spec', 'ReplicaSet')
  yield* rolloutErrors(spec)
  yield* nonNegative(spec.minReadySeconds, 'spec.minReadySeconds')
  yield* nonNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit')
  const deadline = spec.progressDeadlineSeconds
  yield* nonNegative(deadline, 'spec.progressDeadlineSeconds')
  if (typeof deadline === 'number' && deadline <= (spec.minReadySeconds ?? 0)) {
    yield field.invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds')
  }
}

const isZero = (value: unknown) => value === undefined || value === 0 || value === '0%'

function* rolloutErrors({ strategy: rollout = {} }: DeploymentSpec): Errors {
  const path = 'spec.strategy.rollingUpdate'
  const { type, rollingUpdate } = rollout
  if (type === 'Recreate') {
    if (rollingUpdate) yield field.forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
    return
  }
  if (type !== 'RollingUpdate') {
    return yield field.notSupported('spec.strategy', rollout, ['Recreate', 'RollingUpdate'])
  }
  const { maxUnavailable, maxSurge } = rollingUpdate ?? {}
  yield* countOrPercent(maxUnavailable, `${path}.maxUnavailable`)
  yield* countOrPercent(maxSurge, `${path}.maxSurge`)
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    yield field.invalid(`${path}.maxUnavailable`, maxUnavailable ?? 0, 'may not be 0 when `maxSurge` is 0')
  }
  yield* atMostHundredPercent(maxUnavailable, `${path}.maxUnavailable`)
}

function* validateStatusUpdate({ status = {} }: Deployment, old: Deployment): Errors {
  const counts = ['replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas', 'unavailableReplicas'] as const
  for (const name of counts) yield* nonNegative(status[name], `status.${name}`)
  const total = status.replicas ?? 0
  const more = 'cannot be greater than status.replicas'
  for (const name of ['updatedReplicas', 'readyReplicas', 'availableReplicas'] as const) {
    if ((status[name] ?? 0) > total) yield field.invalid(`status.${name}`, status[name], more)
  }
  if ((status.availableReplicas ?? 0) > (status.readyReplicas ?? 0)) {
    yield field.invalid('status.availableReplicas', status.availableReplicas, 'cannot be greater than readyReplicas')
  }
  if ((status.collisionCount ?? 0) < (old.status?.collisionCount ?? 0)) {
    yield field.invalid('status.collisionCount', status.collisionCount ?? 0, 'cannot be decremented')
  }
}

export const deployment = strategy<Deployment>({
  hasGeneration: true,
  bumpsGeneration: (object, old) =>
    !same(object.spec, old.spec) || !same(object.metadata?.annotations ?? {}, old.metadata?.annotations ?? {}),
  defaults,
  status: {},
  validate,
  validateUpdate: (object, old) => immutable(object.spec?.selector, old.spec?.selector, 'spec.selector'),
  validateStatusUpdate,
  warnings: object => podSpecWarnings(object.spec?.template?.spec, 'spec.template.spec'),
  scale: {
    specReplicas: 'spec.replicas',
    statusReplicas: 'status.replicas',
    selector: object => scaleSelector(object.spec?.selector),
  },
  columns: [
    nameColumn,
    column('Ready', object => `${object.status?.readyReplicas ?? 0}/${object.spec?.replicas ?? 0}`),
    countColumn('Up-to-date', object => object.status?.updatedReplicas),
    countColumn('Available', object => object.status?.availableReplicas),
    ageColumn,
    ...templateColumns<Deployment>(
      object => object.spec?.template,
      object => object.spec?.selector,
    ),
  ],
})
