/**
 * K3s' deploy controller: files of server/manifests are applied when they appear or change, and kept applied; objects a
 * file no longer names are removed. One file's trouble is its own: the others are neither delayed nor applied again.
 */
import { readFile, rm, stat } from 'node:fs/promises'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Resource } from '../../bootstrap/client/client.ts'
import { KindResolver } from '../runtime/kinds.ts'
import { type Cluster, done, type Operator, type Result } from '../runtime/operator.ts'
import { type Addon, addonNamespace, addons, createAddon, getAddon, recordApplied, recordedGvks } from './addon.ts'
import { type ApplyDeps, applyObject, idOf, type Placed, pruneSet, type SetId } from './apply.ts'
import { addonName, checksum, isDisabled, isOwnFile, listManifests, watchTree } from './files.ts'
import { gvkText, hashLabel, parseGvkText } from './object-set.ts'
import { ManifestError, parseManifest } from './parse.ts'
import { type StageOptions, stageManifests } from './stage.ts'

export type AddonOptions = StageOptions & { readonly scanMs?: number }

/** What is known of a file since this process started. */
interface FileState {
  readonly mtimeMs: number
  readonly checksum: string
  /** Ids of the objects applied. */
  readonly objects: ReadonlySet<string>
}

export function addonOperator(options: AddonOptions): Operator {
  return new AddonOperator(options)
}

class AddonOperator implements Operator {
  readonly name = 'deploy'
  readonly watches = []
  readonly concurrency = 2
  readonly #options: AddonOptions
  readonly #files = new Map<string, FileState>()
  /** Files to apply again although they did not change: an object of theirs was deleted. */
  readonly #restore = new Set<string>()
  readonly #watched = new Set<string>()
  #kinds: KindResolver | undefined
  #enqueue: (path: string) => void = () => {}

  constructor(options: AddonOptions) {
    this.#options = options
  }

  setup(cluster: Cluster): void {
    this.#kinds = new KindResolver(cluster.client)
  }

  async run(cluster: Cluster, enqueue: (path: string) => void): Promise<void> {
    this.#enqueue = enqueue
    const { target, scanMs = 15_000 } = this.#options
    await stageManifests(this.#options)
    const scan = async () => {
      for (const path of await listManifests(target, this.#options.disabled))
        if (await this.#needsWork(path)) enqueue(path)
    }
    const changed = () =>
      void scan().catch(error => cluster.log.warn({ err: error, target }, 'cannot list the manifests'))
    await watchTree(target, scanMs, changed, cluster.clock, cluster.signal)
  }

  async reconcile(path: string, cluster: Cluster): Promise<Result> {
    const found = await stat(path).catch(() => undefined)
    if (!found) {
      this.#files.delete(path)
      return done
    }
    const bytes = await readFile(path)
    const sum = checksum(bytes)
    const known = this.#files.get(path)
    const restore = this.#restore.delete(path)
    if (known?.checksum === sum && !restore && !this.#disabled(path)) {
      this.#files.set(path, { ...known, mtimeMs: found.mtimeMs })
      return done
    }
    const addon =
      (await getAddon(cluster.client, addonName(path))) ?? (await createAddon(cluster.client, addonName(path), path))
    if (this.#disabled(path)) await this.#remove(path, addon, cluster)
    else await this.#take(path, bytes.toString('utf8'), { mtimeMs: found.mtimeMs, checksum: sum }, addon, cluster)
    return done
  }

  /** Parses and applies one file, and remembers it. A file that cannot be parsed waits for its next change. */
  async #take(
    path: string,
    text: string,
    file: Omit<FileState, 'objects'>,
    addon: Addon,
    cluster: Cluster,
  ): Promise<void> {
    const { events, log } = cluster
    let objects: KubeObject[]
    try {
      objects = parseManifest(text)
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error
      events.event(addon, 'Warning', 'ParseManifestFailed', `Parse manifest at "${path}" failed: ${error.message}`)
      log.warn({ file: path }, `cannot parse manifest: ${error.message}`)
      this.#files.set(path, { ...file, objects: this.#files.get(path)?.objects ?? new Set() })
      return
    }
    events.event(addon, 'Normal', 'ApplyingManifest', `Applying manifest at "${path}"`)
    try {
      const placed = await this.#apply(objects, addon, { source: path, checksum: file.checksum }, cluster)
      this.#files.set(path, { ...file, objects: new Set(placed.map(({ resource, object }) => idOf(resource, object))) })
    } catch (error) {
      events.event(
        addon,
        'Warning',
        'ApplyManifestFailed',
        `Apply manifest at "${path}" failed: ${(error as Error).message}`,
      )
      throw error
    }
    events.event(addon, 'Normal', 'AppliedManifest', `Applied manifest at "${path}"`)
    log.info({ file: path, objects: objects.length }, 'applied manifest')
  }

  async #apply(
    objects: readonly KubeObject[],
    addon: Addon,
    spec: Addon['spec'],
    cluster: Cluster,
  ): Promise<readonly Placed[]> {
    const deps = this.#deps(cluster)
    const set: SetId = { name: addon.metadata.name!, namespace: addonNamespace }
    const crdInFile = objects.some(object => object.kind === 'CustomResourceDefinition')
    const placed: Placed[] = []
    for (const object of objects) placed.push(await applyObject(object, set, crdInFile, deps))
    const gvks = [...new Set(objects.map(gvkText))]
    await pruneSet(await this.#resources([...gvks, ...recordedGvks(addon)]), placed, set, deps)
    await recordApplied(cluster.client, addon, spec, gvks)
    this.#watchDeletions(placed, cluster)
    return placed
  }

  /** --disable of a file that is there: its objects go, then the file (unless it is another folder's), then the Addon. */
  async #remove(path: string, addon: Addon, cluster: Cluster): Promise<void> {
    const { events, client } = cluster
    events.event(addon, 'Normal', 'DeletingManifest', `Deleting manifest at "${path}"`)
    const set: SetId = { name: addon.metadata.name!, namespace: addonNamespace }
    const gvks = [...kindsIn(await readFile(path, 'utf8')), ...recordedGvks(addon)]
    await pruneSet(await this.#resources(gvks), [], set, this.#deps(cluster))
    if (await isOwnFile(this.#options.target, path)) await rm(path, { force: true })
    await client.delete(addons, { name: set.name, namespace: set.namespace })
    this.#files.delete(path)
  }

  /** Resources of kinds the server (still) knows, each once. */
  async #resources(gvks: readonly string[]): Promise<Resource[]> {
    const found = new Map<string, Resource>()
    for (const text of new Set(gvks)) {
      const gvk = parseGvkText(text)
      const resource = gvk && (await this.#kinds!.resolve(gvk.apiVersion, gvk.kind))
      if (resource) found.set(`${resource.group}/${resource.resource}`, resource)
    }
    return [...found.values()]
  }

  /** An applied object that somebody deletes comes back, as long as its file names it. */
  #watchDeletions(placed: readonly Placed[], { informers }: Cluster): void {
    for (const { resource } of placed) {
      const id = `${resource.group}/${resource.version}/${resource.resource}`
      if (this.#watched.has(id)) continue
      this.#watched.add(id)
      informers
        .get(resource, { labelSelector: hashLabel })
        .subscribe({ deleted: object => this.#deleted(idOf(resource, object)) })
    }
  }

  #deleted(id: string): void {
    for (const [path, { objects }] of this.#files) {
      if (!objects.has(id)) continue
      this.#restore.add(path)
      this.#enqueue(path)
    }
  }

  async #needsWork(path: string): Promise<boolean> {
    const known = this.#files.get(path)
    if (!known) return true
    const found = await stat(path).catch(() => undefined)
    return found !== undefined && found.mtimeMs !== known.mtimeMs
  }

  #disabled(path: string): boolean {
    return isDisabled(this.#options.target, path, this.#options.disabled)
  }

  #deps({ client, clock, signal }: Cluster): ApplyDeps {
    return { client, kinds: this.#kinds!, clock, signal }
  }
}

/** The kinds a manifest names; none where it cannot be read, what was recorded of it must do then. */
function kindsIn(text: string): string[] {
  try {
    return parseManifest(text).map(gvkText)
  } catch {
    return []
  }
}
