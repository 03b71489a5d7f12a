/** K3s' metrics of snapshots (k3s-io/k3s pkg/etcd/snapshotmetrics). */
import { Histogram, labelText } from '../../bootstrap/metrics.ts'
import type { Kernel } from '../../bootstrap/userland.ts'
import type { Clock } from '../runtime/operator.ts'

export type Measured = 'save' | 'save_local' | 'save_s3' | 'reconcile' | 'reconcile_local' | 'reconcile_s3'

export interface SnapshotMetrics {
  /** Does the work and notes how long it took, and whether it succeeded. */
  measure<T>(what: Measured, work: () => Promise<T>): Promise<T>
}

const help: { readonly [what in Measured]: string } = {
  save: 'Total time in seconds taken to complete the etcd snapshot process, labeled by success/failure status.',
  save_local: 'Total time in seconds taken to save a local snapshot file, labeled by success/failure status.',
  save_s3: 'Total time in seconds taken to upload a snapshot file to S3, labeled by success/failure status.',
  reconcile: 'Total time in seconds taken to sync the list of etcd snapshots, labeled by success/failure status.',
  reconcile_local: 'Total time in seconds taken to list local snapshot files, labeled by success/failure status.',
  reconcile_s3: 'Total time in seconds taken to list S3 snapshot files, labeled by success/failure status.',
}
const buckets = Array.from({ length: 15 }, (_, power) => 0.008 * 2 ** power)

export function snapshotMetrics(registry: Kernel['metrics'], clock: Clock): SnapshotMetrics {
  const histograms = new Map(
    Object.entries(help).map(([what, text]) => {
      const histogram = new Histogram(`k3s_etcd_snapshot_${what}_duration_seconds`, text, buckets)
      registry.register(histogram)
      return [what, histogram]
    }),
  )
  return {
    async measure(what, work) {
      const began = clock.now()
      let status = 'failure'
      try {
        const result = await work()
        status = 'success'
        return result
      } finally {
        histograms.get(what)?.observe(labelText({ status }), (clock.now() - began) / 1000)
      }
    },
  }
}
