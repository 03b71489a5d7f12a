/** A part of userland, and the surroundings its operators run in. */
import { systemClock } from '../bootstrap/client/clock.ts'
import type { Informers } from '../bootstrap/client/informer.ts'
import { createInformers } from '../bootstrap/client/informers.ts'
import type { Kernel } from '../bootstrap/userland.ts'
import { createEventRecorder } from './runtime/events.ts'
import type { Cluster, Operator } from './runtime/operator.ts'

/**
 * The Leases in kube-system by which servers agree on who runs what, under the names users of K3s know. Each is won and lost
 * on its own.
 */
export type LeaseName = 'kube-controller-manager' | 'kube-scheduler' | 'k3s-cloud-controller-manager' | 'k3s'

/** The server runs all parts that its flags leave on, `skiff operator NAME` one alone. */
export interface Part {
  /** Whether the server runs it; always, when absent. */
  readonly on?: (config: Kernel['config']) => boolean
  /**
   * Works on what is this server's own, its files or its node, and so on every server. All others work on one at a time,
   * the leader.
   */
  readonly everywhere?: true
  /** Whose holder runs it, where there are several servers; K3s' own for what is K3s'. */
  readonly lease?: LeaseName
  readonly operators?: (kernel: Kernel) => readonly Operator[]
  /** Files of crds/ it needs. */
  readonly crds?: readonly string[]
}

/** What the operators of one process share, until `signal` aborts. */
export function clusterOf(kernel: Kernel, signal: AbortSignal, informers = informersOf(kernel, signal)): Cluster {
  const { client, log } = kernel
  const events = createEventRecorder({ client, clock: systemClock, log, component: 'skiff' })
  return { clock: systemClock, log, signal, random: Math.random, client, informers, events }
}

export function informersOf({ client, log }: Kernel, signal: AbortSignal): Informers {
  return createInformers(client, { clock: systemClock, log, signal, random: Math.random })
}
