/** The pod manager with everything pods need: volumes, images, status, back-off, and the runtime of their class. */
import { readFile } from 'node:fs/promises'
import { parseQuantity } from '../api/quantity.ts'
import { type Pod, runtimeClasses, services } from '../client/resources.ts'
import type { AgentDeps } from './agent.ts'
import { hasGuests, withGuests } from './embedded/guests.ts'
import { ImagePuller } from './images/puller.ts'
import type { Machine } from './node/machine.ts'
import { allocatable, type NodeSettings } from './node/node-object.ts'
import type { AgentOptions } from './options.ts'
import type { Paths } from './paths.ts'
import { Backoff } from './pods/backoff.ts'
import type { Cgroups } from './pods/cgroups.ts'
import { parseResolvConf } from './pods/dns.ts'
import type { EventRecorder } from './pods/events.ts'
import { PodManager } from './pods/manager.ts'
import { embeddedHandler } from './pods/starting.ts'
import { StatusWriter } from './pods/status-writer.ts'
import { type Runtime, RuntimeError, runtimeCode } from './runtime.ts'
import { References } from './volumes/references.ts'
import { Tokens } from './volumes/tokens.ts'
import { Volumes } from './volumes/volumes.ts'

export interface ManagerParts {
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

/** Resolves once volumes can be made and the runtime classes are known. */
export async function createManager(parts: ManagerParts): Promise<PodManager> {
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
  const mixed = embedded ? withGuests(runtime, embedded) : runtime
  const runtimeOf = (pod: Pod) => {
    if (pod.spec.runtimeClassName === embeddedHandler && embedded) return embedded
    return hasGuests(pod) ? mixed : runtime
  }
  const handlerOf = (pod: Pod) => {
    const name = pod.spec.runtimeClassName ?? ''
    if (name === '' || (name === embeddedHandler && embedded)) return name
    const found = classes.get(name)
    if (!found) throw new RuntimeError(`RuntimeClass "${name}" not found`, runtimeCode.notFound)
    return found.handler
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
      handlerOf,
      services: () => serviceInformer.list(),
      hostDns: async () =>
        parseResolvConf(await readFile(options.resolvConf ?? '/etc/resolv.conf', 'utf8').catch(() => '')),
      networkReady: () => parts.network.ready,
      clusterDns: { servers: options.clusterDns, domain: options.clusterDomain },
      hostIps: () => options.nodeIps,
      nodeLimits: { memoryCapacity: machine.memoryBytes, cpuQuota: cgroups.controllers.has('cpu') },
      allocatable: () => amounts,
      logRoot: paths.podLogs,
      containerLogRoot: paths.containerLogs,
    },
    { runtimes: embedded ? [runtime, embedded] : [runtime], kubeletDir: paths.kubelet, nodeName: options.nodeName },
  )
}
