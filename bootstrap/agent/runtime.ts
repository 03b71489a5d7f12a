/**
 * What the pod workers need of a container runtime: CRI v1 in TypeScript's terms. Two implement it: containerd through CRI
 * (cri/client.ts) and the embedded runtime (embedded/), chosen by the pod's runtime class. Times are nanoseconds since the
 * epoch, 0 when unknown.
 */

export interface PodSandboxMetadata {
  readonly name: string
  readonly uid: string
  readonly namespace: string
  readonly attempt: number
}

export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET'

export interface NamespaceOptions {
  readonly network: NamespaceMode
  readonly pid: NamespaceMode
  readonly ipc: NamespaceMode
  readonly targetId?: string
}

export interface SecurityProfile {
  readonly profileType: 'RuntimeDefault' | 'Unconfined' | 'Localhost'
  readonly localhostRef?: string
}

export interface SELinuxOption {
  readonly user?: string | undefined
  readonly role?: string | undefined
  readonly type?: string | undefined
  readonly level?: string | undefined
}

export interface SandboxSecurityContext {
  readonly namespaceOptions: NamespaceOptions
  readonly runAsUser?: { readonly value: number }
  readonly runAsGroup?: { readonly value: number }
  readonly supplementalGroups?: readonly number[]
  readonly privileged?: boolean
  readonly seccomp?: SecurityProfile
  readonly selinuxOptions?: SELinuxOption
}

export interface PortMapping {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly containerPort: number
  readonly hostPort: number
  readonly hostIp: string
}

export interface DNSConfig {
  readonly servers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata
  readonly hostname?: string
  readonly logDirectory: string
  readonly dnsConfig: DNSConfig
  readonly portMappings: readonly PortMapping[]
  readonly labels: { readonly [key: string]: string }
  readonly annotations: { readonly [key: string]: string }
  readonly linux: {
    readonly cgroupParent: string
    readonly securityContext: SandboxSecurityContext
    readonly sysctls: { readonly [name: string]: string }
  }
}

export type SandboxState = 'SANDBOX_READY' | 'SANDBOX_NOTREADY'

export interface PodSandbox {
  readonly id: string
  readonly metadata: PodSandboxMetadata
  readonly state: SandboxState
  readonly createdAt: number
  readonly labels: { readonly [key: string]: string }
  readonly annotations: { readonly [key: string]: string }
}

export interface PodSandboxStatus extends PodSandbox {
  /** The pod's addresses, primary first; empty on the host's network. */
  readonly ips: readonly string[]
}

export interface Mount {
  readonly containerPath: string
  readonly hostPath: string
  readonly readonly: boolean
  readonly propagation: 'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL'
}

export interface LinuxResources {
  readonly cpuPeriod?: number
  readonly cpuQuota?: number
  readonly cpuShares?: number
  readonly memoryLimitInBytes?: number
  readonly oomScoreAdj?: number
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[]
  readonly unified?: { readonly [file: string]: string }
}

export interface ContainerSecurityContext {
  readonly capabilities?: { readonly addCapabilities: readonly string[]; readonly dropCapabilities: readonly string[] }
  readonly privileged: boolean
  readonly namespaceOptions: NamespaceOptions
  readonly runAsUser?: { readonly value: number }
  readonly runAsGroup?: { readonly value: number }
  readonly runAsUsername?: string
  readonly readonlyRootfs: boolean
  readonly supplementalGroups?: readonly number[]
  readonly noNewPrivs: boolean
  readonly maskedPaths?: readonly string[]
  readonly readonlyPaths?: readonly string[]
  readonly seccomp?: SecurityProfile
  readonly selinuxOptions?: SELinuxOption
}

export interface ContainerConfig {
  readonly metadata: { readonly name: string; readonly attempt: number }
  readonly image: ImageSpec
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir?: string
  /** Values are bytes on the wire. */
  readonly envs: readonly { readonly key: string; readonly value: Uint8Array }[]
  readonly mounts: readonly Mount[]
  readonly devices?: readonly { containerPath: string; hostPath: string; permissions: string }[]
  readonly labels: { readonly [key: string]: string }
  readonly annotations: { readonly [key: string]: string }
  /** Relative to the sandbox's log directory. */
  readonly logPath: string
  readonly stdin: boolean
  readonly stdinOnce: boolean
  readonly tty: boolean
  readonly linux: { readonly resources: LinuxResources; readonly securityContext: ContainerSecurityContext }
}

export type ContainerState = 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN'

export interface RuntimeContainer {
  readonly id: string
  readonly podSandboxId: string
  readonly metadata: { readonly name: string; readonly attempt: number }
  readonly image: ImageSpec
  readonly imageRef: string
  readonly state: ContainerState
  readonly createdAt: number
  readonly labels: { readonly [key: string]: string }
  readonly annotations: { readonly [key: string]: string }
}

export interface RuntimeContainerStatus {
  readonly id: string
  readonly metadata: { readonly name: string; readonly attempt: number }
  readonly state: ContainerState
  readonly createdAt: number
  readonly startedAt: number
  readonly finishedAt: number
  readonly exitCode: number
  readonly image: ImageSpec
  readonly imageRef: string
  readonly reason: string
  readonly message: string
  readonly labels: { readonly [key: string]: string }
  readonly annotations: { readonly [key: string]: string }
  readonly logPath: string
  readonly stopSignal?: string
}

export interface ImageSpec {
  readonly image: string
  readonly annotations?: { readonly [key: string]: string }
}

export interface RuntimeImage {
  readonly id: string
  readonly repoTags: readonly string[]
  readonly repoDigests: readonly string[]
  readonly size: number
  /** The image's numeric user, if it names one. */
  readonly uid?: number
  readonly username: string
  readonly pinned: boolean
}

export interface ImageAuth {
  readonly username?: string
  readonly password?: string
  readonly auth?: string
  readonly serverAddress?: string
  readonly identityToken?: string
  readonly registryToken?: string
}

export interface UInt64Value {
  readonly value?: number
}

export interface FilesystemUsage {
  readonly timestamp?: number
  readonly fsId?: { readonly mountpoint?: string }
  readonly usedBytes?: UInt64Value
  readonly inodesUsed?: UInt64Value
}

export interface ContainerStats {
  readonly attributes?: {
    readonly id?: string
    readonly metadata?: { readonly name?: string; readonly attempt?: number }
    readonly labels?: { readonly [key: string]: string }
  }
  readonly cpu?: {
    readonly timestamp?: number
    readonly usageCoreNanoSeconds?: UInt64Value
    usageNanoCores?: UInt64Value
  }
  readonly memory?: {
    readonly timestamp?: number
    readonly workingSetBytes?: UInt64Value
    readonly availableBytes?: UInt64Value
    readonly usageBytes?: UInt64Value
    readonly rssBytes?: UInt64Value
    readonly pageFaults?: UInt64Value
    readonly majorPageFaults?: UInt64Value
  }
  readonly writableLayer?: FilesystemUsage
}

export interface RuntimeCondition {
  readonly type: string
  readonly status: boolean
  readonly reason: string
  readonly message: string
}

export interface ExecResult {
  readonly stdout: Buffer
  readonly stderr: Buffer
  readonly exitCode: number
}

/** What happened to a container (or to a sandbox's own process, whose id is then the sandbox's). */
export type RuntimeEvent =
  | { readonly type: 'started' | 'oom'; readonly containerId: string }
  | { readonly type: 'exited'; readonly containerId: string; readonly exitCode: number }
  /** Events may have been lost: look at everything again. */
  | { readonly type: 'relist' }

export interface SandboxFilter {
  readonly id?: string
  readonly labelSelector?: { readonly [key: string]: string }
}

export interface ContainerFilter extends SandboxFilter {
  readonly podSandboxId?: string
}

/** Methods reject with RuntimeError; `code` 5 (gRPC NOT_FOUND) means that the thing does not exist. */
export interface Runtime {
  version(): Promise<{ name: string; version: string }>
  status(): Promise<readonly RuntimeCondition[]>
  updateRuntimeConfig(podCIDR: string): Promise<void>

  runPodSandbox(config: PodSandboxConfig, runtimeHandler: string, signal?: AbortSignal): Promise<string>
  stopPodSandbox(id: string): Promise<void>
  removePodSandbox(id: string): Promise<void>
  podSandboxStatus(id: string): Promise<PodSandboxStatus>
  listPodSandboxes(filter?: SandboxFilter): Promise<readonly PodSandbox[]>

  createContainer(sandboxId: string, config: ContainerConfig, sandbox: PodSandboxConfig): Promise<string>
  startContainer(id: string): Promise<void>
  /** SIGTERM (or the image's stop signal), then SIGKILL after `timeoutSeconds`. Resolves once the container is dead. */
  stopContainer(id: string, timeoutSeconds: number): Promise<void>
  removeContainer(id: string): Promise<void>
  containerStatus(id: string): Promise<RuntimeContainerStatus>
  listContainers(filter?: ContainerFilter): Promise<readonly RuntimeContainer[]>
  updateContainerResources(id: string, resources: LinuxResources): Promise<void>
  reopenContainerLog(id: string): Promise<void>

  /** Rejects with a RuntimeError of code 4 (DEADLINE_EXCEEDED) after `timeoutSeconds`; 0 waits for ever. */
  execSync(id: string, command: readonly string[], timeoutSeconds: number): Promise<ExecResult>
  /** URLs of the runtime's streaming server, which speaks SPDY/3.1 and WebSocket. */
  execUrl(request: StreamRequest & { readonly cmd: readonly string[] }): Promise<string>
  attachUrl(request: StreamRequest): Promise<string>
  portForwardUrl(sandboxId: string, ports: readonly number[]): Promise<string>

  containerStats(id: string): Promise<ContainerStats | undefined>
  listContainerStats(filter?: ContainerFilter): Promise<readonly ContainerStats[]>

  listImages(): Promise<readonly RuntimeImage[]>
  imageStatus(image: string): Promise<RuntimeImage | undefined>
  /** Resolves with the image's reference (its id). */
  pullImage(image: string, auth?: ImageAuth, signal?: AbortSignal): Promise<string>
  removeImage(image: string): Promise<void>
  imageFsInfo(): Promise<readonly FilesystemUsage[]>

  /** Never ends before `signal` aborts: reconnects by itself and then reports a `relist`. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>
}

export interface StreamRequest {
  readonly containerId: string
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}

/**
 * Runs the compiled-in modules as containers. Container images are module names; logs are CRI log files; exec, attach and
 * port-forward URLs are not offered (they reject with UNIMPLEMENTED). Guests are its containers in sandboxes of another
 * runtime.
 */
export interface EmbeddedRuntime extends Runtime {
  holds(containerId: string): boolean
  createGuest(sandboxId: string, config: ContainerConfig, sandbox: PodSandboxConfig): Promise<string>
  stopGuests(sandboxId: string): Promise<void>
  removeGuests(sandboxId: string): Promise<void>
}

/** A runtime's refusal; `code` is the gRPC status code. */
export class RuntimeError extends Error {
  readonly code: number

  constructor(message: string, code: number) {
    super(message)
    this.name = 'RuntimeError'
    this.code = code
  }
}

export const runtimeCode = {
  cancelled: 1,
  deadlineExceeded: 4,
  notFound: 5,
  failedPrecondition: 9,
  unimplemented: 12,
  unavailable: 14,
} as const

export function isRuntimeNotFound(error: unknown): boolean {
  return error instanceof RuntimeError && error.code === runtimeCode.notFound
}
