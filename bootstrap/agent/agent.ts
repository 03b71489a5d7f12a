/** The node agent: starts the container runtime, registers the node, runs its pods. */
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Client } from '../client/client.ts'
import type { Clock } from '../client/clock.ts'
import type { Informers } from '../client/informer.ts'
import { type Node, nodes, pods } from '../client/resources.ts'
import type { Metric } from '../metrics.ts'
import { Containerd } from './containerd/supervisor.ts'
import { createManager } from './create-manager.ts'
import { CriClient } from './cri/client.ts'
import { ensurePauseImage, type ImportDeps, importDirectory, watchDirectory } from './images/import.ts'
import { normalizedImage } from './images/keyring.ts'
import { rotateLogs } from './logs/rotation.ts'
import { unmountBelow } from './mounts.ts'
import { readMachine } from './node/machine.ts'
import type { NodeSettings } from './node/node-object.ts'
import { NodeRegistrar } from './node/registrar.ts'
import type { AgentOptions } from './options.ts'
import { type Paths, pathsOf } from './paths.ts'
import { followPodCidrs } from './pod-cidr.ts'
import { openCgroups } from './pods/cgroups.ts'
import { EventRecorder } from './pods/events.ts'
import type { PodManager } from './pods/manager.ts'
import type { AgentLog } from './pods/services.ts'
import { watchStaticPods } from './pods/static-pods.ts'
import type { EmbeddedRuntime, Runtime } from './runtime.ts'
import { type HandlerDeps, KubeletHandler, type KubeletUser, type StreamHandler } from './server/handler.ts'
import {
  type Listener,
  type ListenerOptions,
  listenHealthz,
  listenKubelet,
  type TokenCheck,
} from './server/listener.ts'
import { Stats } from './stats/summary.ts'

export interface AgentDeps {
  readonly client: Client
  readonly informers: Informers
  readonly clock: Clock
  readonly log: AgentLog
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly embedded?: EmbeddedRuntime
  /** Told the node's pod CIDRs, one per family, once it has them. */
  readonly network?: { usePodCidrs(podCidrs: readonly string[]): Promise<void> }
  /** Serves exec, attach and port-forward. */
  readonly streams?: StreamHandler
  /** Whether a user may use a subresource of this node; without it only system:masters may. */
  readonly authorize?: HandlerDeps['authorize']
  /** What the kubelet's /metrics shows besides its own. */
  readonly metrics?: readonly Metric[] | undefined
  /** Whose a bearer token is; without it only client certificates let anybody in. */
  readonly authenticate?: TokenCheck
}

export interface Agent {
  readonly runtime: Runtime
  readonly manager: PodManager
  /** The kubelet's API, for callers that reach it without its listener (the tunnel, the same process). */
  readonly kubelet: KubeletHandler
  /** The kubelet's listener serves with these from now on; PEM. */
  useCertificate(identity: Pick<ListenerOptions, 'certificate' | 'key' | 'clientCa'>): void
  /** Tells the API of the node's new addresses, and of those of pods on its network. */
  addressesChanged(): Promise<void>
  /** Stops the agent; containers and containerd run on. */
  stop(): Promise<void>
  /** Stops everything it ever started: pods, containerd, mounts. */
  killAll(): Promise<void>
}

/** Resolves once the node is registered and pods are being run. Throws when the runtime cannot be started. */
export async function startAgent(options: AgentOptions, deps: AgentDeps): Promise<Agent> {
  const stopping = new AbortController()
  try {
    return await start(options, deps, stopping)
  } catch (error) {
    stopping.abort()
    throw error
  }
}

async function start(options: AgentOptions, deps: AgentDeps, stopping: AbortController): Promise<Agent> {
  const { signal } = stopping
  const paths = pathsOf(options)
  for (const path of Object.values(paths)) await mkdir(path, { recursive: true })
  const pauseImage = normalizedImage(options.pauseImage)
  const containerd =
    options.containerRuntimeEndpoint === undefined ? newContainerd(options, paths, pauseImage, deps) : undefined
  const runtime = containerd ? await containerd.start() : new CriClient(options.containerRuntimeEndpoint!)
  const [machine, cgroups] = await Promise.all([readMachine(options.dataDir), openCgroups()])
  const imports = containerd ? { runtime, socket: containerd.socket, clock: deps.clock, log: deps.log } : undefined
  if (imports) await ensurePauseImage(pauseImage, imports)

  const settings = settingsOf(options)
  const { clock, client, log, random } = deps
  const events = new EventRecorder({ client, clock, nodeName: options.nodeName, log })
  const network = { ready: false }
  const manager = await createManager({
    options,
    paths,
    deps,
    runtime,
    machine,
    cgroups,
    settings,
    events,
    signal,
    network,
  })
  const registrar = new NodeRegistrar({
    client,
    clock,
    random,
    log,
    signal,
    runtime,
    events,
    machine,
    settings,
    dataDir: options.dataDir,
    networkReady: () => {
      if (network.ready) return
      network.ready = true
      manager.networkReady()
    },
  })
  await registrar.register()
  events.node('Normal', 'Starting', 'Starting kubelet.')
  followPodCidrs(options.nodeName, deps, runtime, signal)
  registrar.run()
  followOwnNode(options.nodeName, deps, registrar, signal)
  await manager.start(deps.informers.get(pods, { fieldSelector: `spec.nodeName=${options.nodeName}` }))
  const staticPods = { directory: join(paths.agent, 'pod-manifests'), nodeName: options.nodeName, clock, log, signal }
  await watchStaticPods(staticPods, found => manager.setStaticPods(found))
  if (imports)
    void importImages(paths.images, imports, signal)
      .then(() => registrar.report())
      .catch(() => undefined)
  void rotateLogs({ clock, signal, log, running: () => manager.running() })
  const kubelet = kubeletHandler(options, paths, deps, manager, runtime)
  const listeners: Listener[] = []
  if (options.server) listeners.push(await listenKubelet(options.server, kubelet, deps.authenticate))
  if (options.healthzPort !== undefined) listeners.push(await listenHealthz(options.healthzPort))

  const stop = async () => {
    for (const listener of listeners) listener.close()
    await events.flush()
    stopping.abort()
    containerd?.release()
  }
  return {
    runtime,
    manager,
    kubelet,
    useCertificate: identity => {
      for (const listener of listeners) listener.useCertificate?.(identity)
    },
    addressesChanged: async () => {
      await registrar.addressesChanged()
      manager.addressesChanged()
    },
    stop: async () => {
      await stop()
      runtime.close()
    },
    killAll: async () => {
      await stop()
      await containerd?.killAll(runtime)
      await unmountBelow(paths.kubelet)
    },
  }
}

function newContainerd(options: AgentOptions, paths: Paths, sandboxImage: string, deps: AgentDeps): Containerd {
  return new Containerd(
    {
      agentDir: paths.agent,
      runDir: options.containerdDir ?? '/run/k3s/containerd',
      snapshotter: options.snapshotter,
      sandboxImage,
      cniBinDir: options.cniBinDir ?? '/usr/lib/cni',
      cniConfDir: options.cniConfDir ?? join(paths.agent, 'etc/cni/net.d'),
      registries: options.registries ?? {},
      disableDefaultRegistryEndpoint: options.disableDefaultRegistryEndpoint ?? false,
      selinux: options.selinux ?? false,
      ...(options.defaultRuntime === undefined ? {} : { defaultRuntime: options.defaultRuntime }),
      nonrootDevices: options.nonrootDevices ?? false,
    },
    deps,
  )
}

function settingsOf(options: AgentOptions): NodeSettings {
  return {
    name: options.nodeName,
    hostname: options.hostname ?? hostname(),
    get ips() {
      return options.nodeIps
    },
    externalIps: options.nodeExternalIps ?? [],
    internalDns: options.nodeInternalDns ?? [],
    externalDns: options.nodeExternalDns ?? [],
    externalCloud: options.externalCloud ?? false,
    providerId: options.providerId,
    labels: options.nodeLabels ?? {},
    annotations: options.nodeAnnotations ?? {},
    taints: options.nodeTaints ?? [],
    version: options.version,
    kubeletPort: options.server?.port ?? 10250,
    maxPods: options.maxPods ?? 110,
  }
}

function kubeletHandler(
  options: AgentOptions,
  paths: Paths,
  deps: AgentDeps,
  manager: PodManager,
  runtime: Runtime,
): KubeletHandler {
  const stats = new Stats({
    manager,
    runtimes: deps.embedded ? [runtime, deps.embedded] : [runtime],
    clock: deps.clock,
    nodeName: options.nodeName,
    startedAt: deps.clock.now(),
    kubeletDir: paths.kubelet,
  })
  const mastersOnly = async (user: KubeletUser) => user.groups.includes('system:masters')
  return new KubeletHandler({
    manager,
    stats,
    streams: deps.streams,
    metrics: deps.metrics,
    log: deps.log,
    authorize: deps.authorize ?? mastersOnly,
  })
}

function followOwnNode(name: string, { informers }: AgentDeps, registrar: NodeRegistrar, signal: AbortSignal): void {
  const seen = (node: Node) => registrar.seen(node)
  const own = informers.get(nodes, { fieldSelector: `metadata.name=${name}` })
  signal.addEventListener('abort', own.subscribe({ added: seen, updated: seen }), { once: true })
}

async function importImages(directory: string, deps: ImportDeps, signal: AbortSignal): Promise<void> {
  watchDirectory(directory, deps, signal)
  await importDirectory(directory, deps)
}
