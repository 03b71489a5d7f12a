/** Runs operators: feeds their queues from shared informers and reconciles, for ever, whatever a reconcile throws. */
import { setImmediate } from 'node:timers/promises'
import type { KubeObject, ObjectKey } from '../../bootstrap/api/object.ts'
import { isTransient } from './failures.ts'
import type { Change, Cluster, Operator, Watch } from './operator.ts'
import { WorkQueue } from './work-queue.ts'

export interface OperatorMetrics {
  /** One reconcile ended: how, and after how many seconds. */
  reconciled(operator: string, outcome: 'success' | 'requeue' | 'error', seconds: number): void
}

export interface RunOptions {
  readonly metrics?: OperatorMetrics
  /** Told about each queue as it is made, for tests and for metrics read on demand. */
  readonly onQueue?: (operator: string, queue: WorkQueue) => void
}

const defaultConcurrency = 4
/** The event loop gets a turn after this much uninterrupted reconciling. */
const sliceMs = 5

/** Starts the operators; resolves when the cluster's signal has aborted and the last reconcile has ended. */
export async function runOperators(
  operators: readonly Operator[],
  cluster: Cluster,
  options: RunOptions = {},
): Promise<void> {
  const slice = new Slice()
  await Promise.all(operators.map(operator => runOperator(operator, cluster, options, slice)))
}

async function runOperator(operator: Operator, shared: Cluster, options: RunOptions, slice: Slice): Promise<void> {
  const cluster: Cluster = { ...shared, events: shared.events.as?.(operator.name) ?? shared.events }
  const queue = new WorkQueue(cluster)
  options.onQueue?.(operator.name, queue)
  operator.setup?.(cluster)
  const watches = operator.watches as readonly Watch[]
  const unsubscribe = watches.map(watch => subscribe(watch, queue, cluster))
  try {
    await Promise.all(watches.map(watch => cluster.informers.get(watch.resource).whenSynced()))
    const workers = Array.from({ length: operator.concurrency ?? defaultConcurrency }, () =>
      work(operator, queue, cluster, options, slice),
    )
    await Promise.all([...workers, extra(operator, queue, cluster)])
  } catch (error) {
    if (!cluster.signal.aborted) throw error
  } finally {
    for (const end of unsubscribe) end()
  }
}

function subscribe(watch: Watch, queue: WorkQueue, cluster: Cluster): () => void {
  const enqueue = (object: KubeObject, old: KubeObject | undefined, change: Change) => {
    const keys = watch.keys(object, old, change, cluster)
    if (keys === undefined) return
    for (const key of typeof keys === 'string' ? [keys] : keys) queue.add(key)
  }
  return cluster.informers.get(watch.resource).subscribe({
    added: object => enqueue(object, undefined, 'added'),
    updated: (object, old) => enqueue(object, old, 'updated'),
    deleted: object => enqueue(object, object, 'deleted'),
  })
}

async function extra(operator: Operator, queue: WorkQueue, cluster: Cluster): Promise<void> {
  try {
    await operator.run?.(cluster, key => queue.add(key))
  } catch (error) {
    if (!cluster.signal.aborted) cluster.log.error({ operator: operator.name, err: error }, 'operator stopped')
  }
}

async function work(
  operator: Operator,
  queue: WorkQueue,
  cluster: Cluster,
  options: RunOptions,
  slice: Slice,
): Promise<void> {
  for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
    const started = cluster.clock.now()
    const outcome = await reconcile(operator, key, queue, cluster)
    options.metrics?.reconciled(operator.name, outcome, (cluster.clock.now() - started) / 1000)
    await slice.pause()
  }
}

async function reconcile(
  operator: Operator,
  key: ObjectKey,
  queue: WorkQueue,
  cluster: Cluster,
): Promise<'success' | 'requeue' | 'error'> {
  try {
    const { requeueAfterMs } = await operator.reconcile(key, cluster)
    queue.forget(key)
    if (requeueAfterMs === undefined) return 'success'
    queue.addAfter(key, requeueAfterMs)
    return 'requeue'
  } catch (error) {
    if (cluster.signal.aborted) return 'error'
    report(operator.name, key, queue.failures(key), error, cluster)
    queue.retry(key)
    return 'error'
  } finally {
    queue.finish(key)
  }
}

/** What goes away by itself is worth a line only when it does not. */
function report(operator: string, key: ObjectKey, failures: number, error: unknown, { log }: Cluster): void {
  const level = isTransient(error) && failures < 5 ? 'debug' : 'error'
  log[level]({ operator, key, failures, err: error }, 'reconcile failed, will retry')
}

/** Lets timers and sockets run when many reconciles follow each other without real waiting. */
class Slice {
  #since = performance.now()

  async pause(): Promise<void> {
    if (performance.now() - this.#since < sliceMs) return
    await setImmediate()
    this.#since = performance.now()
  }
}
