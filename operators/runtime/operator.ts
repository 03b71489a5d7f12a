/** The one shape of everything in operators/: it watches, compares, writes. */
import type { KubeObject, ObjectKey } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'
import type { Clock } from '../../bootstrap/client/clock.ts'
import type { Informers } from '../../bootstrap/client/informer.ts'

export type { Clock } from '../../bootstrap/client/clock.ts'

/** What a reconcile asks for next: nothing, or to be called again for the same key after some time. */
export interface Result {
  readonly requeueAfterMs?: number
}

export const done: Result = {}

export type Change = 'added' | 'updated' | 'deleted'

/** Maps a change of one resource's object to the keys to reconcile. `old` is the previous state, absent on add. */
export interface Watch<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>
  readonly keys: (
    object: T,
    old: T | undefined,
    change: Change,
    cluster: Cluster,
  ) => ObjectKey | readonly ObjectKey[] | undefined
}

/** Declares a watch; operators list these. */
export function on<T extends KubeObject>(resource: Resource<T>, keys: Watch<T>['keys']): Watch {
  return { resource, keys } as unknown as Watch
}

export interface EventRecorder {
  /** Records a core/v1 Event about `object`, aggregated as client-go does (count, series). Never throws. */
  event(
    object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
  ): void
  /** The same recorder speaking as another component; without it events carry the recorder's own. */
  as?(component: string): EventRecorder
}

export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface Cluster {
  readonly client: Client
  readonly informers: Informers
  readonly events: EventRecorder
  /** Effects an operator may use; nothing else (no global timers, no Date.now). */
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
  /** Uniform in [0, 1). */
  readonly random: () => number
}

export interface Operator {
  readonly name: string
  readonly watches: readonly Watch<never>[] | readonly Watch[]
  /** How many different keys may be reconciled at once; default 4. */
  readonly concurrency?: number
  /** Called once before the first event, for example to add indexes. */
  setup?(cluster: Cluster): void
  /** Idempotent and level-triggered: reads informers, writes through the client. */
  reconcile(key: ObjectKey, cluster: Cluster): Promise<Result>
  /** Optional work that is not keyed (a scan at start, an external watch). Ends when the cluster's signal aborts. */
  run?(cluster: Cluster, enqueue: (key: ObjectKey) => void): Promise<void>
}
