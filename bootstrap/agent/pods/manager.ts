/** All pods of this node: one worker each, fed by the API's informer, static pod files and the runtimes' events. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Informer } from '../../client/informer.ts'
import type { Pod } from '../../client/resources.ts'
import { Probes } from '../probes/probes.ts'
import { isRuntimeNotFound, type Runtime, type RuntimeEvent } from '../runtime.ts'
import { containerPath } from './events.ts'
import { containerAnnotation, mirrorAnnotation, podLabel, podLogDirectory, podUid } from './identity.ts'
import { Mirrors } from './mirrors.ts'
import { settleExit } from './observe.ts'
import type { PodServices } from './services.ts'
import { isRunning } from './view.ts'
import { PodWorker } from './worker.ts'

export interface ManagerOptions {
  readonly runtimes: readonly Runtime[]
  readonly kubeletDir: string
  readonly nodeName: string
}

const relistMs = 60_000

export class PodManager {
  readonly #services: PodServices
  readonly #options: ManagerOptions
  readonly #workers = new Map<string, PodWorker>()
  /** Container or sandbox id to pod uid. */
  readonly #owners = new Map<string, string>()
  readonly #ends = new Map<string, AbortController>()
  readonly #mirrors: Mirrors

  constructor(base: Omit<PodServices, 'probes' | 'learn'>, options: ManagerOptions) {
    this.#options = options
    const probes = new Probes({
      clock: base.clock,
      signal: base.signal,
      changed: uid => this.#workers.get(uid)?.wake(),
      unhealthy: (target, _, message) => this.#workers.get(podUid(target.pod))?.unhealthy(target.containerId, message),
      event: (target, reason, message) =>
        base.events.pod(target.pod, 'Warning', reason, message, containerPath(target.pod, target.container.name)),
    })
    this.#services = { ...base, probes, learn: (id, uid) => this.#owners.set(id, uid) }
    this.#mirrors = new Mirrors(base.client, options.nodeName, base.log)
  }

  /** Pods that have a worker. */
  get pods(): readonly Pod[] {
    return [...this.#workers.values()].map(({ pod }) => pod)
  }

  worker(uid: string): PodWorker | undefined {
    return this.#workers.get(uid)
  }

  find(namespace: string, name: string): PodWorker | undefined {
    const all = [...this.#workers.values()].filter(
      ({ pod }) => pod.metadata.namespace === namespace && pod.metadata.name === name,
    )
    return all.findLast(({ pod }) => !pod.metadata.deletionTimestamp) ?? all.at(-1)
  }

  /** Follows the API's pods and the runtimes; pods left over from earlier runs go once the informer has synced. */
  async start(informer: Informer<Pod>): Promise<void> {
    const { signal } = this.#services
    const unsubscribe = informer.subscribe({
      added: pod => this.#changed(pod),
      updated: pod => this.#changed(pod),
      deleted: pod => this.#deleted(pod),
    })
    signal.addEventListener('abort', unsubscribe, { once: true })
    for (const runtime of this.#options.runtimes) void this.#follow(runtime)
    await informer.whenSynced()
    void this.#removeOrphans()
    void this.#relist()
  }

  /** Replaces the set of static pods. */
  setStaticPods(pods: readonly Pod[]): void {
    const wanted = new Map(pods.map(pod => [podUid(pod), pod]))
    for (const uid of this.#mirrors.staticUids()) {
      if (wanted.has(uid)) continue
      this.#mirrors.removeStatic(uid)
      this.#workers.get(uid)?.removed()
    }
    for (const [uid, pod] of wanted) {
      this.#mirrors.addStatic(pod)
      if (!this.#workers.has(uid)) this.#begin(pod)
    }
  }

  /** Aborted once the container has ended. */
  whenEnded(containerId: string): AbortSignal {
    const runs = [...this.#workers.values()].some(({ view }) =>
      view.containers.some(({ id, state }) => id === containerId && state === 'CONTAINER_RUNNING'),
    )
    if (!runs) return AbortSignal.abort()
    const known = this.#ends.get(containerId) ?? new AbortController()
    this.#ends.set(containerId, known)
    return known.signal
  }

  /** Running containers with their logs. */
  running(): { readonly id: string; readonly logPath: string; readonly runtime: Runtime }[] {
    return [...this.#workers.values()].flatMap(({ pod, view }) =>
      view.containers.filter(isRunning).map(({ id, logPath }) => ({ id, logPath, runtime: this.runtimeOf(pod) })),
    )
  }

  /** Where containers of the pod log to. */
  logDirectoryOf(pod: Pod): string {
    return podLogDirectory(this.#services.logRoot, pod)
  }

  runtimeOf(pod: Pod): Runtime {
    return this.#services.runtimeOf(pod)
  }

  /** Pods that wait for the network try again. */
  networkReady(): void {
    for (const worker of this.#workers.values()) worker.retrySandbox()
  }

  /** The node's addresses are those of pods on its network, and in every pod's status. */
  addressesChanged(): void {
    for (const worker of this.#workers.values()) worker.wake()
  }

  #changed(pod: Pod): void {
    if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) {
      const uid = this.#mirrors.seen(pod)
      if (uid !== undefined) this.#workers.get(uid)?.wake()
      return
    }
    const worker = this.#workers.get(podUid(pod))
    if (worker) worker.update(pod)
    else this.#begin(pod)
  }

  #deleted(pod: Pod): void {
    if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) this.#mirrors.lost(pod)
    else this.#workers.get(podUid(pod))?.removed()
  }

  #begin(pod: Pod): void {
    const uid = podUid(pod)
    const worker = new PodWorker(pod, this.#services, given => this.#mirrors.apiObjectOf(given))
    this.#workers.set(uid, worker)
    void worker.done.then(() => {
      if (this.#workers.get(uid) === worker) this.#workers.delete(uid)
      for (const [id, owner] of this.#owners) if (owner === uid) this.#owners.delete(id)
    })
  }

  async #follow(runtime: Runtime): Promise<void> {
    for await (const event of runtime.events(this.#services.signal)) this.#heard(runtime, event)
  }

  /** Once the runtime records the end, the last line of output is in the log. */
  async #announceEnd(runtime: Runtime, containerId: string): Promise<void> {
    await settleExit(runtime, containerId).catch(() => undefined)
    this.#ends.get(containerId)?.abort()
    this.#ends.delete(containerId)
  }

  #heard(runtime: Runtime, event: RuntimeEvent): void {
    if (event.type === 'relist') {
      for (const worker of this.#workers.values()) void worker.runtimeEvent(event)
      return
    }
    if (event.type === 'exited' && this.#ends.has(event.containerId)) void this.#announceEnd(runtime, event.containerId)
    const uid = this.#owners.get(event.containerId)
    if (uid !== undefined && event.type !== 'started') void this.#workers.get(uid)?.runtimeEvent(event)
  }

  /** The safety net: compares what runs with what the workers believe. */
  async #relist(): Promise<void> {
    const { clock, signal, log } = this.#services
    while (!signal.aborted) {
      await clock.sleep(relistMs, signal).catch(() => undefined)
      if (signal.aborted) return
      try {
        const lists = await Promise.all(this.#options.runtimes.map(runtime => runtime.listContainers()))
        const running = new Set(
          lists
            .flat()
            .filter(({ state }) => state === 'CONTAINER_RUNNING')
            .map(({ id }) => id),
        )
        for (const worker of this.#workers.values())
          if (worker.view.containers.some(container => isRunning(container) && !running.has(container.id)))
            void worker.runtimeEvent({ type: 'relist' })
      } catch (error) {
        log.warn({ error: (error as Error).message }, 'containers could not be listed')
      }
    }
  }

  /** Stops sandboxes and removes directories of pods the API no longer has. */
  async #removeOrphans(): Promise<void> {
    const { volumes, log } = this.#services
    try {
      await Promise.all(this.#options.runtimes.map(runtime => this.#removeOrphanSandboxes(runtime)))
      for (const area of ['pods', 'memory'])
        for (const uid of await readdir(join(this.#options.kubeletDir, area)).catch(() => []))
          if (!this.#workers.has(uid)) await volumes.unmount(uid)
    } catch (error) {
      log.warn({ error: (error as Error).message }, 'left-over pods could not be removed')
    }
  }

  async #removeOrphanSandboxes(runtime: Runtime): Promise<void> {
    const orphans = (await runtime.listPodSandboxes()).filter(({ labels }) => {
      const uid = labels[podLabel.uid]
      return uid !== undefined && !this.#workers.has(uid)
    })
    await Promise.all(orphans.map(({ id }) => removeSandbox(runtime, id)))
  }
}

async function removeSandbox(runtime: Runtime, id: string): Promise<void> {
  try {
    for (const container of await runtime.listContainers({ podSandboxId: id }))
      if (container.state === 'CONTAINER_RUNNING')
        await runtime.stopContainer(
          container.id,
          Number(container.annotations[containerAnnotation.podGracePeriod] ?? 30),
        )
    await runtime.stopPodSandbox(id)
    await runtime.removePodSandbox(id)
  } catch (error) {
    if (!isRuntimeNotFound(error)) throw error
  }
}
