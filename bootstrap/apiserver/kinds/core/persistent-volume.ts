/** PersistentVolume. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import { rfc3339 } from '../../../api/time.ts'
import type { PersistentVolume, PersistentVolumeSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy, wide } from '../common/build.ts'
import { supportedOrEmpty } from '../common/checks.ts'
import { fill, same } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsSubdomain } from '../common/names.ts'
import { defaultLegacyVolume } from '../common/pod/defaults.ts'
import { nodeSelectorErrors } from '../common/pod/placement.ts'
import { noBacksteps } from '../common/pod/security.ts'
import { canonical, quantityOf, roundResources } from '../common/quantity.ts'
import { accessModesErrors, accessModesText } from './access-modes.ts'

/** The fields of a spec that are not a volume source. */
const ownFields = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
])

const sourcesOf = (spec: PersistentVolumeSpec | undefined) =>
  Object.entries(spec ?? {}).filter(([name, value]) => !ownFields.has(name) && value)

function defaults(volume: Draft<PersistentVolume>): void {
  const spec = volume.spec
  if (!spec) return
  fill(spec, { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' })
  defaultLegacyVolume(spec as Parameters<typeof defaultLegacyVolume>[0])
  if (spec.hostPath) spec.hostPath.type ??= ''
  roundResources(spec.capacity)
}

function* validate(volume: PersistentVolume): Errors {
  const spec = volume.spec ?? {}
  yield* accessModesErrors(spec.accessModes, 'spec.accessModes')
  yield* capacityErrors(spec)
  yield* sourceErrors(spec)
  if (spec.nodeAffinity) {
    if (!spec.nodeAffinity.required)
      yield field.required('spec.nodeAffinity.required', 'must specify required node constraints')
    else yield* nodeSelectorErrors(spec.nodeAffinity.required, 'spec.nodeAffinity.required')
  }
  const policies = ['Delete', 'Recycle', 'Retain']
  yield* supportedOrEmpty(spec.persistentVolumeReclaimPolicy, 'spec.persistentVolumeReclaimPolicy', policies)
  if (spec.storageClassName) yield* textErrors(dnsSubdomain, spec.storageClassName, 'spec.storageClassName')
  yield* supportedOrEmpty(spec.volumeMode, 'spec.volumeMode', ['Block', 'Filesystem'])
  if (spec.hostPath?.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    yield field.forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'")
  }
}

function* capacityErrors(spec: PersistentVolumeSpec): Errors {
  const capacity = Object.entries(spec.capacity ?? {})
  if (capacity.length === 0) yield field.required('spec.capacity')
  if (capacity.length > 1 || (capacity.length === 1 && capacity[0]![0] !== 'storage')) {
    yield field.notSupported('spec.capacity', spec.capacity, ['storage'])
  }
  for (const [name, value] of capacity) {
    if (quantityOf(value).sign() <= 0) {
      yield field.invalid(`spec.capacity[${name}]`, canonical(value), 'must be greater than zero')
    }
  }
}

function* sourceErrors(spec: PersistentVolumeSpec): Errors {
  const [first, ...others] = sourcesOf(spec)
  if (!first) yield field.required('spec', 'must specify a volume type')
  for (const [name] of others) yield field.forbidden(`spec.${name}`, 'may not specify more than 1 volume type')
  const { hostPath, local, nfs, csi } = spec
  if (hostPath && !hostPath.path) yield field.required('spec.hostPath.path')
  if (hostPath?.path) yield* noBacksteps(hostPath.path, 'spec.hostPath.path')
  if (local && !local.path) yield field.required('spec.local.path')
  if (local && !spec.nodeAffinity?.required) {
    yield field.required('spec.nodeAffinity', 'Local volume requires node affinity')
  }
  if (nfs && !nfs.server) yield field.required('spec.nfs.server')
  if (nfs && !nfs.path) yield field.required('spec.nfs.path')
  if (csi && !csi.driver) yield field.required('spec.csi.driver')
  if (csi && !csi.volumeHandle) yield field.required('spec.csi.volumeHandle')
}

function* validateUpdate(volume: PersistentVolume, old: PersistentVolume): Errors {
  if (!same(Object.fromEntries(sourcesOf(volume.spec)), Object.fromEntries(sourcesOf(old.spec)))) {
    yield field.forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation')
  }
  if (!same(volume.spec?.volumeMode, old.spec?.volumeMode)) {
    yield field.immutable('spec.volumeMode', volume.spec?.volumeMode)
  }
  if (old.spec?.nodeAffinity && !same(volume.spec?.nodeAffinity, old.spec.nodeAffinity)) {
    yield field.immutable('spec.nodeAffinity', volume.spec?.nodeAffinity)
  }
}

function claimText({ spec }: PersistentVolume): string {
  return spec?.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : ''
}

export const persistentVolume = strategy<PersistentVolume>({
  defaults,
  status: { phase: 'Pending' },
  prepareForCreate(draft, { clock }) {
    draft.status = { phase: 'Pending', lastPhaseTransitionTime: rfc3339(clock.now()) }
  },
  prepareForStatusUpdate(draft, old, { clock }) {
    if (!draft.status || draft.status.phase === old.status?.phase) return
    if (!same(draft.status.lastPhaseTransitionTime, old.status?.lastPhaseTransitionTime)) return
    draft.status.lastPhaseTransitionTime = rfc3339(clock.now())
  },
  validate,
  validateUpdate,
  fieldNames: ['name'],
  fields: object => ({ name: object.metadata?.name ?? '' }),
  columns: [
    nameColumn,
    column('Capacity', object => object.spec?.capacity?.storage ?? '0'),
    column('Access Modes', object => accessModesText(object.spec?.accessModes)),
    column('Reclaim Policy', object => object.spec?.persistentVolumeReclaimPolicy),
    column('Status', object => (object.metadata?.deletionTimestamp ? 'Terminating' : object.status?.phase)),
    column('Claim', claimText),
    column(
      'StorageClass',
      object =>
        object.metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'] ??
        object.spec?.storageClassName ??
        '',
    ),
    column('VolumeAttributesClass', object => object.spec?.volumeAttributesClassName ?? '<unset>'),
    column('Reason', object => object.status?.reason ?? ''),
    ageColumn,
    wide('VolumeMode', object => object.spec?.volumeMode ?? '<unset>'),
  ],
})
