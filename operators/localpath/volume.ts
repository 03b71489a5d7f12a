/** Which volume a claim gets, and what has to be done on its node first. Pure. */
import { isAbsolute, join, normalize } from 'node:path'
import { parseQuantity } from '../../bootstrap/api/quantity.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../bootstrap/client/resources.ts'
import { pathsOn, placesFor, SettingsError, type StorageConfig } from './config.ts'
import { fillPattern } from './pattern.ts'

export const provisionerName = 'rancher.io/local-path'
const hostnameLabel = 'kubernetes.io/hostname'

export const annotations = {
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  selectedNode: 'local.path.provisioner/selected-node',
} as const

/** A directory to be made or removed. */
export interface Directory {
  /** The volume's name. */
  readonly volume: string
  readonly path: string
  readonly sizeBytes: number
  readonly mode: 'Filesystem' | 'Block'
  /** Empty: any node. */
  readonly node: string
  readonly user: string
  readonly group: string
  readonly permissions: string
}

export interface Planned {
  readonly volume: PersistentVolume
  readonly directory: Directory
}

/** Throws SettingsError for claims that cannot be served. `random` chooses among several paths of a node. */
export function planVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node | undefined,
  config: StorageConfig,
  random: () => number,
): Planned {
  const { metadata, spec } = claim
  const parameters = storageClass.parameters ?? {}
  const places = placesFor(config, storageClass.metadata.name!)
  if (spec.volumeMode === 'Block')
    throw new SettingsError(`${provisionerName} does not support block volume provisioning`)
  if (places.kind === 'nodes') checkLocal(claim, node)
  const nodeName = node?.metadata.name ?? ''
  const base =
    places.kind === 'shared'
      ? places.path
      : basePath(pathsOn(places.nodes, nodeName), nodeName, parameters.nodePath, random)
  const name = `pvc-${metadata.uid}`
  const path = join(base, folderName(claim, storageClass, name))
  if (!isAbsolute(path) || normalize(path) === '/' || path === normalize(base))
    throw new SettingsError(`invalid path ${path}: want a folder below ${base}`)
  const pattern = (key: string): string => {
    const text = parameters[key] ?? storageClass.metadata.annotations?.[key]
    return text === undefined ? '' : fillPattern(text, name, claim, true).trim()
  }
  const request = spec.resources?.requests?.storage ?? '0'
  return {
    directory: {
      volume: name,
      path,
      sizeBytes: parseQuantity(request).value(),
      mode: 'Filesystem',
      node: nodeName,
      user: pattern('userPattern'),
      group: pattern('groupPattern'),
      permissions: pattern('permPattern'),
    },
    volume: {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: {
        name,
        annotations: { [annotations.selectedNode]: nodeName, [annotations.provisionedBy]: provisionerName },
      },
      spec: {
        persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
        accessModes: [...(spec.accessModes ?? [])],
        volumeMode: 'Filesystem',
        capacity: { storage: request },
        storageClassName: storageClass.metadata.name!,
        claimRef: {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          name: metadata.name!,
          namespace: metadata.namespace!,
          uid: metadata.uid!,
          resourceVersion: metadata.resourceVersion!,
        },
        ...source(claim, storageClass, path),
        ...(places.kind === 'shared' ? {} : { nodeAffinity: affinity(node!, parameters.nodeAffinityKey) }),
      },
    },
  }
}

function checkLocal({ spec }: PersistentVolumeClaim, node: Node | undefined): void {
  if (spec.selector !== undefined) throw new SettingsError('claim.Spec.Selector is not supported')
  if (!(spec.accessModes ?? []).every(mode => mode === 'ReadWriteOnce' || mode === 'ReadWriteOncePod'))
    throw new SettingsError('NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes')
  if (!node) throw new SettingsError('configuration error, no node was specified')
}

function basePath(paths: readonly string[], node: string, wanted: string | undefined, random: () => number): string {
  if (wanted === undefined || wanted === '') return paths[Math.floor(random() * paths.length)]!
  if (!paths.includes(wanted)) throw new SettingsError(`config doesn't contain path ${wanted} on node ${node}`)
  return wanted
}

/** The volume's, namespace's and claim's names, unless the class has a pattern, which must not lead out of the claim's own folder. */
function folderName(claim: PersistentVolumeClaim, { parameters, metadata }: StorageClass, volume: string): string {
  const { name, namespace } = claim.metadata
  const pattern = parameters?.pathPattern
  if (pattern === undefined) return `${volume}_${namespace}_${name}`
  const filled = fillPattern(pattern, volume, claim, false)
  const unsafe = parameters?.allowUnsafePathPattern ?? metadata.annotations?.allowUnsafePathPattern
  if (unsafe === 'true' || unsafe === '1') return filled
  if (!filled.startsWith(`${namespace}/${name}/`))
    throw new SettingsError(
      `failed to create path from pattern ${pattern}: pathPattern must start with {{ .PVC.Namespace }}/{{ .PVC.Name }}/: ${filled}`,
    )
  if (filled.split('/').includes('..')) throw new SettingsError(`folder path contains invalid references: ${filled}`)
  return filled
}

function source(claim: PersistentVolumeClaim, { metadata }: StorageClass, path: string): object {
  const type = claim.metadata.annotations?.volumeType ?? metadata.annotations?.defaultVolumeType ?? 'hostPath'
  switch (type.toLowerCase()) {
    case 'local':
      return { local: { path } }
    case 'hostpath':
      return { hostPath: { path, type: 'DirectoryOrCreate' } }
    default:
      throw new SettingsError(`failed to create persistent volume source: "${type}" is not a recognised volume type`)
  }
}

function affinity({ metadata }: Node, wanted: string | undefined) {
  const key = wanted || hostnameLabel
  const values = [metadata.labels?.[key] ?? metadata.name!]
  return { required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values }] }] } }
}

/** What a volume's removal has to remove; undefined when its node is gone, and the data with it. Throws SettingsError. */
export function planRemoval(
  volume: PersistentVolume,
  nodes: readonly Node[],
  config: StorageConfig,
): Directory | undefined {
  const { spec, metadata } = volume
  const path = spec.local?.path ?? spec.hostPath?.path
  if (path === undefined || path === '') throw new SettingsError('no path set')
  const directory = {
    volume: metadata.name!,
    path,
    sizeBytes: parseQuantity(spec.capacity?.storage ?? '0').value(),
    mode: 'Filesystem' as const,
    user: '',
    group: '',
    permissions: '',
  }
  if (placesFor(config, spec.storageClassName ?? '').kind === 'shared') return { ...directory, node: '' }
  const required = spec.nodeAffinity?.required
  if (!required) throw new SettingsError('no NodeAffinity set')
  const expression = required.nodeSelectorTerms
    .flatMap(term => term.matchExpressions ?? [])
    .find(({ operator }) => operator === 'In')
  const [value, ...more] = expression?.values ?? []
  if (more.length > 0) throw new SettingsError('multiple values for the node affinity')
  if (!expression || value === undefined) throw new SettingsError('cannot find affinited node')
  const node =
    nodes.find(one => one.metadata.labels?.[expression.key] === value) ?? nodes.find(one => one.metadata.name === value)
  return node && { ...directory, node: node.metadata.name! }
}
