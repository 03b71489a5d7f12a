/** What belongs to a node: objects its pods name, and what lies behind their volume claims. */
import type { PersistentVolume, PersistentVolumeClaim, VolumeAttachment } from '../../api/types.gen.ts'
import type { ObjectReader } from '../admission/plugin.ts'
import type { NodePods } from './node-pods.ts'

/** A function that says whether a node needs an object. */
export function createRelations(
  reader: ObjectReader,
  pods: NodePods,
): (node: string, resource: string, namespace: string, name: string) => boolean {
  const volume = (name: string): PersistentVolume | undefined =>
    reader.get('', 'persistentvolumes', '', name) as unknown as PersistentVolume | undefined

  function usesVolume(node: string, name: string): boolean {
    const claim = volume(name)?.spec?.claimRef
    return claim !== undefined && pods.uses(node, 'persistentvolumeclaims', claim.namespace ?? '', claim.name ?? '')
  }

  function isVolumeSecret(node: string, key: string): boolean {
    return pods.claims(node).some(claimKey => {
      const [namespace = '', name = ''] = claimKey.split('/')
      const claim = reader.get('', 'persistentvolumeclaims', namespace, name) as unknown as
        | PersistentVolumeClaim
        | undefined
      const found = claim?.spec?.volumeName ? volume(claim.spec.volumeName) : undefined
      return found !== undefined && secretsOf(found).includes(key)
    })
  }

  return (node, resource, namespace, name) => {
    if (resource === 'persistentvolumes') return usesVolume(node, name)
    if (resource === 'volumeattachments') {
      const object = reader.get('storage.k8s.io', resource, '', name)
      return (object as unknown as VolumeAttachment | undefined)?.spec.nodeName === node
    }
    if (pods.uses(node, resource, namespace, name)) return true
    return resource === 'secrets' && isVolumeSecret(node, `${namespace}/${name}`)
  }
}

interface SecretRef {
  readonly name?: string | undefined
  readonly namespace?: string | undefined
}

/** "namespace/name" of every Secret a PersistentVolume's source names. */
function secretsOf(volume: PersistentVolume): string[] {
  const own = volume.spec?.claimRef?.namespace ?? ''
  const source = volume.spec as unknown as Record<string, Record<string, SecretRef | undefined> | undefined>
  const found: string[] = []
  for (const kind of ['csi', 'cephfs', 'rbd', 'flexVolume', 'iscsi', 'scaleIO', 'storageos']) {
    for (const [key, ref] of Object.entries(source[kind] ?? {})) {
      if (/secretref$/i.test(key) && ref?.name) found.push(`${ref.namespace ?? own}/${ref.name}`)
    }
  }
  return found
}
