/** The runtime behind RuntimeClass `embedded`: sandboxes are addresses, containers are modules of this program. */
import { randomBytes } from 'node:crypto'
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import {
  type ContainerConfig,
  type ContainerFilter,
  type ContainerStats,
  type EmbeddedRuntime,
  type ExecResult,
  type FilesystemUsage,
  type PodSandbox,
  type PodSandboxConfig,
  type PodSandboxStatus,
  type RuntimeContainer,
  type RuntimeContainerStatus,
  RuntimeError,
  type RuntimeEvent,
  type RuntimeImage,
  runtimeCode,
  type SandboxFilter,
} from '../runtime.ts'
import type { AddressPool } from './addresses.ts'
import { EmbeddedContainer } from './container.ts'
import { EventFan } from './event-fan.ts'
import type { EmbeddedContext, EmbeddedModule, EmbeddedModules } from './module.ts'

/** "embedded/coredns:1" names the module coredns; a tag says nothing, the module is the program's own. */
function moduleName(image: string): string {
  return /^embedded\/([^:@]+)/.exec(image)?.[1] ?? ''
}

/** A module runs as no user of its own; pods that insist on not being root are not refused for that. */
const moduleUid = 65532
/** Where pods have the token of their service account. */
const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount'

export interface EmbeddedRuntimeDeps {
  readonly modules: EmbeddedModules
  readonly addresses: AddressPool
  readonly nodeName: string
  /** The client of a pod's service account. */
  readonly clientOf: (pod: { namespace: string; name: string }) => Client
  readonly certificate: EmbeddedContext['certificate']
  readonly clock: Clock
  readonly version: string
}

interface Sandbox {
  readonly config: PodSandboxConfig
  readonly createdAt: number
  /** One per family; none on the host's network. */
  readonly ips: readonly string[]
  ready: boolean
}

export class EmbeddedPodRuntime implements EmbeddedRuntime {
  readonly #deps: EmbeddedRuntimeDeps
  readonly #sandboxes = new Map<string, Sandbox>()
  readonly #containers = new Map<string, EmbeddedContainer>()
  readonly #events = new EventFan<RuntimeEvent>()

  constructor(deps: EmbeddedRuntimeDeps) {
    this.#deps = deps
  }

  async version(): Promise<{ name: string; version: string }> {
    return { name: 'embedded', version: this.#deps.version }
  }

  async status(): Promise<readonly { type: string; status: boolean; reason: string; message: string }[]> {
    return ['RuntimeReady', 'NetworkReady'].map(type => ({ type, status: true, reason: '', message: '' }))
  }

  async updateRuntimeConfig(): Promise<void> {}

  async runPodSandbox(config: PodSandboxConfig): Promise<string> {
    const id = randomBytes(32).toString('hex')
    const onHost = config.linux.securityContext.namespaceOptions.network === 'NODE'
    const ips = onHost ? [] : await this.#deps.addresses.allocate(id)
    this.#sandboxes.set(id, { config, createdAt: this.#deps.clock.now(), ips, ready: true })
    return id
  }

  async stopPodSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id)
    if (!sandbox?.ready) return
    await Promise.all(this.#of(id).map(container => container.stop(0)))
    sandbox.ready = false
    if (sandbox.ips.length > 0) await this.#deps.addresses.release(id, sandbox.ips)
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.stopPodSandbox(id)
    for (const container of this.#of(id)) this.#containers.delete(container.id)
    this.#sandboxes.delete(id)
  }

  async podSandboxStatus(id: string): Promise<PodSandboxStatus> {
    const sandbox = this.#sandbox(id)
    return { ...summaryOf(id, sandbox), ips: sandbox.ips }
  }

  async listPodSandboxes(filter: SandboxFilter = {}): Promise<readonly PodSandbox[]> {
    return [...this.#sandboxes].map(([id, sandbox]) => summaryOf(id, sandbox)).filter(item => matches(item, filter))
  }

  async createContainer(sandboxId: string, config: ContainerConfig, sandbox: PodSandboxConfig): Promise<string> {
    const { ips } = this.#sandbox(sandboxId)
    return this.#create(sandboxId, ips, config, sandbox)
  }

  /** Anybody may create ordinary pods: only modules made for that, and with no rights but those of the pod's own token. */
  async createGuest(sandboxId: string, config: ContainerConfig, sandbox: PodSandboxConfig): Promise<string> {
    const { image } = config.image
    const module = await this.#loader(image)()
    if (module.guest !== true)
      throw new RuntimeError(
        `module ${moduleName(image)} runs in pods of the runtime class embedded only`,
        runtimeCode.failedPrecondition,
      )
    if (!config.mounts.some(({ containerPath }) => containerPath === tokenPath))
      throw new RuntimeError(
        `module ${moduleName(image)} needs the token of a service account at ${tokenPath}`,
        runtimeCode.failedPrecondition,
      )
    return this.#create(sandboxId, [], config, sandbox)
  }

  holds(containerId: string): boolean {
    return this.#containers.has(containerId)
  }

  async stopGuests(sandboxId: string): Promise<void> {
    await Promise.all(this.#of(sandboxId).map(container => container.stop(0)))
  }

  async removeGuests(sandboxId: string): Promise<void> {
    await this.stopGuests(sandboxId)
    for (const container of this.#of(sandboxId)) this.#containers.delete(container.id)
  }

  #create(
    sandboxId: string,
    ips: readonly string[],
    config: ContainerConfig,
    { metadata, logDirectory }: PodSandboxConfig,
  ): string {
    const load = this.#loader(config.image.image)
    const id = randomBytes(32).toString('hex')
    const pod = { ...metadata, nodeName: this.#deps.nodeName, ips }
    const container = new EmbeddedContainer(id, sandboxId, config, {
      load,
      context: { pod, client: this.#deps.clientOf(metadata), certificate: this.#deps.certificate },
      logDirectory,
      now: () => this.#deps.clock.now(),
      exited: (containerId, exitCode) => this.#events.emit({ type: 'exited', containerId, exitCode }),
    })
    this.#containers.set(id, container)
    return id
  }

  async startContainer(id: string): Promise<void> {
    this.#container(id).start()
    this.#events.emit({ type: 'started', containerId: id })
  }

  async stopContainer(id: string, timeoutSeconds: number): Promise<void> {
    await this.#container(id).stop(timeoutSeconds * 1000)
  }

  async removeContainer(id: string): Promise<void> {
    await this.#containers.get(id)?.stop(0)
    this.#containers.delete(id)
  }

  async containerStatus(id: string): Promise<RuntimeContainerStatus> {
    return this.#container(id).status()
  }

  async listContainers(filter: ContainerFilter = {}): Promise<readonly RuntimeContainer[]> {
    const all = [...this.#containers.values()].map(container => container.summary())
    return all.filter(
      item => matches(item, filter) && (filter.podSandboxId === undefined || item.podSandboxId === filter.podSandboxId),
    )
  }

  async updateContainerResources(): Promise<void> {}
  async reopenContainerLog(): Promise<void> {}

  async execSync(): Promise<ExecResult> {
    return unsupported('exec')
  }

  async execUrl(): Promise<string> {
    return unsupported('exec')
  }

  async attachUrl(): Promise<string> {
    return unsupported('attach')
  }

  async portForwardUrl(): Promise<string> {
    return unsupported('port-forward')
  }

  async containerStats(): Promise<ContainerStats | undefined> {
    return undefined
  }

  async listContainerStats(): Promise<readonly ContainerStats[]> {
    return []
  }

  async listImages(): Promise<readonly RuntimeImage[]> {
    return []
  }

  async imageStatus(image: string): Promise<RuntimeImage | undefined> {
    return this.#deps.modules.has(moduleName(image))
      ? { id: image, repoTags: [image], repoDigests: [], size: 0, uid: moduleUid, username: '', pinned: true }
      : undefined
  }

  async pullImage(image: string): Promise<string> {
    if (!(await this.imageStatus(image)))
      throw new RuntimeError(`no embedded module is called "${image}"`, runtimeCode.notFound)
    return image
  }

  async removeImage(): Promise<void> {}

  async imageFsInfo(): Promise<readonly FilesystemUsage[]> {
    return []
  }

  events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    return this.#events.subscribe(signal)
  }

  /** Ends every module, e.g. because the process ends; their pods start again with the next one. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.#containers.values()].map(container => container.stop(graceMs)))
    for (const id of [...this.#sandboxes.keys()]) await this.stopPodSandbox(id)
  }

  #loader(image: string): () => Promise<EmbeddedModule> {
    const load = this.#deps.modules.get(moduleName(image))
    if (!load) throw new RuntimeError(`no embedded module is called "${image}"`, runtimeCode.notFound)
    return load
  }

  #of(sandboxId: string): EmbeddedContainer[] {
    return [...this.#containers.values()].filter(container => container.sandboxId === sandboxId)
  }

  #sandbox(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id)
    if (!sandbox) throw new RuntimeError(`no sandbox ${id}`, runtimeCode.notFound)
    return sandbox
  }

  #container(id: string): EmbeddedContainer {
    const container = this.#containers.get(id)
    if (!container) throw new RuntimeError(`no container ${id}`, runtimeCode.notFound)
    return container
  }
}

function unsupported(what: string): never {
  throw new RuntimeError(
    `${what} is not supported in embedded pods, which run inside Skiff without a container`,
    runtimeCode.unimplemented,
  )
}

function summaryOf(id: string, { config, createdAt, ready }: Sandbox): PodSandbox {
  const { metadata, labels, annotations } = config
  return {
    id,
    metadata,
    state: ready ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
    createdAt: createdAt * 1e6,
    labels,
    annotations,
  }
}

function matches(item: { id: string; labels: { readonly [key: string]: string } }, filter: SandboxFilter): boolean {
  if (filter.id !== undefined && item.id !== filter.id) return false
  return Object.entries(filter.labelSelector ?? {}).every(([key, value]) => item.labels[key] === value)
}
