/** The Addon object of a manifest file: the record of what was last applied from it (k3s.cattle.io/v1). */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'

export interface Addon extends KubeObject {
  readonly spec: { readonly source: string; readonly checksum: string }
}

export const addons: Resource<Addon> = {
  group: 'k3s.cattle.io',
  version: 'v1',
  resource: 'addons',
  kind: 'Addon',
  namespaced: true,
}
export const addonNamespace = 'kube-system'
export const gvksAnnotation = 'addon.k3s.cattle.io/gvks'

export async function getAddon(client: Client, name: string): Promise<Addon | undefined> {
  return await client.get(addons, { name, namespace: addonNamespace }).catch(ignoreNotFound)
}

/** A new Addon for a file; it exists before its objects so that events can name it. */
export function createAddon(client: Client, name: string, source: string): Promise<Addon> {
  return client.create(addons, {
    apiVersion: 'k3s.cattle.io/v1',
    kind: 'Addon',
    metadata: { name, namespace: addonNamespace },
    spec: { source, checksum: '' },
  })
}

/** Records what is applied now. */
export function recordApplied(
  client: Client,
  addon: Addon,
  spec: Addon['spec'],
  gvks: readonly string[],
): Promise<Addon> {
  const annotations = { [gvksAnnotation]: gvks.join(';') }
  return client.patch(
    addons,
    { name: addon.metadata.name!, namespace: addonNamespace },
    { metadata: { annotations }, spec },
    { type: 'merge' },
  )
}

/** Kinds applied at the last time. */
export function recordedGvks(addon: Addon): string[] {
  return (addon.metadata.annotations?.[gvksAnnotation] ?? '').split(';').filter(text => text !== '')
}
