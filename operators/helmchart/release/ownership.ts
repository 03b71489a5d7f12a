/** Whose an object is: the label and annotations by which Helm marks what a release owns (pkg/action/validate.go). */
import { isNotFound } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import { describe, nameOf, type Target } from './objects.ts'

const managedBy = 'app.kubernetes.io/managed-by'
const releaseName = 'meta.helm.sh/release-name'
const releaseNamespace = 'meta.helm.sh/release-namespace'

export interface Owner {
  readonly name: string
  readonly namespace: string
}

/** The target marked as the release's. */
export function owned(target: Target, owner: Owner): Target {
  const { object } = target
  const { labels, annotations } = object.metadata
  const metadata = {
    ...object.metadata,
    labels: { ...labels, [managedBy]: 'Helm' },
    annotations: { ...annotations, [releaseName]: owner.name, [releaseNamespace]: owner.namespace },
  }
  return { ...target, object: { ...object, metadata } }
}

/** Why an object is not the release's, in Helm's words; undefined when it is. */
export function ownershipProblem({ metadata }: KubeObject, owner: Owner): string | undefined {
  const problems = [
    problem('label', metadata.labels, managedBy, 'Helm'),
    problem('annotation', metadata.annotations, releaseName, owner.name),
    problem('annotation', metadata.annotations, releaseNamespace, owner.namespace),
  ].filter(text => text !== undefined)
  return problems.length === 0 ? undefined : `invalid ownership metadata; ${problems.join('; ')}`
}

function problem(
  what: string,
  map: { readonly [key: string]: string } | undefined,
  key: string,
  wanted: string,
): string | undefined {
  const actual = map?.[key]
  if (actual === wanted) return undefined
  return actual === undefined
    ? `${what} validation error: missing key "${key}": must be set to "${wanted}"`
    : `${what} validation error: key "${key}" must equal "${wanted}": current value is "${actual}"`
}

/**
 * Those of the targets that exist already. Throws when one of them is not the release's, unless `takeOwnership`.
 */
export async function existing(
  client: Client,
  targets: readonly Target[],
  owner: Owner,
  takeOwnership: boolean,
): Promise<Target[]> {
  const found: Target[] = []
  for (const target of targets) {
    const { generateName } = target.object.metadata
    if (generateName && target.name) throw new Error('metadata.name and metadata.generateName cannot both be set')
    if (generateName) continue
    const live = await read(client, target)
    if (!live) continue
    const why = takeOwnership ? undefined : ownershipProblem(live, owner)
    if (why !== undefined)
      throw new Error(`${describe(target)} exists and cannot be imported into the current release: ${why}`)
    found.push(target)
  }
  return found
}

async function read(client: Client, target: Target): Promise<KubeObject | undefined> {
  try {
    return await client.get(target.resource, nameOf(target))
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw new Error(`could not get information about the resource ${describe(target)}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
