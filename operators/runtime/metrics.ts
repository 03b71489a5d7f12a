/** The operators' metrics, under upstream's names for work queues. */
import { Counter, Histogram, labelText, type Metrics, reading } from '../../bootstrap/metrics.ts'
import type { RunOptions } from './run.ts'
import type { WorkQueue } from './work-queue.ts'

/** Options for runOperators that show queue depth, adds, retries and reconcile times among `metrics`. */
export function operatorMetrics(metrics: Pick<Metrics, 'register'>): RunOptions {
  const queues = new Map<string, WorkQueue>()
  const ofQueues = (type: 'counter' | 'gauge', name: string, help: string, value: (queue: WorkQueue) => number) =>
    reading(type, name, help, () =>
      [...queues].map(([operator, queue]) => [labelText({ name: operator }), value(queue)] as const),
    )
  const durations = new Histogram(
    'workqueue_work_duration_seconds',
    'How long in seconds processing an item from workqueue takes.',
    [0.0001, 0.001, 0.01, 0.1, 1, 10],
  )
  const outcomes = new Counter('controller_runtime_reconcile_total', 'Total number of reconciliations per controller')
  metrics.register(
    ofQueues('gauge', 'workqueue_depth', 'Current depth of workqueue', queue => queue.size),
    ofQueues('counter', 'workqueue_adds_total', 'Total number of adds handled by workqueue', queue => queue.adds),
    ofQueues(
      'counter',
      'workqueue_retries_total',
      'Total number of retries handled by workqueue',
      queue => queue.retries,
    ),
    durations,
    outcomes,
  )
  return {
    onQueue: (operator, queue) => queues.set(operator, queue),
    metrics: {
      reconciled(operator, outcome, seconds) {
        durations.observe(labelText({ name: operator }), seconds)
        outcomes.add(labelText({ controller: operator, result: outcome === 'requeue' ? 'requeue_after' : outcome }))
      },
    },
  }
}
