/** CRI v1 over gRPC on containerd's Unix socket. */
import { Codec, type Message } from '../../protobuf/codec.ts'
import {
  type ContainerConfig,
  type ContainerFilter,
  type ContainerStats,
  type ExecResult,
  type FilesystemUsage,
  type ImageAuth,
  type LinuxResources,
  type PodSandbox,
  type PodSandboxConfig,
  type PodSandboxStatus,
  type Runtime,
  type RuntimeCondition,
  type RuntimeContainer,
  type RuntimeContainerStatus,
  RuntimeError,
  type RuntimeEvent,
  type RuntimeImage,
  runtimeCode,
  type SandboxFilter,
  type StreamRequest,
} from '../runtime.ts'
import { containerdEvents } from './events.ts'
import { type CallOptions, GrpcChannel, type GrpcError } from './grpc.ts'
import { criDescriptors } from './messages.ts'
import { asContainer, asContainerStatus, asImage, asSandbox, asSandboxStatus } from './views.ts'

const imageMethods = new Set(['ListImages', 'ImageStatus', 'PullImage', 'RemoveImage', 'ImageFsInfo'])

/** Unary calls never outlive this, except those that legitimately take long (a pull, a stop with grace, an exec). */
const defaultDeadlineMs = 120_000

export class CriClient implements Runtime {
  readonly #codec = new Codec(criDescriptors)
  readonly #grpc: GrpcChannel

  /** `endpoint` is a socket's path or a "unix://" URL. */
  constructor(endpoint: string) {
    this.#grpc = new GrpcChannel(endpoint.replace(/^unix:\/\//, ''))
  }

  close(): void {
    this.#grpc.close()
  }

  /** Resolves once the socket accepts connections, or rejects after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void> {
    return this.#grpc.ready(timeoutMs)
  }

  async #call(method: string, request: object, options: CallOptions = {}): Promise<Message> {
    const service = imageMethods.has(method) ? 'ImageService' : 'RuntimeService'
    const body = this.#codec.encode(`${method}Request`, request)
    try {
      const answer = await this.#grpc.unary(`/runtime.v1.${service}/${method}`, body, {
        deadlineMs: defaultDeadlineMs,
        ...options,
      })
      return this.#codec.decode(`${method}Response`, answer)
    } catch (error) {
      const { message, code } = error as GrpcError
      throw new RuntimeError(message, code)
    }
  }

  async version(): Promise<{ name: string; version: string }> {
    const { runtimeName = '', runtimeVersion = '' } = await this.#call('Version', { version: 'v1' })
    return { name: String(runtimeName), version: String(runtimeVersion) }
  }

  async status(): Promise<readonly RuntimeCondition[]> {
    const { status } = (await this.#call('Status', {})) as { status?: { conditions?: Partial<RuntimeCondition>[] } }
    return (status?.conditions ?? []).map(({ type = '', status = false, reason = '', message = '' }) => ({
      type,
      status,
      reason,
      message,
    }))
  }

  async updateRuntimeConfig(podCidr: string): Promise<void> {
    await this.#call('UpdateRuntimeConfig', { runtimeConfig: { networkConfig: { podCidr } } })
  }

  async runPodSandbox(config: PodSandboxConfig, runtimeHandler: string, signal?: AbortSignal): Promise<string> {
    const { podSandboxId } = await this.#call(
      'RunPodSandbox',
      { config, runtimeHandler },
      { deadlineMs: 240_000, signal },
    )
    return String(podSandboxId)
  }

  async stopPodSandbox(podSandboxId: string): Promise<void> {
    await this.#call('StopPodSandbox', { podSandboxId })
  }

  async removePodSandbox(podSandboxId: string): Promise<void> {
    await this.#call('RemovePodSandbox', { podSandboxId })
  }

  async podSandboxStatus(podSandboxId: string): Promise<PodSandboxStatus> {
    const { status } = await this.#call('PodSandboxStatus', { podSandboxId })
    return asSandboxStatus(status as Message)
  }

  async listPodSandboxes(filter: SandboxFilter = {}): Promise<readonly PodSandbox[]> {
    const { items = [] } = (await this.#call('ListPodSandbox', { filter })) as { items?: Message[] }
    return items.map(asSandbox)
  }

  async createContainer(
    podSandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
  ): Promise<string> {
    const { containerId } = await this.#call('CreateContainer', { podSandboxId, config, sandboxConfig })
    return String(containerId)
  }

  async startContainer(containerId: string): Promise<void> {
    await this.#call('StartContainer', { containerId })
  }

  async stopContainer(containerId: string, timeoutSeconds: number): Promise<void> {
    const deadlineMs = timeoutSeconds * 1000 + defaultDeadlineMs
    await this.#call('StopContainer', { containerId, timeout: timeoutSeconds }, { deadlineMs })
  }

  async removeContainer(containerId: string): Promise<void> {
    await this.#call('RemoveContainer', { containerId })
  }

  async containerStatus(containerId: string): Promise<RuntimeContainerStatus> {
    const { status } = await this.#call('ContainerStatus', { containerId })
    return asContainerStatus(status as Message)
  }

  async listContainers(filter: ContainerFilter = {}): Promise<readonly RuntimeContainer[]> {
    const { containers = [] } = (await this.#call('ListContainers', { filter })) as { containers?: Message[] }
    return containers.map(asContainer)
  }

  async updateContainerResources(containerId: string, linux: LinuxResources): Promise<void> {
    await this.#call('UpdateContainerResources', { containerId, linux })
  }

  async reopenContainerLog(containerId: string): Promise<void> {
    await this.#call('ReopenContainerLog', { containerId })
  }

  async execSync(containerId: string, command: readonly string[], timeoutSeconds: number): Promise<ExecResult> {
    const deadlineMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + 2000 : 0
    const request = { containerId, cmd: command, timeout: timeoutSeconds }
    const { stdout, stderr, exitCode = 0 } = await this.#call('ExecSync', request, { deadlineMs })
    const empty = Buffer.alloc(0)
    return { stdout: (stdout as Buffer) ?? empty, stderr: (stderr as Buffer) ?? empty, exitCode: exitCode as number }
  }

  async execUrl(request: StreamRequest & { readonly cmd: readonly string[] }): Promise<string> {
    return String((await this.#call('Exec', request)).url)
  }

  async attachUrl(request: StreamRequest): Promise<string> {
    return String((await this.#call('Attach', request)).url)
  }

  async portForwardUrl(podSandboxId: string, port: readonly number[]): Promise<string> {
    return String((await this.#call('PortForward', { podSandboxId, port })).url)
  }

  async containerStats(containerId: string): Promise<ContainerStats | undefined> {
    return (await this.#call('ContainerStats', { containerId })).stats as ContainerStats | undefined
  }

  async listContainerStats(filter: ContainerFilter = {}): Promise<readonly ContainerStats[]> {
    return ((await this.#call('ListContainerStats', { filter })).stats ?? []) as ContainerStats[]
  }

  async listImages(): Promise<readonly RuntimeImage[]> {
    const { images = [] } = (await this.#call('ListImages', {})) as { images?: Message[] }
    return images.map(asImage)
  }

  async imageStatus(image: string): Promise<RuntimeImage | undefined> {
    const { image: found } = await this.#call('ImageStatus', { image: { image } })
    return found ? asImage(found as Message) : undefined
  }

  async pullImage(image: string, auth?: ImageAuth, signal?: AbortSignal): Promise<string> {
    const request = { image: { image }, ...(auth ? { auth } : {}) }
    return String((await this.#call('PullImage', request, { deadlineMs: 0, signal })).imageRef)
  }

  async removeImage(image: string): Promise<void> {
    await this.#call('RemoveImage', { image: { image } })
  }

  async imageFsInfo(): Promise<readonly FilesystemUsage[]> {
    return ((await this.#call('ImageFsInfo', {})).imageFilesystems ?? []) as FilesystemUsage[]
  }

  events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    return containerdEvents(this.#grpc, signal)
  }
}

/** True when the runtime cannot be reached at all, as opposed to refusing a request. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof RuntimeError && error.code === runtimeCode.unavailable
}
