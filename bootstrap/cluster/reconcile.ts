/** Makes this server's files those of the cluster (k3s-io/k3s pkg/cluster/bootstrap.go). */
import { type Bundle, pathOf, writeFiles } from './bundle.ts'

/** Clocks of servers differ; files that are newer by less than this are no contradiction. */
const skewSeconds = 3
/** Follows from the token, which this server has, and its flags, which are applied later: the cluster's is always right. */
const derived = 'PasswdFile'

/** A file here was changed after the cluster's was stored: nobody but the user knows which one is right. */
export class NewerOnDiskError extends Error {
  constructor(paths: readonly string[]) {
    super(
      `${paths.join(', ')} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.`,
    )
    this.name = 'NewerOnDiskError'
  }
}

/**
 * Writes what differs from `cluster`, or is not there. Resolves with the names of the files written. Rejects with
 * NewerOnDiskError, nothing written, when one on disk is the newer one.
 */
export async function reconcileFiles(dataDir: string, disk: Bundle, cluster: Bundle): Promise<readonly string[]> {
  const differing = Object.keys(cluster).filter(
    name => pathOf(dataDir, name) !== undefined && disk[name]?.Content !== cluster[name]!.Content,
  )
  const newer = differing.filter(name => name !== derived && isNewer(disk[name]?.Timestamp, cluster[name]!.Timestamp))
  if (newer.length > 0) throw new NewerOnDiskError(newer.map(name => pathOf(dataDir, name)!))
  await writeFiles(dataDir, cluster, differing)
  return differing
}

function isNewer(disk: string | undefined, cluster: string): boolean {
  if (disk === undefined) return false
  return seconds(disk) - seconds(cluster) >= skewSeconds
}

/** Go's zero time, of bundles that say none, is older than everything. */
function seconds(text: string): number {
  const time = Date.parse(text)
  return Number.isNaN(time) ? Number.NEGATIVE_INFINITY : Math.floor(time / 1000)
}
