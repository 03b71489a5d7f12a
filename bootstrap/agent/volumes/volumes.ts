/** All volumes of all pods on this node: set up before containers start, kept current, taken down after they end. */
import { chmod, mkdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { parseQuantity } from '../../api/quantity.ts'
import type { Volume } from '../../api/types.gen.ts'
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import type { Pod } from '../../client/resources.ts'
import { mountsBelow, mountTmpfs, unmountBelow } from '../mounts.ts'
import type { NodeAllocatable, PodAddresses } from '../pods/fields.ts'
import { run } from '../process.ts'
import { writeAtomically } from './atomic-writer.ts'
import { filesOf, referencesOf } from './files.ts'
import { prepareHostPath } from './host-path.ts'
import { applyFsGroup } from './ownership.ts'
import { VolumeError } from './payload.ts'
import { persistentPath } from './persistent.ts'
import type { References } from './references.ts'
import type { Tokens } from './tokens.ts'

export interface MountedVolume {
  readonly hostPath: string
  readonly readOnly: boolean
}

export type MountedVolumes = ReadonlyMap<string, MountedVolume>

export interface VolumeDeps {
  readonly client: Client
  readonly clock: Clock
  readonly references: References
  readonly tokens: Tokens
  /** /var/lib/kubelet */
  readonly kubeletDir: string
  readonly node: () => NodeAllocatable
  readonly log: { warn(fields: object, message: string): void }
}

interface Live {
  pod: Pod
  addresses: PodAddresses
  readonly stop: AbortController
  readonly unwatch: Set<() => void>
  readonly watched: Set<string>
  /** Mounting and refreshing take turns. */
  turn: Promise<unknown>
  /** When the earliest token must be renewed; Infinity without one. */
  refreshAt: number
}

const plugin = {
  emptyDir: 'kubernetes.io~empty-dir',
  configMap: 'kubernetes.io~configmap',
  secret: 'kubernetes.io~secret',
  downwardAPI: 'kubernetes.io~downward-api',
  projected: 'kubernetes.io~projected',
} as const

/** statfs's type of a tmpfs. */
const tmpfsMagic = 0x01021994

const filePlugins = ['configMap', 'secret', 'downwardAPI', 'projected'] as const

export class Volumes {
  readonly #deps: VolumeDeps
  readonly #live = new Map<string, Live>()

  constructor(deps: VolumeDeps) {
    this.#deps = deps
  }

  /** One memory-backed file system holds the files of all pods' ConfigMap, Secret and projected volumes. */
  async prepare(): Promise<void> {
    const memory = this.#memoryDir()
    await mkdir(memory, { recursive: true, mode: 0o750 })
    await mkdir(join(this.#deps.kubeletDir, 'pods'), { recursive: true, mode: 0o750 })
    if ((await statfs(memory)).type !== tmpfsMagic) await mountTmpfs(memory)
  }

  podDirectory(uid: string): string {
    return join(this.#deps.kubeletDir, 'pods', uid)
  }

  /** Idempotent. Throws VolumeError for the first volume that cannot be set up; `changed` is called when it may work. */
  async mount(pod: Pod, addresses: PodAddresses, changed: () => void): Promise<MountedVolumes> {
    const uid = pod.metadata.uid ?? ''
    const live = this.#liveOf(uid, pod, addresses)
    live.pod = pod
    live.addresses = addresses
    this.#watchReferences(live, changed)
    return inTurn(live, () => this.#mountAll(live))
  }

  async #mountAll(live: Live): Promise<MountedVolumes> {
    const mounted = new Map<string, MountedVolume>()
    for (const volume of live.pod.spec.volumes ?? []) {
      try {
        mounted.set(volume.name, await this.#mountOne(live, volume))
      } catch (error) {
        throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${(error as Error).message}`)
      }
    }
    return mounted
  }

  /** Rewrites what depends on the pod's own labels and annotations. */
  async podChanged(pod: Pod): Promise<void> {
    const live = this.#live.get(pod.metadata.uid ?? '')
    if (!live) return
    live.pod = pod
    await this.#refresh(live)
  }

  /** Takes everything down: mounts first, so that nothing inside a mount is ever deleted. */
  async unmount(uid: string): Promise<void> {
    const live = this.#live.get(uid)
    this.#live.delete(uid)
    live?.stop.abort()
    await live?.turn
    for (const unwatch of live?.unwatch ?? []) unwatch()
    this.#deps.tokens.forget(uid)
    const directory = this.podDirectory(uid)
    await unmountBelow(directory)
    if ((await mountsBelow(directory)).length > 0) throw new Error(`volumes of pod ${uid} are still mounted`)
    await rm(directory, { recursive: true, force: true })
    await rm(join(this.#memoryDir(), uid), { recursive: true, force: true })
  }

  #memoryDir(): string {
    return join(this.#deps.kubeletDir, 'memory')
  }

  #liveOf(uid: string, pod: Pod, addresses: PodAddresses): Live {
    let live = this.#live.get(uid)
    if (!live) {
      live = {
        pod,
        addresses,
        stop: new AbortController(),
        unwatch: new Set(),
        watched: new Set(),
        turn: Promise.resolve(),
        refreshAt: Number.POSITIVE_INFINITY,
      }
      this.#live.set(uid, live)
      void this.#renewTokens(live)
    }
    return live
  }

  #watchReferences(live: Live, changed: () => void): void {
    const namespace = live.pod.metadata.namespace ?? ''
    for (const { kind, name } of (live.pod.spec.volumes ?? []).flatMap(referencesOf)) {
      if (live.watched.has(`${kind}/${name}`)) continue
      live.watched.add(`${kind}/${name}`)
      const onChange = () => {
        changed()
        void this.#refresh(live)
      }
      live.unwatch.add(this.#deps.references.watch(kind, namespace, name, onChange))
    }
  }

  #refresh(live: Live): Promise<void> {
    return inTurn(live, () => this.#rewriteFiles(live))
  }

  async #rewriteFiles(live: Live): Promise<void> {
    for (const volume of live.pod.spec.volumes ?? []) {
      if (live.stop.signal.aborted) return
      if (!filePlugins.some(kind => volume[kind])) continue
      await this.#mountOne(live, volume).catch(error =>
        this.#deps.log.warn(
          { pod: live.pod.metadata.name, volume: volume.name, error: (error as Error).message },
          'volume not refreshed',
        ),
      )
    }
  }

  async #renewTokens(live: Live): Promise<void> {
    const { clock } = this.#deps
    while (!live.stop.signal.aborted) {
      const wait = Math.min(60_000, Math.max(1000, live.refreshAt - clock.now()))
      await clock.sleep(wait, live.stop.signal).catch(() => undefined)
      if (clock.now() >= live.refreshAt && !live.stop.signal.aborted) {
        live.refreshAt = Number.POSITIVE_INFINITY
        await this.#refresh(live)
      }
    }
  }

  async #mountOne(live: Live, volume: Volume): Promise<MountedVolume> {
    const uid = live.pod.metadata.uid ?? ''
    if (volume.emptyDir) return this.#emptyDir(live.pod, volume)
    if (volume.hostPath) {
      await prepareHostPath(volume.hostPath.path, volume.hostPath.type ?? '')
      return { hostPath: volume.hostPath.path, readOnly: false }
    }
    const claim =
      volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral && `${live.pod.metadata.name}-${volume.name}`)
    if (claim) return this.#claim(live.pod, claim, volume.persistentVolumeClaim?.readOnly === true)
    const kind = filePlugins.find(name => volume[name])
    if (!kind) throw new VolumeError('no volume plugin matched')
    const directory = join(this.#memoryDir(), uid, plugin[kind], volume.name)
    const { files, refreshAt } = await filesOf(volume, { ...live, ...this.#deps })
    live.refreshAt = Math.min(live.refreshAt, refreshAt)
    await mkdir(directory, { recursive: true, mode: 0o755 })
    await writeAtomically(directory, files, live.pod.spec.securityContext?.fsGroup)
    return { hostPath: directory, readOnly: false }
  }

  async #emptyDir(pod: Pod, volume: Volume): Promise<MountedVolume> {
    const { medium = '', sizeLimit } = volume.emptyDir!
    const path = join(this.podDirectory(pod.metadata.uid ?? ''), 'volumes', plugin.emptyDir, volume.name)
    const isNew = (await mkdir(path, { recursive: true, mode: 0o750 })) !== undefined
    const needsMount = medium !== '' && !(await mountsBelow(path)).includes(path)
    if (needsMount && medium === 'Memory')
      await mountTmpfs(path, sizeLimit ? parseQuantity(sizeLimit).value() : undefined)
    else if (needsMount) await mountHugetlbfs(path, medium)
    if (isNew || needsMount) {
      await chmod(path, 0o777)
      const { fsGroup } = pod.spec.securityContext ?? {}
      if (fsGroup !== undefined) await applyFsGroup(path, fsGroup)
    }
    return { hostPath: path, readOnly: false }
  }

  async #claim(pod: Pod, claim: string, readOnly: boolean): Promise<MountedVolume> {
    const found = await persistentPath(this.#deps.client, pod, claim)
    if (found.hostPathType !== undefined) await prepareHostPath(found.path, found.hostPathType)
    const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {}
    if (found.managesOwnership && fsGroup !== undefined && !readOnly)
      await applyFsGroup(found.path, fsGroup, fsGroupChangePolicy === 'OnRootMismatch')
    return { hostPath: found.path, readOnly: readOnly || found.readOnly }
  }
}

/** Runs `work` after what was asked for before. */
function inTurn<T>(live: Live, work: () => Promise<T>): Promise<T> {
  const result = live.turn.then(work)
  live.turn = result.catch(() => undefined)
  return result
}

/** "HugePages" or "HugePages-2Mi". */
async function mountHugetlbfs(path: string, medium: string): Promise<void> {
  const size = /^HugePages-(\d+[KMG])i$/.exec(medium)?.[1]
  if (size === undefined && medium !== 'HugePages') throw new VolumeError(`unknown storage medium "${medium}"`)
  await run('mount', ['-t', 'hugetlbfs', '-o', `mode=0777${size ? `,pagesize=${size}` : ''}`, 'nodev', path])
}
