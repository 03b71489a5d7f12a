/** The marks by which applied objects know their Addon (rancher/wrangler's desired sets, as K3s users see them). */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { KubeObject } from '../../bootstrap/api/object.ts'

const prefix = 'objectset.rio.cattle.io'
export const hashLabel = `${prefix}/hash`
export const pruneLabel = `${prefix}/prune`
const ownerGvk = 'k3s.cattle.io/v1, Kind=Addon'

/** The label value that all objects of an Addon carry. */
export function objectSetHash(addon: string, namespace: string): string {
  return createHash('sha1').update(`${ownerGvk}${addon}${namespace}`).digest('hex')
}

/** The object with the set's label and annotations. */
export function marked(object: KubeObject, addon: string, namespace: string): KubeObject {
  const { metadata } = object
  const annotations = {
    ...metadata.annotations,
    [`${prefix}/applied`]: gzipSync(JSON.stringify(object), { level: 9 }).toString('base64'),
    [`${prefix}/id`]: '',
    [`${prefix}/owner-gvk`]: ownerGvk,
    [`${prefix}/owner-name`]: addon,
    [`${prefix}/owner-namespace`]: namespace,
  }
  const labels = { ...metadata.labels, [hashLabel]: objectSetHash(addon, namespace) }
  return { ...object, metadata: { ...metadata, annotations, labels } }
}

/** "apps/v1, Kind=Deployment", as the Addon's annotation lists kinds. */
export function gvkText(object: { apiVersion: string; kind: string }): string {
  const apiVersion = object.apiVersion.includes('/') ? object.apiVersion : `/${object.apiVersion}`
  return `${apiVersion}, Kind=${object.kind}`
}

/** The inverse of gvkText; undefined for a text of another form. */
export function parseGvkText(text: string): { apiVersion: string; kind: string } | undefined {
  const match = /^([^/]*)\/(.+), Kind=(.+)$/.exec(text.trim())
  if (!match) return undefined
  const [, group, version, kind] = match
  return { apiVersion: group === '' ? version! : `${group}/${version}`, kind: kind! }
}
