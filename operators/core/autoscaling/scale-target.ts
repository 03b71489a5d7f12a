/** What an autoscaler scales: any kind with a scale subresource. */
import { isNotFound } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { parseApiVersion } from '../../../bootstrap/api/object.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import { groupPath, objectPath } from '../../../bootstrap/client/paths.ts'
import { retryOnConflict } from '../../runtime/apply.ts'

export interface Scale extends KubeObject {
  readonly spec?: { readonly replicas?: number }
  readonly status?: { readonly replicas?: number; readonly selector?: string }
}

export interface ScaleTarget {
  /** The path of the scale subresource. */
  readonly path: string
  readonly scale: Scale
}

interface Reference {
  readonly apiVersion?: string | undefined
  readonly kind: string
  readonly name: string
}

interface ApiResources {
  readonly resources?: readonly { readonly name: string; readonly kind: string }[]
}

/** Reads the scale. Throws where the kind is unknown, has no scale, or the object is not there. */
export async function readScale(client: Client, namespace: string, reference: Reference): Promise<ScaleTarget> {
  const resource = await resourceNameOf(client, reference)
  const version = parseApiVersion(reference.apiVersion ?? 'v1')
  const place = { ...version, resource, namespaced: true }
  const path = objectPath(place, { name: reference.name, namespace }, 'scale')
  return { path, scale: (await client.raw('GET', path)) as Scale }
}

/** Sets the number of replicas, on the newest state if somebody was faster. */
export async function writeScale(client: Client, { path, scale }: ScaleTarget, replicas: number): Promise<void> {
  let current = scale
  await retryOnConflict(async () => {
    try {
      await client.raw('PUT', path, { ...current, spec: { ...current.spec, replicas } })
    } catch (error) {
      current = (await client.raw('GET', path)) as Scale
      throw error
    }
  })
}

/** The plural of a kind. Throws in the words of upstream's REST mapper for one that is not served. */
export async function resourceNameOf(client: Client, { apiVersion = 'v1', kind }: Reference): Promise<string> {
  const version = parseApiVersion(apiVersion)
  const list = (await client.raw('GET', groupPath(version)).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })) as ApiResources | undefined
  const found = list?.resources?.find(resource => resource.kind === kind && !resource.name.includes('/'))
  if (found) return found.name
  throw new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(version.group)}`)
}
