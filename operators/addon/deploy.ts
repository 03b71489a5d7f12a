/** One manifest file against the cluster: its objects applied and recorded in its Addon, or removed with it. */
import { readFile, rm } from 'node:fs/promises'
import type { Resource } from '../../bootstrap/client/client.ts'
import type { KindResolver } from '../runtime/kinds.ts'
import type { Cluster } from '../runtime/operator.ts'
import { type Addon, addonNamespace, addons, recordApplied, recordedGvks, recordTrouble } from './addon.ts'
import { type ApplyDeps, applyObjects, type Placed, pruneSet, type SetId } from './apply.ts'
import { gvkText, parseGvkText } from './object-set.ts'
import { ManifestError, type ManifestObject, parseManifest } from './parse.ts'

export interface Deployer {
  readonly cluster: Cluster
  readonly kinds: KindResolver
  readonly nodeName: string
}

export type Outcome =
  | { readonly kind: 'applied'; readonly placed: readonly Placed[] }
  /** Its text is no manifest: waits for the file's next change. */
  | { readonly kind: 'broken' }
  /** The API refused some of it: worth another try. */
  | { readonly kind: 'failed' }

/**
 * Applies a file's text; K3s' events and the Addon's condition tell how it went. Objects that the file no longer names
 * go, but only once all that it names is there.
 */
export async function deploy(addon: Addon, text: string, spec: Addon['spec'], deployer: Deployer): Promise<Outcome> {
  const { cluster } = deployer
  const { source } = spec
  let objects: readonly ManifestObject[]
  try {
    objects = parseManifest(text)
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error
    await trouble(addon, 'ParseManifestFailed', `Parse manifest at "${source}" failed: ${error.message}`, deployer)
    return { kind: 'broken' }
  }
  cluster.events.event(addon, 'Normal', 'ApplyingManifest', `Applying manifest at "${source}"`)
  try {
    const placed = await applySet(addon, objects, spec, deployer)
    cluster.events.event(addon, 'Normal', 'AppliedManifest', `Applied manifest at "${source}"`)
    cluster.log.info({ file: source, objects: objects.length }, 'applied manifest')
    return { kind: 'applied', placed }
  } catch (error) {
    if (cluster.signal.aborted) throw error
    const message = `Applying manifest at "${source}" failed: ${(error as Error).message}`
    await trouble(addon, 'ApplyManifestFailed', message, deployer)
    return { kind: 'failed' }
  }
}

async function applySet(
  addon: Addon,
  objects: readonly ManifestObject[],
  spec: Addon['spec'],
  deployer: Deployer,
): Promise<readonly Placed[]> {
  const deps = depsOf(deployer)
  const placed = await applyObjects(objects, setOf(addon), deps)
  const gvks = [...new Set(objects.map(({ object }) => gvkText(object)))]
  await pruneSet(await resourcesOf([...gvks, ...recordedGvks(addon)], deployer), placed, setOf(addon), deps)
  const record = { spec, gvks, nodeName: deployer.nodeName }
  await recordApplied(deployer.cluster.client, addon, record, deployer.cluster.clock.now())
  return placed
}

/** Says in the log, in an event and on the Addon why a file is not applied. */
export async function trouble(addon: Addon, reason: string, message: string, { cluster }: Deployer): Promise<void> {
  const { events, log, client, clock } = cluster
  events.event(addon, 'Warning', reason, message)
  log.warn({ addon: addon.metadata.name }, message)
  await recordTrouble(client, addon, reason, message, clock.now())
}

/** Removes everything of an Addon: its objects, then its file when `removeFile` is given, then itself. */
export async function undeploy(addon: Addon, path: string, removeFile: boolean, deployer: Deployer): Promise<void> {
  const { client, events } = deployer.cluster
  events.event(addon, 'Normal', 'DeletingManifest', `Deleting manifest at "${path}"`)
  const gvks = [...(await kindsIn(path)), ...recordedGvks(addon)]
  await pruneSet(await resourcesOf(gvks, deployer), [], setOf(addon), depsOf(deployer))
  if (removeFile) await rm(path, { force: true })
  await client.delete(addons, { name: addon.metadata.name!, namespace: addonNamespace })
}

/** The kinds a file names; none where it cannot be read, what was recorded of it must do then. */
async function kindsIn(path: string): Promise<string[]> {
  try {
    return parseManifest(await readFile(path, 'utf8')).map(({ object }) => gvkText(object))
  } catch {
    return []
  }
}

/** Resources of kinds the server (still) knows, each once. */
async function resourcesOf(gvks: readonly string[], { kinds }: Deployer): Promise<Resource[]> {
  const found = new Map<string, Resource>()
  for (const text of new Set(gvks)) {
    const gvk = parseGvkText(text)
    const resource = gvk && (await kinds.resolve(gvk.apiVersion, gvk.kind))
    if (resource) found.set(`${resource.group}/${resource.resource}`, resource)
  }
  return [...found.values()]
}

function setOf(addon: Addon): SetId {
  return { name: addon.metadata.name!, namespace: addonNamespace }
}

function depsOf({ cluster: { client, clock, signal }, kinds }: Deployer): ApplyDeps {
  return { client, kinds, clock, signal }
}
