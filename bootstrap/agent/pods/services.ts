/** What every pod worker shares. */
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import type { Pod, Service } from '../../client/resources.ts'
import type { ImagePuller } from '../images/puller.ts'
import type { Probes } from '../probes/probes.ts'
import type { DNSConfig, Runtime } from '../runtime.ts'
import type { References } from '../volumes/references.ts'
import type { Volumes } from '../volumes/volumes.ts'
import type { Backoff } from './backoff.ts'
import type { Cgroups } from './cgroups.ts'
import type { ClusterDns } from './dns.ts'
import type { EventRecorder } from './events.ts'
import type { NodeAllocatable } from './fields.ts'
import type { NodeLimits } from './qos.ts'
import type { StatusWriter } from './status-writer.ts'

export interface AgentLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface PodServices {
  readonly client: Client
  readonly clock: Clock
  readonly random: () => number
  readonly log: AgentLog
  readonly signal: AbortSignal
  readonly events: EventRecorder
  readonly status: StatusWriter
  readonly volumes: Volumes
  readonly references: References
  readonly images: ImagePuller
  readonly probes: Probes
  readonly cgroups: Cgroups
  readonly restarts: Backoff
  /** The runtime that runs the pod; also for a pod that outlives its runtime class. */
  runtimeOf(pod: Pod): Runtime
  /** The handler its runtime class names, "" without one; throws for an unknown class. */
  handlerOf(pod: Pod): string
  services(): readonly Service[]
  hostDns(): Promise<DNSConfig>
  /** False until pods can be given addresses. */
  networkReady(): boolean
  /** Tells the manager whose container or sandbox an id is. */
  learn(id: string, podUid: string): void
  readonly clusterDns: ClusterDns
  readonly hostIps: () => readonly string[]
  readonly nodeLimits: NodeLimits
  readonly allocatable: () => NodeAllocatable
  /** /var/log/pods and /var/log/containers */
  readonly logRoot: string
  readonly containerLogRoot: string
}
