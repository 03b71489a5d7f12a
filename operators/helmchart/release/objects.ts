/**
 * The objects of a manifest, each with the resource that serves it: what Helm's `Build` makes of a stored manifest
 * (pkg/kube/client.go over kubectl's resource builder).
 */
import { setImmediate as turn } from 'node:timers/promises'
import { apiVersionOf, type Draft, draftOf, type KubeObject, parseApiVersion } from '../../../bootstrap/api/object.ts'
import { parseYamlLeniently } from '../../../bootstrap/api/yaml.ts'
import type { Name, Resource } from '../../../bootstrap/client/client.ts'
import type { Cluster } from './cluster.ts'

export interface Target {
  readonly object: KubeObject
  readonly resource: Resource
  /** Empty for an object with `generateName`. */
  readonly name: string
  /** Empty for cluster-scoped objects. */
  readonly namespace: string
}

export const nameOf = ({ name, namespace }: Target): Name => (namespace === '' ? { name } : { name, namespace })

/** `Deployment "web" in namespace "default"`. */
export const describe = ({ resource, name, namespace }: Target) =>
  `${resource.kind} "${name}" in namespace "${namespace}"`

/** Whether two targets are one object; the version is no part of an object's identity. */
export function sameObject(a: Target, b: Target): boolean {
  return (
    a.name === b.name &&
    a.namespace === b.namespace &&
    a.resource.kind === b.resource.kind &&
    a.resource.group === b.resource.group
  )
}

/** The documents of a manifest, trimmed, in order. */
export function splitManifest(manifest: string): string[] {
  return manifest
    .trim()
    .split(/(?:^|\s*\n)---\s*/)
    .map(document => document.trim())
    .filter(document => document !== '')
}

/** The objects of a manifest; documents of comments only have none. Throws on bad YAML. Yields between documents. */
export async function objectsOf(manifest: string): Promise<KubeObject[]> {
  const objects: KubeObject[] = []
  for (const document of splitManifest(manifest)) {
    const { value } = parseYamlLeniently(document)
    if (typeof value === 'object' && value !== null) objects.push(...flatten(value as KubeObject))
    await turn()
  }
  return objects
}

/** Items of a List, or the object itself. */
export function flatten(object: KubeObject): readonly KubeObject[] {
  const { kind, items } = object
  if (!kind?.endsWith('List') || !Array.isArray(items)) return [object]
  const item = kind === 'List' ? {} : { apiVersion: object.apiVersion, kind: kind.slice(0, -4) }
  return items.flatMap(each => flatten({ ...item, ...(each as KubeObject) }))
}

/**
 * The targets of objects. `missing` says what becomes of a kind the server does not serve: 'refuse' throws with Helm's
 * words for all of them, 'skip' looks for another version of the kind and leaves out what has none: such objects
 * cannot exist any more, or only under the other version.
 */
export async function targetsOf(
  cluster: Cluster,
  objects: readonly KubeObject[],
  namespace: string,
  missing: 'refuse' | 'skip',
): Promise<Target[]> {
  const problems: string[] = []
  const targets: Target[] = []
  for (const object of objects) {
    const { apiVersion, kind, metadata } = checked(object)
    const resource =
      (await cluster.resourceOf(apiVersion, kind)) ??
      (missing === 'skip' ? await moved(cluster, apiVersion, kind) : undefined)
    if (resource) targets.push(targetOf(object, resource, namespace))
    else if (missing === 'refuse')
      problems.push(
        `resource mapping not found for name: "${metadata?.name ?? ''}" namespace: "${metadata?.namespace ?? ''}" from "": no matches for kind "${kind}" in version "${apiVersion}"\nensure CRDs are installed first`,
      )
  }
  if (problems.length > 0) throw new Error(problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`)
  return targets
}

function checked(object: KubeObject): KubeObject {
  const text = () => JSON.stringify(object)
  if (!object.kind) throw new Error(`Object 'Kind' is missing in '${text()}'`)
  if (!object.apiVersion) throw new Error(`Object 'apiVersion' is missing in '${text()}'`)
  return object
}

/** Where the kinds of groups that are gone went. */
const heirs: { readonly [group: string]: readonly string[] } = { extensions: ['apps', 'networking.k8s.io', 'policy'] }

async function moved(cluster: Cluster, apiVersion: string, kind: string): Promise<Resource | undefined> {
  const { group } = parseApiVersion(apiVersion)
  for (const candidate of [group, ...(heirs[group] ?? [])]) {
    const found = await cluster.resourceOfKind(candidate, kind)
    if (found) return found
  }
  return undefined
}

function targetOf(object: KubeObject, resource: Resource, namespace: string): Target {
  const draft = draftOf(object) as Draft<KubeObject>
  draft.metadata ??= {}
  // Where the kind moved to another version, the object goes along.
  draft.apiVersion = apiVersionOf(resource)
  if (resource.namespaced) draft.metadata.namespace ||= namespace
  else delete draft.metadata.namespace
  return {
    object: draft as KubeObject,
    resource,
    name: draft.metadata.name ?? '',
    namespace: resource.namespaced ? (draft.metadata.namespace ?? '') : '',
  }
}
