/** The files of ConfigMap, Secret, downward API and projected volumes, from the objects they refer to. */
import type { ProjectedVolumeSource, Volume } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { NodeAllocatable, PodAddresses } from '../pods/fields.ts'
import { configMapFiles, downwardFiles, type Files, secretFiles } from './payload.ts'
import type { References } from './references.ts'
import type { Tokens } from './tokens.ts'

/** The pod that asks, and where its files come from. */
export interface FileSources {
  readonly pod: Pod
  readonly addresses: PodAddresses
  readonly references: Pick<References, 'configMap' | 'secret'>
  readonly tokens: Pick<Tokens, 'get'>
  readonly node: () => NodeAllocatable
}

export interface VolumeFiles {
  readonly files: Files
  /** When the earliest token among them must be renewed; Infinity without one. */
  readonly refreshAt: number
}

/** Throws what the references throw for objects that are not there. */
export async function filesOf(volume: Volume, sources: FileSources): Promise<VolumeFiles> {
  const { configMap, secret, downwardAPI } = volume
  if (configMap) return lasting(await fromConfigMap(sources, configMap.name, configMap, configMap.defaultMode ?? 0o644))
  if (secret) return lasting(await fromSecret(sources, secret.secretName, secret, secret.defaultMode ?? 0o644))
  if (downwardAPI) {
    const mode = downwardAPI.defaultMode ?? 0o644
    return lasting(downwardFiles(downwardAPI.items, mode, downwardOf(sources)))
  }
  return projected(volume.projected!, sources)
}

const lasting = (files: Files): VolumeFiles => ({ files, refreshAt: Number.POSITIVE_INFINITY })

function downwardOf({ pod, addresses, node }: FileSources) {
  return { pod, addresses, node: node() }
}

async function fromConfigMap(
  { pod, references }: FileSources,
  name = '',
  source: Parameters<typeof configMapFiles>[2],
  mode: number,
): Promise<Files> {
  return configMapFiles(await references.configMap(pod.metadata.namespace ?? '', name), name, source, mode)
}

async function fromSecret(
  { pod, references }: FileSources,
  name = '',
  source: Parameters<typeof secretFiles>[2],
  mode: number,
): Promise<Files> {
  return secretFiles(await references.secret(pod.metadata.namespace ?? '', name), name, source, mode)
}

async function projected(source: ProjectedVolumeSource, sources: FileSources): Promise<VolumeFiles> {
  const { pod, tokens } = sources
  const mode = source.defaultMode ?? 0o644
  const files: Files = new Map()
  let refreshAt = Number.POSITIVE_INFINITY
  const add = (more: Files) => {
    for (const [path, file] of more) files.set(path, file)
  }
  for (const { configMap, secret, downwardAPI, serviceAccountToken } of source.sources ?? []) {
    if (configMap) add(await fromConfigMap(sources, configMap.name, configMap, mode))
    if (secret) add(await fromSecret(sources, secret.name, secret, mode))
    if (downwardAPI) add(downwardFiles(downwardAPI.items, mode, downwardOf(sources)))
    if (serviceAccountToken) {
      const { audience, expirationSeconds = 3600, path } = serviceAccountToken
      const token = await tokens.get(pod, audience, expirationSeconds)
      refreshAt = Math.min(refreshAt, token.refreshAt)
      const tokenMode = pod.spec.securityContext?.fsGroup === undefined ? mode : 0o600
      files.set(path, { content: Buffer.from(token.text), mode: tokenMode })
    }
  }
  return { files, refreshAt }
}

/** The ConfigMaps and Secrets a volume is made of. */
export function referencesOf(volume: Volume): { kind: 'configMap' | 'secret'; name: string }[] {
  const found: { kind: 'configMap' | 'secret'; name: string | undefined }[] = [
    ...(volume.configMap ? [{ kind: 'configMap' as const, name: volume.configMap.name }] : []),
    ...(volume.secret ? [{ kind: 'secret' as const, name: volume.secret.secretName }] : []),
    ...(volume.projected?.sources ?? []).flatMap(({ configMap, secret }) => [
      ...(configMap ? [{ kind: 'configMap' as const, name: configMap.name }] : []),
      ...(secret ? [{ kind: 'secret' as const, name: secret.name }] : []),
    ]),
  ]
  return found.flatMap(({ kind, name }) => (name ? [{ kind, name }] : []))
}
