/** Validation of a pod's volumes. */
import { field } from '../../../../api/errors.ts'
import type { KeyToPath, ProjectedVolumeSource, Volume, VolumeProjection } from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import { requiredText, supportedOrEmpty } from '../checks.ts'
import { textErrors } from '../metadata.ts'
import { configMapKey, dnsLabel } from '../names.ts'
import { quantityOf } from '../quantity.ts'
import { fieldReferenceErrors, resourceReferenceErrors, volumeFields } from './environment.ts'
import { localPathErrors, noBacksteps } from './security.ts'

type Sources = Omit<Volume, 'name'>

/** Checks the volumes of a pod spec. */
export function* volumesErrors(volumes: readonly Volume[] | undefined, path: string): Errors {
  const names = new Set<string>()
  for (const [index, volume] of (volumes ?? []).entries()) {
    const at = `${path}[${index}]`
    yield* volumeSourceErrors(volume, at)
    if (!volume.name) yield field.required(`${at}.name`)
    else {
      const problems = [...textErrors(dnsLabel, volume.name, `${at}.name`)]
      yield* problems
      if (problems.length === 0 && names.has(volume.name)) yield field.duplicate(`${at}.name`, volume.name)
    }
    names.add(volume.name)
  }
}

function* volumeSourceErrors(volume: Volume, path: string): Errors {
  const given = (Object.keys(volume) as (keyof Volume)[]).filter(
    (name): name is keyof Sources => name !== 'name' && volume[name] !== undefined && volume[name] !== null,
  )
  const [first, ...others] = given
  if (!first) return yield field.required(path, 'must specify a volume type')
  yield* sourceErrors(volume, first, `${path}.${first}`)
  for (const other of others) yield field.forbidden(`${path}.${other}`, 'may not specify more than 1 volume type')
}

/** Fields a source cannot do without, beyond those with checks of their own. */
const requiredFields: { readonly [source in keyof Sources]?: readonly string[] } = {
  gitRepo: ['repository'],
  gcePersistentDisk: ['pdName'],
  awsElasticBlockStore: ['volumeID'],
  secret: ['secretName'],
  configMap: ['name'],
  nfs: ['server', 'path'],
  iscsi: ['targetPortal', 'iqn'],
  glusterfs: ['endpoints', 'path'],
  persistentVolumeClaim: ['claimName'],
  cinder: ['volumeID'],
  cephfs: ['monitors'],
  rbd: ['monitors', 'image'],
  flexVolume: ['driver'],
  azureFile: ['secretName', 'shareName'],
  azureDisk: ['diskName', 'diskURI'],
  vsphereVolume: ['volumePath'],
  csi: ['driver'],
  ephemeral: ['volumeClaimTemplate'],
  hostPath: ['path'],
}

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]

function* sourceErrors(volume: Volume, type: keyof Sources, path: string): Errors {
  const source = volume[type] as { readonly [field: string]: unknown }
  for (const name of requiredFields[type] ?? []) {
    const value = source[name]
    if (!value || (Array.isArray(value) && value.length === 0)) yield field.required(`${path}.${name}`)
  }
  const { emptyDir, hostPath, nfs, secret, configMap, downwardAPI, projected, image } = volume
  if (emptyDir?.sizeLimit && quantityOf(emptyDir.sizeLimit).sign() < 0) {
    yield field.forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')
  }
  if (hostPath?.path) yield* noBacksteps(hostPath.path, `${path}.path`)
  if (hostPath) yield* supportedOrEmpty(hostPath.type, `${path}.type`, hostPathTypes)
  if (nfs?.path && !nfs.path.startsWith('/')) yield field.invalid(`${path}.path`, nfs.path, 'must be an absolute path')
  for (const keyed of [secret, configMap]) {
    if (!keyed) continue
    yield* modeErrors(keyed.defaultMode, `${path}.defaultMode`)
    yield* itemsErrors(keyed.items, `${path}.items`)
  }
  if (downwardAPI) {
    yield* modeErrors(downwardAPI.defaultMode, `${path}.defaultMode`)
    yield* downwardErrors(downwardAPI.items, path)
  }
  if (projected) yield* projectedErrors(projected, path)
  if (image) {
    yield* supportedOrEmpty(image.pullPolicy, `${path}.pullPolicy`, ['Always', 'IfNotPresent', 'Never'])
  }
}

function* modeErrors(mode: number | undefined | null, path: string): Errors {
  if (typeof mode === 'number' && (mode < 0 || mode > 0o777)) {
    yield field.invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')
  }
}

function* itemsErrors(items: readonly KeyToPath[] | undefined, path: string): Errors {
  for (const [index, item] of (items ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!item.key) yield field.required(`${at}.key`)
    else yield* textErrors(configMapKey, item.key, `${at}.key`)
    yield* requiredText(item.path, `${at}.path`)
    yield* filePathErrors(item.path ?? '', `${at}.path`)
    yield* modeErrors(item.mode, `${at}.mode`)
  }
}

function* filePathErrors(value: string, path: string): Errors {
  yield* localPathErrors(value, path)
  if (value.startsWith('..') && !value.startsWith('../')) {
    yield field.invalid(path, value, "must not start with '..'")
  }
}

type DownwardItems = NonNullable<Volume['downwardAPI']>['items']

function* downwardErrors(items: DownwardItems, path: string): Errors {
  for (const item of items ?? []) {
    yield* requiredText(item.path, `${path}.path`)
    yield* filePathErrors(item.path ?? '', `${path}.path`)
    if (item.fieldRef) {
      yield* fieldReferenceErrors(item.fieldRef, volumeFields, `${path}.fieldRef`)
      if (item.resourceFieldRef) {
        yield field.invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously')
      }
    } else if (item.resourceFieldRef) {
      yield* resourceReferenceErrors(item.resourceFieldRef, `${path}.resourceFieldRef`, true)
    } else yield field.required(path, 'one of fieldRef and resourceFieldRef is required')
    yield* modeErrors(item.mode, `${path}.mode`)
  }
}

function* projectedErrors(source: ProjectedVolumeSource, path: string): Errors {
  yield* modeErrors(source.defaultMode, `${path}.defaultMode`)
  const files = new Set<string>()
  for (const [index, projection] of (source.sources ?? []).entries()) {
    const at = `${path}.sources[${index}]`
    const given = Object.entries(projection).filter(([, value]) => value)
    if (given.length === 0) yield field.required(at, 'must specify a volume type')
    if (given.length > 1) yield field.forbidden(at, 'may not specify more than 1 volume type')
    yield* projectionErrors(projection, at)
    for (const file of projectedFiles(projection)) {
      if (files.has(file)) yield field.invalid(path, file, 'conflicting duplicate paths')
      files.add(file)
    }
  }
}

function projectedFiles({ secret, configMap, downwardAPI, serviceAccountToken }: VolumeProjection): string[] {
  const items = [...(secret?.items ?? []), ...(configMap?.items ?? []), ...(downwardAPI?.items ?? [])]
  return [...items.map(item => item.path), ...(serviceAccountToken ? [serviceAccountToken.path] : [])].filter(Boolean)
}

function* projectionErrors(projection: VolumeProjection, path: string): Errors {
  const { secret, configMap, downwardAPI, serviceAccountToken: token } = projection
  for (const [type, keyed] of [
    ['secret', secret],
    ['configMap', configMap],
  ] as const) {
    if (!keyed) continue
    yield* requiredText(keyed.name, `${path}.${type}.name`)
    yield* itemsErrors(keyed.items, `${path}.${type}.items`)
  }
  if (downwardAPI) yield* downwardErrors(downwardAPI.items, `${path}.downwardAPI`)
  if (!token) return
  const at = `${path}.serviceAccountToken`
  const seconds = token.expirationSeconds ?? 0
  if (seconds < 600) {
    yield field.invalid(`${at}.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes')
  } else if (seconds > 2 ** 32) {
    yield field.invalid(`${at}.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds')
  }
  yield* requiredText(token.path, `${at}.path`)
  yield* localPathErrors(token.path ?? '', `${at}.path`)
}
