/** The Addon object of a manifest file: the record of what was last applied from it (k3s.cattle.io/v1). */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'
import { type Condition, setCondition } from '../runtime/conditions.ts'

export interface Addon extends KubeObject {
  readonly spec: { readonly source: string; readonly checksum: string }
  /** Ours: K3s' Addons tell of trouble by events alone, which are gone after an hour. */
  readonly status?: { readonly conditions?: readonly Condition[] }
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
/** On an Addon: "true" or "false" decides, over --prune-manifests, whether its objects go when its file goes. */
export const pruneAnnotation = 'addon.k3s.cattle.io/prune'
/** The node whose file was applied: what is missing on another node's disk says nothing. */
const nodeAnnotation = 'addon.k3s.cattle.io/node'

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

export interface AppliedRecord {
  readonly spec: Addon['spec']
  readonly gvks: readonly string[]
  readonly nodeName: string
}

/** Records what is applied now, and that it is. */
export async function recordApplied(client: Client, addon: Addon, record: AppliedRecord, now: number): Promise<void> {
  const annotations = { [gvksAnnotation]: record.gvks.join(';'), [nodeAnnotation]: record.nodeName }
  await client.patch(addons, placeOf(addon), { metadata: { annotations }, spec: record.spec }, { type: 'merge' })
  await recordCondition(client, addon, { status: 'True', reason: 'AppliedManifest', message: '' }, now)
}

/** Records why the file's present content is not applied; what was applied of it before stays recorded. */
export function recordTrouble(
  client: Client,
  addon: Addon,
  reason: string,
  message: string,
  now: number,
): Promise<void> {
  return recordCondition(client, addon, { status: 'False', reason, message }, now)
}

async function recordCondition(client: Client, addon: Addon, state: Omit<Condition, 'type'>, now: number) {
  const conditions = setCondition(addon.status?.conditions, { type: 'Applied', ...state }, now)
  if (conditions === addon.status?.conditions) return
  await client.patch(addons, placeOf(addon), { status: { conditions } }, { type: 'merge', subresource: 'status' })
}

function placeOf(addon: Addon): { name: string; namespace: string } {
  return { name: addon.metadata.name!, namespace: addonNamespace }
}

/** Kinds applied at the last time. */
export function recordedGvks(addon: Addon): string[] {
  return (addon.metadata.annotations?.[gvksAnnotation] ?? '').split(';').filter(text => text !== '')
}

/** Whether the Addon's objects are to go with its file. */
export function prunesWithFile(addon: Addon, byDefault: boolean): boolean {
  const asked = addon.metadata.annotations?.[pruneAnnotation]
  return asked === undefined ? byDefault : asked === 'true'
}

/** Whether the Addon was last applied from a file of this node. */
export function isFrom(addon: Addon, nodeName: string): boolean {
  return addon.metadata.annotations?.[nodeAnnotation] === nodeName
}
