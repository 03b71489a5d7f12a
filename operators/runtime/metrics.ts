/** The operators' metrics, under upstream's names for work queues. */
import type { Registry } from 'prom-client'
import type { RunOptions } from './run.ts'
import type { WorkQueue } from './work-queue.ts'

/** Options for runOperators that put queue depth, adds, retries and reconcile times into the registry. */
export async function operatorMetrics(registry: Registry): Promise<RunOptions> {
  const { Counter, Gauge, Histogram } = await import('prom-client')
  const queues = new Map<string, WorkQueue>()
  const registers = [registry]
  const labelNames = ['name'] as const
  new Gauge({
    name: 'workqueue_depth',
    help: 'Current depth of workqueue',
    labelNames,
    registers,
    collect() {
      for (const [name, queue] of queues) this.set({ name }, queue.size)
    },
  })
  const total = (name: string, help: string, value: (queue: WorkQueue) => number) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const [operator, queue] of queues) this.inc({ name: operator }, value(queue))
      },
    })
  total('workqueue_adds_total', 'Total number of adds handled by workqueue', queue => queue.adds)
  total('workqueue_retries_total', 'Total number of retries handled by workqueue', queue => queue.retries)
  const duration = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long in seconds processing an item from workqueue takes.',
    labelNames,
    buckets: [0.0001, 0.001, 0.01, 0.1, 1, 10],
    registers,
  })
  const outcomes = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Total number of reconciliations per controller',
    labelNames: ['controller', 'result'],
    registers,
  })
  return {
    onQueue: (operator, queue) => queues.set(operator, queue),
    metrics: {
      reconciled(operator, outcome, seconds) {
        duration.observe({ name: operator }, seconds)
        outcomes.inc({ controller: operator, result: outcome === 'requeue' ? 'requeue_after' : outcome })
      },
    },
  }
}
