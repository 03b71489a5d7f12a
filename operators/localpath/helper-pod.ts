/** The pod that makes or removes a directory on a node: a built-in module by default, a real container where the user says how. */
import { posix } from 'node:path'
import { type Draft, draftOf } from '../../bootstrap/api/object.ts'
import { parseYaml } from '../../bootstrap/api/yaml.ts'
import type { Pod } from '../../bootstrap/client/resources.ts'
import { SettingsError, type StorageConfig } from './config.ts'
import type { Directory } from './volume.ts'

export type Action = 'create' | 'delete'

/** The texts of the ConfigMap besides config.json. */
export interface Scripts {
  readonly setup: string
  readonly teardown: string
  readonly helperPod: string
}

export interface HelperSettings {
  readonly namespace: string
  readonly serviceAccount: string
  readonly configMap: string
  /** Of real helpers, when helperPod.yaml does not name one. */
  readonly image: string
  /** The cluster runs built-in modules. */
  readonly embedded: boolean
}

const longestName = 128
const scriptFolder = '/script'
/** K3s' own scripts: what the built-in helper does. */
const packagedSetup = 'set -eu mkdir -m 0777 -p "$VOL_DIR" chmod 700 "$VOL_DIR/.."'
const packagedTeardown = 'set -eu rm -rf "$VOL_DIR"'

/** Throws SettingsError. */
export function parseHelperPod(text: string): Pod {
  let pod: Pod
  try {
    pod = parseYaml(text) as Pod
  } catch (error) {
    throw new SettingsError(`helperPod.yaml: ${(error as Error).message}`)
  }
  if (pod?.kind !== 'Pod' || !pod.metadata?.name) throw new SettingsError('helperPod.yaml: want a Pod with a name')
  if (pod.spec?.containers?.length !== 1) throw new SettingsError('helperPod.yaml: want exactly one container')
  return pod
}

/** Without the shebang, spacing and braces around the variable. */
const words = (script: string): string =>
  script
    .replace(/^#!.*$/m, '')
    .replaceAll(/\$\{(\w+)\}/g, '$$$1')
    .trim()
    .split(/\s+/)
    .join(' ')

/** Whether the scripts say what the built-in helper does anyway. */
const arePackaged = ({ setup, teardown }: Scripts, config: StorageConfig): boolean =>
  words(setup) === packagedSetup &&
  words(teardown) === packagedTeardown &&
  config.setupCommand === undefined &&
  config.teardownCommand === undefined

/** Throws SettingsError for a template or directory that makes no pod. */
export function helperPod(
  action: Action,
  directory: Directory,
  config: StorageConfig,
  scripts: Scripts,
  settings: HelperSettings,
): Pod {
  const template = parseHelperPod(scripts.helperPod)
  const pod: Draft<Pod> = draftOf(template)
  const builtIn = template.spec.runtimeClassName === 'embedded'
  const replaced = builtIn && !(settings.embedded && arePackaged(scripts, config))
  const container = pod.spec.containers[0]!
  if (replaced) {
    delete pod.spec.runtimeClassName
    container.image = settings.image
  }
  const parent = posix.dirname(directory.path)
  const folder = posix.basename(directory.path)
  if (parent === '/' || folder === '')
    throw new SettingsError(`invalid path ${directory.path}: cannot find parent dir or volume dir`)
  const mounts = [...(container.volumeMounts ?? [])]
  const data = mountOf(mounts, 'data', parent)
  const target = posix.join(data, folder)
  const name = `${template.metadata.name}-${action}-${directory.volume}`.slice(0, longestName)
  pod.metadata = { ...pod.metadata, name, namespace: settings.namespace }
  pod.spec.serviceAccountName = settings.serviceAccount
  pod.spec.restartPolicy = 'Never'
  if (directory.node !== '' && !pod.spec.nodeName) pod.spec.nodeName = directory.node
  pod.spec.tolerations ??= [{ operator: 'Exists' }]
  // Without an address of its own there is nothing to wait for, and it works before there is a network.
  if (builtIn && !replaced) pod.spec.hostNetwork = true
  else mountOf(mounts, 'script', scriptFolder)
  pod.spec.volumes = [
    ...(pod.spec.volumes ?? []),
    { name: 'data', hostPath: { path: `${parent}/`, type: 'DirectoryOrCreate' } },
    ...(builtIn && !replaced ? [] : [scriptVolume(config, settings)]),
  ]
  container.volumeMounts = mounts
  if (!builtIn || replaced) container.command = command(action, config)
  container.args = ['-p', target, '-s', String(directory.sizeBytes), '-m', directory.mode, '-a', action]
  container.env = [
    ...(container.env ?? []),
    { name: 'VOL_DIR', value: target },
    { name: 'VOL_MODE', value: directory.mode },
    { name: 'VOL_SIZE_BYTES', value: String(directory.sizeBytes) },
    { name: 'VOL_USER', value: directory.user },
    { name: 'VOL_GROUP', value: directory.group },
    { name: 'VOL_PERM', value: directory.permissions },
  ]
  return pod as Pod
}

function command(action: Action, { setupCommand, teardownCommand }: StorageConfig): string[] {
  const own = action === 'create' ? setupCommand : teardownCommand
  return own === undefined ? ['/bin/sh', `${scriptFolder}/${action === 'create' ? 'setup' : 'teardown'}`] : [own]
}

function scriptVolume({ setupCommand, teardownCommand }: StorageConfig, { configMap }: HelperSettings) {
  const keys = [
    ...(setupCommand === undefined ? ['setup'] : []),
    ...(teardownCommand === undefined ? ['teardown'] : []),
  ]
  return { name: 'script', configMap: { name: configMap, items: keys.map(key => ({ key, path: key })) } }
}

/** Where a volume is mounted, after the template if it says so. */
function mountOf(mounts: { name: string; mountPath: string }[], name: string, path: string): string {
  const at = mounts.findIndex(mount => mount.name === name)
  if (at < 0) {
    mounts.push({ name, mountPath: path })
    return path
  }
  if (!mounts[at]!.mountPath) mounts[at] = { ...mounts[at]!, mountPath: path }
  return mounts[at]!.mountPath
}
