import { expect, test } from '@jest/globals'
import { FakeClock } from '../../bootstrap/client/testing/fake-clock.ts'
import { Metrics } from '../../bootstrap/metrics.ts'
import { operatorMetrics } from './metrics.ts'
import { WorkQueue } from './work-queue.ts'

test('queues and reconciles are counted by operator', () => {
  const shown = new Metrics()
  const { onQueue, metrics } = operatorMetrics(shown)
  const queue = new WorkQueue({ clock: new FakeClock(), random: () => 0, signal: new AbortController().signal })
  onQueue?.('job-controller', queue)
  queue.add('a')
  queue.add('a')
  queue.add('b')
  queue.retry('c')
  metrics?.reconciled('job-controller', 'error', 0.5)
  const text = shown.text()
  for (const line of [
    'workqueue_depth{name="job-controller"} 2',
    'workqueue_adds_total{name="job-controller"} 2',
    'workqueue_retries_total{name="job-controller"} 1',
    'workqueue_work_duration_seconds_bucket{name="job-controller",le="1"} 1',
    'workqueue_work_duration_seconds_bucket{name="job-controller",le="0.1"} 0',
    'controller_runtime_reconcile_total{controller="job-controller",result="error"} 1',
  ])
    expect(text).toContain(line)
})
