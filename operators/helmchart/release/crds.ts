/** The definitions in a chart's crds/ folder: created before anything else, and never changed or deleted with a release. */
import { isAlreadyExists } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Chart } from '../chart/chart.ts'
import { crdManifests } from '../render/crds.ts'
import type { RenderRequest } from '../render/rendered.ts'
import { createAll } from './apply.ts'
import { type Context, messageOf } from './context.ts'
import { flatten, type Target, targetsOf } from './objects.ts'
import { readinessOf } from './readiness/status.ts'
import { waitUntilReady } from './readiness/wait.ts'
import { renderRelease } from './rendering.ts'

const waitMs = 60_000
/** A definition is established a little before its kind is served. */
const servedWithinMs = 10_000
const lookEveryMs = 50

interface CrdFile {
  readonly name: string
  readonly objects: readonly KubeObject[]
}

/** Creates the chart's definitions that are not there, waits until their kinds are served, and reads discovery anew. */
export async function installCrds(
  context: Context,
  request: RenderRequest,
  mode: { readonly serverSide: boolean; readonly forceConflicts: boolean },
): Promise<void> {
  const created: Target[] = []
  for (const { name, objects } of await crdFiles(context, request)) {
    try {
      const targets = await targetsOf(context.cluster, objects, request.release.namespace, 'refuse')
      if (targets.length === 0) throw new Error('resources are empty')
      await createAll(context, targets, mode)
      created.push(...targets)
    } catch (error) {
      if (!isAlreadyExists(error))
        throw new Error(`failed to install CRD ${name}: ${messageOf(error)}`, { cause: error })
      context.log.debug({ crd: name }, 'CRD is already present. Skipping')
    }
  }
  if (created.length === 0) return
  await waitUntilReady(context, created, readinessOf, waitMs)
  await untilServed(context, created)
}

/** The rendered chart names them. A chart whose templates do not render before its own kinds are there is asked itself. */
async function crdFiles(context: Context, request: RenderRequest): Promise<CrdFile[]> {
  if (!bringsCrds(request.chart)) return []
  const crds = await renderRelease(context, request).then(
    rendered => rendered.crds,
    error => {
      context.log.debug({ error: messageOf(error) }, 'the chart does not render before its CRDs are installed')
      return crdManifests(request)
    },
  )
  const files = Map.groupBy(crds, ({ source }) => source)
  return [...files].map(([name, documents]) => ({ name, objects: documents.flatMap(({ object }) => flatten(object)) }))
}

const bringsCrds = ({ files, dependencies }: Chart): boolean =>
  files.some(({ name }) => name.startsWith('crds/')) || dependencies.some(bringsCrds)

async function untilServed(context: Context, created: readonly Target[]): Promise<void> {
  const { clock, cluster, signal } = context
  const kinds = created.flatMap(({ object }) => servedKinds(object))
  for (const until = clock.now() + servedWithinMs; ; await clock.sleep(lookEveryMs, signal)) {
    cluster.reset()
    const found = await Promise.all(kinds.map(({ apiVersion, kind }) => cluster.resourceOf(apiVersion, kind)))
    if (found.every(resource => resource !== undefined) || clock.now() >= until) return
  }
}

function servedKinds(crd: KubeObject): { apiVersion: string; kind: string }[] {
  const { group, names, versions } = (crd.spec ?? {}) as {
    group?: string
    names?: { kind?: string }
    versions?: readonly { name: string; served?: boolean }[]
  }
  if (crd.kind !== 'CustomResourceDefinition' || !group || !names?.kind) return []
  const { kind } = names
  return (versions ?? []).filter(({ served }) => served).map(({ name }) => ({ apiVersion: `${group}/${name}`, kind }))
}
