/** StorageClass and VolumeAttributesClass. */
import { field } from '../../../api/errors.ts'
import { qualifiedNameErrors } from '../../../api/labels.ts'
import type { StorageClass, VolumeAttributesClass } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable, oneOf, supportedOrEmpty } from '../common/checks.ts'
import { fill, same } from '../common/defaulting.ts'

type Classed = {
  readonly metadata?:
    | { readonly name?: string | undefined; readonly annotations?: { readonly [key: string]: string } | undefined }
    | undefined
}

/** The name, with " (default)" for the class claims get without asking. */
function classText({ metadata }: Classed, annotation: string): string {
  const beta = annotation.replace('storageclass.', 'storageclass.beta.')
  const isDefault = metadata?.annotations?.[annotation] === 'true' || metadata?.annotations?.[beta] === 'true'
  return `${metadata?.name ?? ''}${isDefault ? ' (default)' : ''}`
}

const classNameColumn = (annotation: string) => ({
  ...nameColumn,
  cell: (object: Classed) => classText(object, annotation),
})

function* provisionerErrors(name: string | undefined, path: string): Errors {
  if (!name) yield field.required(path)
  else for (const text of qualifiedNameErrors(name.toLowerCase())) yield field.invalid(path, name, text)
}

function* parametersErrors(parameters: { readonly [key: string]: string } | undefined): Errors {
  const entries = Object.entries(parameters ?? {})
  if (entries.length > 512) {
    yield field.tooLong('parameters', 512)
    return
  }
  let bytes = 0
  for (const [key, value] of entries) {
    if (key === '') yield field.invalid('parameters', key, 'field can not be empty.')
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (bytes > 256 * 1024) yield field.tooLong('parameters', 256 * 1024)
}

function* forbidChanges<T extends object>(object: T, old: T, names: readonly (keyof T & string)[]): Errors {
  for (const name of names) {
    if (!same(object[name], old[name])) yield field.forbidden(name, `updates to ${name} are forbidden.`)
  }
}

export const storageClass = strategy<StorageClass>({
  defaults: draft => fill(draft, { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' }),
  *validate(object) {
    yield* provisionerErrors(object.provisioner, 'provisioner')
    yield* parametersErrors(object.parameters)
    yield* supportedOrEmpty(object.reclaimPolicy, 'reclaimPolicy', ['Delete', 'Retain'])
    yield* oneOf(object.volumeBindingMode, 'volumeBindingMode', ['Immediate', 'WaitForFirstConsumer'])
  },
  *validateUpdate(object, old) {
    yield* forbidChanges(object, old, ['parameters', 'provisioner', 'reclaimPolicy'])
    yield* immutable(object.volumeBindingMode, old.volumeBindingMode, 'volumeBindingMode')
  },
  columns: [
    classNameColumn('storageclass.kubernetes.io/is-default-class'),
    column('Provisioner', object => object.provisioner),
    column('ReclaimPolicy', object => object.reclaimPolicy ?? 'Delete'),
    column('VolumeBindingMode', object => object.volumeBindingMode ?? 'Immediate'),
    column('AllowVolumeExpansion', object => object.allowVolumeExpansion ?? false, 'boolean'),
    ageColumn,
  ],
})

export const volumeAttributesClass = strategy<VolumeAttributesClass>({
  *validate(object) {
    yield* provisionerErrors(object.driverName, 'driverName')
    yield* parametersErrors(object.parameters)
    if (Object.keys(object.parameters ?? {}).length === 0) {
      yield field.required('parameters', 'must contain at least one key/value pair')
    }
  },
  *validateUpdate(object, old) {
    yield* immutable(object.driverName, old.driverName, 'driverName')
    if (!same(object.parameters, old.parameters)) yield field.forbidden('parameters', 'field is immutable')
  },
  columns: [
    classNameColumn('volumeattributesclass.kubernetes.io/is-default-class'),
    column('DriverName', object => object.driverName),
    ageColumn,
  ],
})
