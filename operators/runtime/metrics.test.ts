import { expect, test } from '@jest/globals'
import { Registry } from 'prom-client'
import { FakeClock } from '../../bootstrap/client/testing/fake-clock.ts'
import { operatorMetrics } from './metrics.ts'
import { WorkQueue } from './work-queue.ts'

test('queues and reconciles are counted by operator', async () => {
  const registry = new Registry()
  const { onQueue, metrics } = await operatorMetrics(registry)
  const queue = new WorkQueue({ clock: new FakeClock(), random: () => 0, signal: new AbortController().signal })
  onQueue?.('job-controller', queue)
  queue.add('a')
  queue.add('a')
  queue.add('b')
  queue.retry('c')
  metrics?.reconciled('job-controller', 'error', 0.5)
  const text = await registry.metrics()
  for (const line of [
    'workqueue_depth{name="job-controller"} 2',
    'workqueue_adds_total{name="job-controller"} 2',
    'workqueue_retries_total{name="job-controller"} 1',
    'workqueue_work_duration_seconds_bucket{le="1",name="job-controller"} 1',
    'workqueue_work_duration_seconds_bucket{le="0.1",name="job-controller"} 0',
    'controller_runtime_reconcile_total{controller="job-controller",result="error"} 1',
  ])
    expect(text).toContain(line)
})
