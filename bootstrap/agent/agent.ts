/** The node agent: starts the container runtime, registers the node, runs its pods. */
import { mkdir, readFile } from 'node:fs/promises'
import type { Server } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { parseQuantity } from '../api/quantity.ts'
import type { Client } from '../client/client.ts'
import { backoffMs, type Clock } from '../client/clock.ts'
import type { Informers } from '../client/informer.ts'
import { nodes, type Pod, pods, runtimeClasses, services } from '../client/resources.ts'
import { Containerd } from './containerd/supervisor.ts'
import { CriClient } from './cri/client.ts'
import { ensurePauseImage, type ImportDeps, importDirectory, watchDirectory } from './images/import.ts'
import { normalizedImage } from './images/keyring.ts'
import { ImagePuller } from './images/puller.ts'
import { rotateLogs } from './logs/rotation.ts'
import { unmountBelow } from './mounts.ts'
import { type Machine, readMachine } from './node/machine.ts'
import { allocatable, type NodeSettings } from './node/node-object.ts'
import { NodeRegistrar } from './node/registrar.ts'
import type { AgentOptions } from './options.ts'
import { Backoff } from './pods/backoff.ts'
import { type Cgroups, openCgroups } from './pods/cgroups.ts'
import { parseResolvConf } from './pods/dns.ts'
import { EventRecorder } from './pods/events.ts'
import { PodManager } from './pods/manager.ts'
import type { AgentLog } from './pods/services.ts'
import { embeddedHandler } from './pods/starting.ts'
import { watchStaticPods } from './pods/static-pods.ts'
import { StatusWriter } from './pods/status-writer.ts'
import { type EmbeddedRuntime, type Runtime, RuntimeError, runtimeCode } from './runtime.ts'
import { type HandlerDeps, KubeletHandler, type KubeletUser, type StreamHandler } from './server/handler.ts'
import { listenHealthz, listenKubelet } from './server/listener.ts'
import { Stats } from './stats/summary.ts'
import { References } from './volumes/references.ts'
import { Tokens } from './volumes/tokens.ts'
import { Volumes } from './volumes/volumes.ts'

export interface AgentDeps {
  readonly client: Client
  readonly informers: Informers
  readonly clock: Clock
  readonly log: AgentLog
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly embedded?: EmbeddedRuntime
  /** Told the node's pod CIDR once it has one. */
  readonly network?: { usePodCidr(podCidr: string): Promise<void> }
  /** Serves exec, attach and port-forward. */
  readonly streams?: StreamHandler
  /** Whether a user may use a subresource of this node; without it only system:masters may. */
  readonly authorize?: HandlerDeps['authorize']
}

export interface Agent {
  readonly runtime: Runtime
  readonly manager: PodManager
  /** The kubelet's API, for callers that reach it without its listener (the tunnel, the same process). */
  readonly kubelet: KubeletHandler
  /** Stops the agent; containers and containerd run on. */
  stop(): Promise<void>
  /** Stops everything it ever started: pods, containerd, mounts. */
  killAll(): Promise<void>
}

/** Resolves once the node is registered and pods are being run. Throws when the runtime cannot be started. */
export async function startAgent(options: AgentOptions, deps: AgentDeps): Promise<Agent> {
  const stopping = new AbortController()
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
  followPodCidr(options.nodeName, deps, runtime, signal)
  registrar.run()
  await manager.start(deps.informers.get(pods, { fieldSelector: `spec.nodeName=${options.nodeName}` }))
  const staticPods = { directory: join(paths.agent, 'pod-manifests'), nodeName: options.nodeName, clock, log, signal }
  await watchStaticPods(staticPods, found => manager.setStaticPods(found))
  if (imports) void importImages(paths.images, imports, signal)
  void rotateLogs({ clock, signal, log, running: () => manager.running() })
  const kubelet = kubeletHandler(options, paths, deps, manager, runtime)
  const listeners: Server[] = []
  if (options.server) listeners.push(await listenKubelet(options.server, kubelet))
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

interface Paths {
  readonly agent: string
  readonly images: string
  readonly kubelet: string
  readonly podLogs: string
  readonly containerLogs: string
}

function pathsOf(options: AgentOptions): Paths {
  const agent = join(options.dataDir, 'agent')
  return {
    agent,
    images: join(agent, 'images'),
    kubelet: options.kubeletDir ?? '/var/lib/kubelet',
    podLogs: options.podLogDir ?? '/var/log/pods',
    containerLogs: options.containerLogDir ?? '/var/log/containers',
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
      registries: options.registries ?? {},
      disableDefaultRegistryEndpoint: options.disableDefaultRegistryEndpoint ?? false,
    },
    deps,
  )
}

function settingsOf(options: AgentOptions): NodeSettings {
  return {
    name: options.nodeName,
    hostname: options.hostname ?? hostname(),
    ips: options.nodeIps,
    externalIps: options.nodeExternalIps ?? [],
    labels: options.nodeLabels ?? {},
    annotations: options.nodeAnnotations ?? {},
    taints: options.nodeTaints ?? [],
    version: options.version,
    kubeletPort: options.server?.port ?? 10250,
    maxPods: options.maxPods ?? 110,
  }
}

interface ManagerParts {
  readonly options: AgentOptions
  readonly paths: Paths
  readonly deps: AgentDeps
  readonly runtime: Runtime
  readonly machine: Machine
  readonly cgroups: Cgroups
  readonly settings: NodeSettings
  readonly events: EventRecorder
  readonly signal: AbortSignal
  readonly network: { readonly ready: boolean }
}

async function createManager(parts: ManagerParts): Promise<PodManager> {
  const { options, paths, deps, runtime, machine, cgroups, events, signal } = parts
  const { client, clock, log, random, informers, embedded } = deps
  const references = new References({ client, clock, random, signal })
  const node = allocatable(parts.settings, machine)
  const amounts = {
    milliCpu: parseQuantity(node.cpu!).milliValue(),
    memory: parseQuantity(node.memory!).value(),
    ephemeralStorage: parseQuantity(node['ephemeral-storage']!).value(),
  }
  const volumes = new Volumes({
    client,
    clock,
    references,
    tokens: new Tokens(client, clock, random),
    kubeletDir: paths.kubelet,
    node: () => amounts,
    log,
  })
  await volumes.prepare()
  const classes = informers.get(runtimeClasses)
  const serviceInformer = informers.get(services)
  await Promise.all([classes.whenSynced(), serviceInformer.whenSynced()])
  const runtimeOf = (pod: Pod) => {
    const name = pod.spec.runtimeClassName ?? ''
    if (name === '') return { runtime, handler: '' }
    if (name === embeddedHandler && embedded) return { runtime: embedded, handler: embeddedHandler }
    const found = classes.get(name)
    if (!found) throw new RuntimeError(`RuntimeClass "${name}" not found`, runtimeCode.notFound)
    return { runtime, handler: found.handler }
  }
  return new PodManager(
    {
      client,
      clock,
      random,
      log,
      signal,
      events,
      status: new StatusWriter({ client, clock, random, signal, log }),
      volumes,
      references,
      images: new ImagePuller({ clock, events, references }),
      cgroups,
      restarts: new Backoff(),
      runtimeOf,
      services: () => serviceInformer.list(),
      hostDns: async () =>
        parseResolvConf(await readFile(options.resolvConf ?? '/etc/resolv.conf', 'utf8').catch(() => '')),
      networkReady: () => parts.network.ready,
      clusterDns: { servers: options.clusterDns, domain: options.clusterDomain },
      hostIps: options.nodeIps,
      nodeLimits: { memoryCapacity: machine.memoryBytes, cpuQuota: cgroups.controllers.has('cpu') },
      allocatable: () => amounts,
      logRoot: paths.podLogs,
      containerLogRoot: paths.containerLogs,
    },
    { runtimes: embedded ? [runtime, embedded] : [runtime], kubeletDir: paths.kubelet, nodeName: options.nodeName },
  )
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
    log: deps.log,
    authorize: deps.authorize ?? mastersOnly,
  })
}

/** Tells network and runtime the node's pod CIDR as soon as the API has one, and again until they take it. */
function followPodCidr(nodeName: string, deps: AgentDeps, runtime: Runtime, signal: AbortSignal): void {
  const { clock, random, log } = deps
  let known = ''
  const apply = async (podCidr: string) => {
    for (let failures = 0; !signal.aborted && podCidr === known; failures++) {
      try {
        await deps.network?.usePodCidr(podCidr)
        await runtime.updateRuntimeConfig(podCidr)
        return
      } catch (error) {
        log.error({ podCidr, error: (error as Error).message }, 'pod network not set up')
        await clock.sleep(backoffMs(failures, 500, 30_000, random), signal).catch(() => undefined)
      }
    }
  }
  const learn = (podCidr: string | undefined) => {
    if (!podCidr || podCidr === known) return
    known = podCidr
    void apply(podCidr)
  }
  const unsubscribe = deps.informers.get(nodes, { fieldSelector: `metadata.name=${nodeName}` }).subscribe({
    added: node => learn(node.spec?.podCIDR),
    updated: node => learn(node.spec?.podCIDR),
  })
  signal.addEventListener('abort', unsubscribe, { once: true })
}

async function importImages(directory: string, deps: ImportDeps, signal: AbortSignal): Promise<void> {
  watchDirectory(directory, deps, signal)
  await importDirectory(directory, deps)
}
