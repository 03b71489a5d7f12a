/** What every action works with. */
import type { Client } from '../../../bootstrap/client/client.ts'
import type { Clock, Logger } from '../../runtime/operator.ts'
import type { Lookup, RenderOutcome, RenderRequest } from '../render/rendered.ts'
import type { Cluster } from './cluster.ts'
import type { PatchMetas } from './patch-meta.ts'
import type { Driver, Storage } from './storage.ts'

export interface EngineOptions {
  readonly client: Client
  /** Renders a chart, or says which objects its templates ask for first. */
  readonly render: (request: RenderRequest, lookup: Lookup) => Promise<RenderOutcome>
  readonly clock: Clock
  /** Uniform in [0, 1); spreads retries. */
  readonly random?: () => number
  readonly log: Logger
  /** Ends an action: what it waits for is given up, and the release is recorded as failed. */
  readonly signal: AbortSignal
  readonly driver: Driver
  /** The logs of hooks that ask for it by `helm.sh/hook-output-log-policy`. */
  readonly hookOutput?: (text: string) => void
}

export interface Context extends EngineOptions {
  readonly cluster: Cluster
  readonly storage: Storage
  readonly patchMetas: PatchMetas
}

export const defaultTimeoutMs = 300_000

/** Go's words for an action that was told to stop. */
export function checkAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new Error('context canceled')
}

export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** What Go's errors.Join makes of several failures; throws nothing when there is none. */
export function throwAll(failures: readonly unknown[], separator = '\n'): void {
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join(separator))
}
