/** Validation of what a container mounts, as files or as raw devices. */
import { field } from '../../../../api/errors.ts'
import type { Container, Volume, VolumeMount } from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import { localPathErrors } from './security.ts'

type Volumes = ReadonlyMap<string, Volume>

/** Checks `volumeMounts` at `path`. */
export function* mountsErrors(container: Container, volumes: Volumes, path: string): Errors {
  const places = new Set<string>()
  const devices = container.volumeDevices ?? []
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!mount.name) yield field.required(`${at}.name`)
    if (!volumes.has(mount.name)) yield field.notFound(`${at}.name`, mount.name ?? '')
    if (!mount.mountPath) yield field.required(`${at}.mountPath`)
    if (places.has(mount.mountPath)) yield field.invalid(`${at}.mountPath`, mount.mountPath, 'must be unique')
    places.add(mount.mountPath)
    if (devices.some(device => device.name === mount.name)) {
      yield field.invalid(`${at}.name`, mount.name, 'must not already exist in volumeDevices')
    }
    if (devices.some(device => device.devicePath === mount.mountPath)) {
      yield field.invalid(`${at}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices')
    }
    yield* subPathErrors(mount, volumes.get(mount.name), at, path)
    yield* propagationErrors(mount, container, path)
    yield* recursiveErrors(mount, path)
  }
}

/** Some of these errors name the list instead of the item, as upstream's do. */
function* subPathErrors(mount: VolumeMount, volume: Volume | undefined, at: string, list: string): Errors {
  if (volume?.image) {
    for (const name of ['subPath', 'subPathExpr'] as const) {
      if (mount[name]) yield field.invalid(`${at}.${name}`, mount[name], 'not allowed in image volume sources')
    }
  }
  if (mount.subPath) yield* localPathErrors(mount.subPath, `${list}.subPath`)
  if (!mount.subPathExpr) return
  if (mount.subPath) {
    yield field.invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive')
  }
  yield* localPathErrors(mount.subPathExpr, `${list}.subPathExpr`)
}

function* propagationErrors(mount: VolumeMount, container: Container, list: string): Errors {
  const { mountPropagation } = mount
  if (!mountPropagation) return
  const supported = ['Bidirectional', 'HostToContainer', 'None']
  if (!supported.includes(mountPropagation)) {
    yield field.notSupported(`${list}.mountPropagation`, mountPropagation, supported)
  }
  if (mountPropagation === 'Bidirectional' && !container.securityContext?.privileged) {
    const text = 'Bidirectional mount propagation is available only to privileged containers'
    yield field.forbidden(`${list}.mountPropagation`, text)
  }
}

function* recursiveErrors(mount: VolumeMount, list: string): Errors {
  const mode = mount.recursiveReadOnly
  if (!mode || mode === 'Disabled') return
  const at = `${list}.recursiveReadOnly`
  if (mode !== 'Enabled' && mode !== 'IfPossible') {
    return yield field.notSupported(at, mode, ['Disabled', 'IfPossible', 'Enabled'])
  }
  if (!mount.readOnly) yield field.forbidden(at, 'may only be specified when readOnly is true')
  if (mount.mountPropagation && mount.mountPropagation !== 'None') {
    yield field.forbidden(at, 'may only be specified when mountPropagation is None or not specified')
  }
}

/** Checks `volumeDevices` at `path`. */
export function* devicesErrors(container: Container, volumes: Volumes, path: string): Errors {
  const names = new Set<string>()
  const places = new Set<string>()
  const mounts = container.volumeMounts ?? []
  for (const [index, { name, devicePath }] of (container.volumeDevices ?? []).entries()) {
    const at = `${path}[${index}]`
    const volume = volumes.get(name)
    if (!name) yield field.required(`${at}.name`)
    if (names.has(name)) yield field.invalid(`${at}.name`, name, 'must be unique')
    if (!volume) yield field.notFound(`${at}.name`, name ?? '')
    else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
      const text = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'
      yield field.invalid(`${at}.name`, name, text)
    }
    if (!devicePath) yield field.required(`${at}.devicePath`)
    if (places.has(devicePath)) yield field.invalid(`${at}.devicePath`, devicePath, 'must be unique')
    if (devicePath?.split('/').includes('..')) {
      yield field.invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')")
    }
    if (mounts.some(mount => mount.name === name)) {
      yield field.invalid(`${at}.name`, name, 'must not already exist in volumeMounts')
    }
    if (mounts.some(mount => mount.mountPath === devicePath)) {
      yield field.invalid(`${at}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts')
    }
    names.add(name)
    places.add(devicePath)
  }
}
