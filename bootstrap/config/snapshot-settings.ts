/** When the datastore is saved, and to where on this machine: the flags etcd-snapshot-*. */
import { join } from 'node:path'
import { cronProblem } from '../api/cron/schedule.ts'
import { parseDuration } from '../api/time.ts'
import { ConfigError, type FlagValues } from './parse.ts'

export interface SnapshotSettings {
  /** None are taken by themselves. */
  readonly disabled: boolean
  /** The first part of the names of those taken on schedule. */
  readonly name: string
  /** Five fields of cron, or a descriptor such as @daily or "@every 6h". */
  readonly schedule: string
  readonly reconcileIntervalMs: number
  /** How many of a name are kept on disk; below one: all. */
  readonly retention: number
  readonly dir: string
  /** Whether `dir` is the one that is made if need be; any other has to be there. */
  readonly dirIsDefault: boolean
  readonly compress: boolean
}

const fallbackReconcileMs = 600_000

/** Throws ConfigError for a schedule that is none and a name no file can have. */
export function snapshotSettings(values: FlagValues, dataDir: string): SnapshotSettings {
  const disabled = values.bool('etcd-disable-snapshots')
  const name = values.string('etcd-snapshot-name') ?? 'etcd-snapshot'
  const schedule = (values.string('etcd-snapshot-schedule-cron') ?? '0 */12 * * *').trim()
  const problem = disabled ? undefined : cronProblem(schedule)
  if (problem !== undefined)
    throw new ConfigError(
      `invalid --etcd-snapshot-schedule-cron "${schedule}": ${problem}: want minute, hour, day of month, month and day of week, such as "0 */12 * * *", or "@every 6h"`,
    )
  if (!isSnapshotName(name))
    throw new ConfigError(`invalid --etcd-snapshot-name "${name}": want the beginning of a file name, without "/"`)
  const usual = join(dataDir, 'server/db/snapshots')
  const dir = values.string('etcd-snapshot-dir') ?? usual
  return {
    disabled,
    name,
    schedule,
    reconcileIntervalMs:
      parseDuration(values.string('etcd-snapshot-reconcile-interval') ?? '10m') ?? fallbackReconcileMs,
    retention: values.int('etcd-snapshot-retention') ?? 5,
    dir,
    dirIsDefault: dir === usual,
    compress: values.bool('etcd-snapshot-compress'),
  }
}

/** A plain file's name that does not begin with a dot. */
export function isSnapshotName(name: string): boolean {
  return /^[^/.\0][^/\0]{0,200}$/.test(name)
}
