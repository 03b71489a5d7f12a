/**
 * K3s' deploy controller: files of server/manifests are applied when they appear or change, and kept applied; objects a
 * file no longer names are removed. One file's trouble is its own: the others are neither delayed nor applied again.
 */
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { isStatusError } from '../../bootstrap/api/errors.ts'
import { backoffMs } from '../../bootstrap/client/clock.ts'
import { KindResolver } from '../runtime/kinds.ts'
import { type Cluster, done, type Operator, type Result } from '../runtime/operator.ts'
import { type Addon, addonNamespace, addons, createAddon, getAddon, isFrom, prunesWithFile } from './addon.ts'
import { idOf, type Placed } from './apply.ts'
import { type Deployer, deploy, trouble, undeploy } from './deploy.ts'
import { addonName, checksum, isDisabled, isOwnFile, listManifests, watchTree } from './files.ts'
import { hashLabel } from './object-set.ts'
import { editRefused } from './packaged.ts'
import { type Staged, type StageOptions, stageManifests } from './stage.ts'

export interface AddonOptions extends StageOptions {
  readonly nodeName: string
  /** Objects of a deleted file go with it, unless their Addon says otherwise. K3s leaves them. */
  readonly pruneByDefault?: boolean
  readonly scanMs?: number
}

/** What is known of a file since this process started. */
interface FileState {
  readonly mtimeMs: number
  readonly checksum: string
  /** Ids of the objects applied. */
  readonly objects: ReadonlySet<string>
  /** Tries in a row that the API refused; none for a file that is applied or waits for its next change. */
  readonly failures: number
}

/** Many editors write a file by replacing it: one that is gone for less than this is not deleted. */
const goneMs = 2000
const retry = { firstMs: 100, lastMs: 15_000 }

export function addonOperator(options: AddonOptions): Operator {
  return new AddonOperator(options)
}

class AddonOperator implements Operator {
  readonly name = 'deploy'
  readonly watches = []
  readonly concurrency = 2
  readonly #options: AddonOptions
  readonly #files = new Map<string, FileState>()
  /** When a file was first found missing. */
  readonly #missing = new Map<string, number>()
  /** Files to apply again although they did not change: an object of theirs was deleted. */
  readonly #restore = new Set<string>()
  readonly #watched = new Set<string>()
  #staged: Staged = { files: new Map(), putAside: new Map() }
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
    this.#staged = await stageManifests(this.#options)
    for (const [path, edited] of this.#staged.putAside) cluster.log.warn({ edited }, editRefused(path, addonName(path)))
    for (const path of await this.#goneSinceLastTime(cluster)) enqueue(path)
    const scan = async () => {
      const present = await listManifests(target, this.#options.disabled)
      for (const path of present) if (await this.#needsWork(path)) enqueue(path)
      for (const path of this.#files.keys()) if (!existsSync(path)) enqueue(path)
    }
    const changed = () =>
      void scan().catch(error => cluster.log.warn({ err: error, target }, 'cannot list the manifests'))
    await watchTree(target, scanMs, changed, cluster.clock, cluster.signal)
  }

  async reconcile(path: string, cluster: Cluster): Promise<Result> {
    const found = await stat(path).catch(() => undefined)
    if (!found) return this.#gone(path, cluster)
    this.#missing.delete(path)
    const bytes = await readFile(path).catch((error: Error) => error)
    if (bytes instanceof Error) return this.#unreadable(path, bytes, cluster)
    const file = { mtimeMs: found.mtimeMs, checksum: checksum(bytes) }
    const known = this.#files.get(path)
    const restore = this.#restore.delete(path)
    if (known?.checksum === file.checksum && known.failures === 0 && !restore && !this.#disabled(path)) {
      this.#files.set(path, { ...known, mtimeMs: file.mtimeMs })
      return done
    }
    const addon = await this.#addonOf(path, cluster)
    if (addon === undefined) {
      this.#files.set(path, { ...file, objects: new Set(), failures: 0 })
      return done
    }
    const deployer = this.#deployer(cluster)
    if (this.#disabled(path)) {
      await undeploy(addon, path, await isOwnFile(this.#options.target, path), deployer)
      this.#files.delete(path)
      return done
    }
    const staged = this.#staged.files.get(path)
    if (staged !== undefined && staged !== file.checksum) {
      await trouble(addon, 'PackagedManifestEdited', editRefused(path, addonName(path)), deployer)
      this.#files.set(path, { ...file, objects: known?.objects ?? new Set(), failures: 0 })
      return done
    }
    return this.#take(path, bytes.toString('utf8'), file, addon, cluster)
  }

  /** Applies one file and remembers it. A file that cannot be parsed waits for its next change. */
  async #take(
    path: string,
    text: string,
    file: Pick<FileState, 'mtimeMs' | 'checksum'>,
    addon: Addon,
    cluster: Cluster,
  ): Promise<Result> {
    const known = this.#files.get(path)
    const outcome = await deploy(addon, text, { source: path, checksum: file.checksum }, this.#deployer(cluster))
    switch (outcome.kind) {
      case 'applied': {
        const objects = new Set(outcome.placed.map(({ resource, object }) => idOf(resource, object)))
        this.#files.set(path, { ...file, objects, failures: 0 })
        this.#watchDeletions(outcome.placed, cluster)
        return done
      }
      case 'broken':
        this.#files.set(path, { ...file, objects: known?.objects ?? new Set(), failures: 0 })
        return done
      case 'failed': {
        const failures = known?.checksum === file.checksum ? known.failures + 1 : 1
        this.#files.set(path, { ...file, objects: known?.objects ?? new Set(), failures })
        return { requeueAfterMs: backoffMs(failures - 1, retry.firstMs, retry.lastMs, cluster.random) }
      }
    }
  }

  /** A file that is no longer there. K3s leaves its objects and its Addon; so does Skiff, unless asked to prune. */
  async #gone(path: string, cluster: Cluster): Promise<Result> {
    const addon = await getAddon(cluster.client, addonName(path))
    if (addon?.spec.source !== path || !prunesWithFile(addon, this.#options.pruneByDefault ?? false)) {
      this.#files.delete(path)
      return done
    }
    const now = cluster.clock.now()
    const since = this.#missing.get(path) ?? now
    this.#missing.set(path, since)
    if (now - since < goneMs) return { requeueAfterMs: goneMs - (now - since) }
    await undeploy(addon, path, false, this.#deployer(cluster))
    cluster.log.info({ file: path }, 'removed the objects of a deleted manifest')
    this.#files.delete(path)
    this.#missing.delete(path)
    return done
  }

  async #unreadable(path: string, error: Error, cluster: Cluster): Promise<Result> {
    const message = `Read manifest at "${path}" failed: ${error.message}`
    const addon = await this.#addonOf(path, cluster)
    if (addon) await trouble(addon, 'ReadManifestFailed', message, this.#deployer(cluster))
    return { requeueAfterMs: retry.lastMs }
  }

  /** Sources of Addons whose file vanished while no server ran here. */
  async #goneSinceLastTime({ client }: Cluster): Promise<string[]> {
    const { target, nodeName } = this.#options
    const { items } = await client.list(addons, { namespace: addonNamespace })
    const ours = items.filter(addon => isFrom(addon, nodeName) && addon.spec.source.startsWith(`${target}/`))
    const missing = await Promise.all(ours.map(({ spec }) => stat(spec.source).catch(() => undefined)))
    return ours.filter((_, index) => !missing[index]).map(({ spec }) => spec.source)
  }

  /** The file's Addon, made when there is none; undefined for a file whose name cannot be an object's. */
  async #addonOf(path: string, { client, log }: Cluster): Promise<Addon | undefined> {
    const name = addonName(path)
    try {
      return (await getAddon(client, name)) ?? (await createAddon(client, name, path))
    } catch (error) {
      if (!isStatusError(error, 'Invalid')) throw error
      log.warn(
        { file: path },
        `cannot apply a manifest of this name: "${name}" is no object name, want a-z, 0-9 and "-"`,
      )
      return undefined
    }
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
    // Immutable file systems give every file the time 0: their content has to be compared.
    return found !== undefined && (found.mtimeMs !== known.mtimeMs || found.mtimeMs === 0)
  }

  #disabled(path: string): boolean {
    return isDisabled(this.#options.target, path, this.#options.disabled)
  }

  #deployer(cluster: Cluster): Deployer {
    return { cluster, kinds: this.#kinds!, nodeName: this.#options.nodeName }
  }
}
