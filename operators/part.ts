/** A part of userland, and the surroundings its operators run in. */
import { systemClock } from '../bootstrap/client/clock.ts'
import { createInformers } from '../bootstrap/client/informers.ts'
import type { Kernel } from '../bootstrap/userland.ts'
import { createEventRecorder } from './runtime/events.ts'
import type { Cluster, Operator } from './runtime/operator.ts'

/** The server runs all parts that its flags leave on, `skiff operator NAME` one alone. */
export interface Part {
  /** Whether the server runs it; always, when absent. */
  readonly on?: (config: Kernel['config']) => boolean
  /**
   * Works on what is this server's own, its files or its node, and so on every server. All others work on one at a time,
   * the leader.
   */
  readonly everywhere?: true
  readonly operators?: (kernel: Kernel) => readonly Operator[]
  /** Files of crds/ it needs. */
  readonly crds?: readonly string[]
}

/** What the operators of one process share, until `signal` aborts. */
export function clusterOf({ client, log }: Kernel, signal: AbortSignal): Cluster {
  const effects = { clock: systemClock, log, signal, random: Math.random }
  const events = createEventRecorder({ client, clock: systemClock, log, component: 'skiff' })
  return { ...effects, client, informers: createInformers(client, effects), events }
}
