/** PersistentVolumeClaim. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import { draftOf } from '../../../api/object.ts'
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, restoreField, strategy, wide } from '../common/build.ts'
import { supportedOrEmpty } from '../common/checks.ts'
import { same, when } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsSubdomain } from '../common/names.ts'
import { defaultClaimSpec } from '../common/pod/defaults.ts'
import { canonical, quantityOf } from '../common/quantity.ts'
import { selectorErrors } from '../common/selector.ts'
import { accessModesErrors, accessModesText } from './access-modes.ts'

type Claim = PersistentVolumeClaim
const classAnnotation = 'volume.beta.kubernetes.io/storage-class'

/** dataSource and dataSourceRef say the same unless the latter names another namespace. */
function normalizeSources(spec: Draft<PersistentVolumeClaimSpec>): void {
  const { dataSource, dataSourceRef } = spec
  if (dataSource && !dataSourceRef) spec.dataSourceRef = { ...dataSource }
  else if (dataSourceRef && !dataSource && !dataSourceRef.namespace) {
    const { namespace: _none, ...source } = dataSourceRef
    spec.dataSource = source
  }
}

function* claimSpecErrors(spec: PersistentVolumeClaimSpec): Errors {
  yield* accessModesErrors(spec.accessModes, 'spec.accessModes', 'at least 1 access mode is required')
  yield* selectorErrors(spec.selector, 'spec.selector')
  const storage = spec.resources?.requests?.storage
  if (storage === undefined) yield field.required('spec.resources[storage]')
  else if (quantityOf(storage).sign() <= 0) {
    yield field.invalid('spec.resources[storage]', canonical(storage), 'must be greater than zero')
  }
  if (spec.storageClassName) yield* textErrors(dnsSubdomain, spec.storageClassName, 'spec.storageClassName')
  yield* supportedOrEmpty(spec.volumeMode, 'spec.volumeMode', ['Block', 'Filesystem'])
  if (spec.dataSource && spec.dataSourceRef && !spec.dataSourceRef.namespace) {
    const { namespace: _none, ...reference } = spec.dataSourceRef
    if (!same(spec.dataSource, reference)) yield field.invalid('spec', spec.dataSource, 'must match dataSourceRef')
  }
  if (spec.volumeAttributesClassName) {
    yield* textErrors(dnsSubdomain, spec.volumeAttributesClassName, 'spec.volumeAttributesClassName')
  }
}

const frozenText =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'

function* validateUpdate(claim: Claim, old: Claim): Errors {
  const rest = draftOf(claim.spec ?? {})
  const before = old.spec ?? {}
  if (!before.volumeName) restoreField(rest, before, 'volumeName')
  if (before.storageClassName === undefined) restoreField(rest, before, 'storageClassName')
  const bound = old.status?.phase === 'Bound'
  if (bound && rest.resources) restoreField(rest.resources, before.resources ?? {}, 'requests')
  restoreField(rest, before, 'volumeAttributesClassName')
  if (!same(rest, before)) yield field.forbidden('spec', frozenText)
  yield* sizeErrors(claim, old)
  if (before.volumeAttributesClassName && !claim.spec?.volumeAttributesClassName) {
    const path = 'spec.volumeAttributesClassName'
    if (claim.spec?.volumeAttributesClassName === undefined) {
      yield field.forbidden(path, 'update from non-nil value to nil is forbidden')
    } else yield field.forbidden(path, 'update from non-nil value to an empty string is forbidden')
  }
}

function* sizeErrors(claim: Claim, old: Claim): Errors {
  const size = quantityOf(claim.spec?.resources?.requests?.storage)
  if (size.compare(quantityOf(old.spec?.resources?.requests?.storage)) >= 0) return
  const capacity = old.status?.capacity?.storage
  if (capacity === undefined || size.compare(quantityOf(capacity)) <= 0) {
    yield field.forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity')
  }
}

const bound = (claim: Claim) => Boolean(claim.spec?.volumeName)

export const persistentVolumeClaim = strategy<Claim>({
  defaults: draft => when(draft.spec, defaultClaimSpec),
  status: { phase: 'Pending' },
  prepareForCreate: draft => when(draft.spec, normalizeSources),
  prepareForUpdate: draft => when(draft.spec, normalizeSources),
  validate: claim => claimSpecErrors(claim.spec ?? {}),
  validateUpdate,
  fieldNames: ['name'],
  fields: object => ({ name: object.metadata?.name ?? '' }),
  columns: [
    nameColumn,
    column('Status', object => (object.metadata?.deletionTimestamp ? 'Terminating' : object.status?.phase)),
    column('Volume', object => object.spec?.volumeName ?? ''),
    column('Capacity', object => (bound(object) ? (object.status?.capacity?.storage ?? '0') : '')),
    column('Access Modes', object => (bound(object) ? accessModesText(object.status?.accessModes) : '')),
    column(
      'StorageClass',
      object => object.metadata?.annotations?.[classAnnotation] ?? object.spec?.storageClassName ?? '',
    ),
    column('VolumeAttributesClass', object => object.spec?.volumeAttributesClassName ?? '<unset>'),
    ageColumn,
    wide('VolumeMode', object => object.spec?.volumeMode ?? '<unset>'),
  ],
})
