/** The files of configMap, secret, downwardAPI and projected volumes. */
import type { DownwardAPIVolumeFile, KeyToPath } from '../../api/types.gen.ts'
import type { ConfigMap, Pod, Secret } from '../../client/resources.ts'
import { containerNamed } from '../pods/environment.ts'
import { type NodeAllocatable, type PodAddresses, podField, resourceField } from '../pods/fields.ts'
import type { VolumeFile } from './atomic-writer.ts'

/** A volume that cannot be set up (yet). */
export class VolumeError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'VolumeError'
  }
}

export type Files = Map<string, VolumeFile>

interface Selection {
  readonly items?: readonly KeyToPath[] | undefined
  readonly optional?: boolean | undefined
}

/** Keys of `data` as files, all or the selected ones. `subject` names the object in errors. */
function select(data: { [key: string]: Uint8Array }, selection: Selection, mode: number, subject: string): Files {
  const { items, optional } = selection
  if (!items) return new Map(Object.entries(data).map(([key, content]) => [key, { content, mode }]))
  const files: Files = new Map()
  for (const item of items) {
    const content = data[item.key]
    if (content) files.set(item.path, { content, mode: item.mode ?? mode })
    else if (!optional) throw new VolumeError(`${subject} references non-existent config key: ${item.key}`)
  }
  return files
}

export function configMapFiles(map: ConfigMap | undefined, name: string, selection: Selection, mode: number): Files {
  if (!map) {
    if (selection.optional) return new Map()
    throw new VolumeError(`configmap "${name}" not found`)
  }
  const data: { [key: string]: Uint8Array } = {}
  for (const [key, text] of Object.entries(map.data ?? {})) data[key] = Buffer.from(text)
  for (const [key, text] of Object.entries(map.binaryData ?? {})) data[key] = Buffer.from(text, 'base64')
  return select(data, selection, mode, 'configmap')
}

export function secretFiles(secret: Secret | undefined, name: string, selection: Selection, mode: number): Files {
  if (!secret) {
    if (selection.optional) return new Map()
    throw new VolumeError(`secret "${name}" not found`)
  }
  const data = Object.fromEntries(
    Object.entries(secret.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')]),
  )
  return select(data, selection, mode, 'secret')
}

export interface DownwardContext {
  readonly pod: Pod
  readonly addresses: PodAddresses
  readonly node: NodeAllocatable
}

export function downwardFiles(
  items: readonly DownwardAPIVolumeFile[] | undefined,
  mode: number,
  context: DownwardContext,
): Files {
  const { pod, addresses, node } = context
  const files: Files = new Map()
  for (const item of items ?? []) {
    const { fieldRef, resourceFieldRef } = item
    const text = fieldRef
      ? podField(pod, fieldRef.fieldPath, addresses)
      : resourceFieldRef
        ? resourceField(
            containerNamed(pod, resourceFieldRef.containerName, pod.spec.containers[0]!),
            resourceFieldRef,
            node,
          )
        : ''
    files.set(item.path, { content: Buffer.from(text), mode: item.mode ?? mode })
  }
  return files
}
