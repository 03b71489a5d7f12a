/** When the datastore is saved, and to where on this machine: the flags etcd-snapshot-*. */
import { join } from 'node:path'
import { cronDescriptors } from '../api/cron.ts'
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
  if (!disabled && !isSchedule(schedule))
    throw new ConfigError(
      `invalid --etcd-snapshot-schedule-cron "${schedule}": want minute, hour, day of month, month and day of week, such as "0 */12 * * *", or "@every 6h"`,
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

interface Bounds {
  readonly first: number
  readonly last: number
  readonly names?: readonly string[]
}

const fields: readonly Bounds[] = [
  { first: 0, last: 59 },
  { first: 0, last: 23 },
  { first: 1, last: 31 },
  { first: 1, last: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  { first: 0, last: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
]

/** Whether it is a schedule that K3s takes as well (robfig/cron's standard form). */
export function isSchedule(text: string): boolean {
  const every = /^@every (.+)$/.exec(text)?.[1]
  if (every !== undefined) return (parseDuration(every) ?? 0) >= 1000
  if (Object.hasOwn(cronDescriptors, text)) return true
  const given = text.split(/\s+/)
  return given.length === fields.length && given.every((field, at) => isField(field, fields[at]!))
}

function isField(text: string, bounds: Bounds): boolean {
  return text.split(',').every(part => {
    const [, from, to, step] = /^([*?]|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(part) ?? []
    if (from === undefined || step === '0') return false
    if (from === '*' || from === '?') return to === undefined
    const [first, last] = [numberOf(from, bounds), numberOf(to ?? from, bounds)]
    return first !== undefined && last !== undefined && first <= last
  })
}

function numberOf(text: string, { first, last, names = [] }: Bounds): number | undefined {
  const named = names.indexOf(text.toLowerCase())
  const value = named >= 0 ? named + (first === 1 ? 1 : 0) : /^\d+$/.test(text) ? Number(text) : undefined
  return value !== undefined && value >= first && value <= last ? value : undefined
}
