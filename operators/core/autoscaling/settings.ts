/** The kube-controller-manager's flags horizontal-pod-autoscaler-*. */
import { parseDuration } from '../../../bootstrap/api/time.ts'

export interface AutoscalerSettings {
  /** How often every autoscaler is looked at. */
  readonly syncPeriodMs: number
  /** The scale-down stabilization window of those that name none. */
  readonly downscaleStabilizationMs: number
  /** Usage this far from the target, as a ratio, changes nothing. */
  readonly tolerance: number
  /** After a pod's start, while its CPU samples may be skipped. */
  readonly cpuInitializationMs: number
  /** After a pod's start, while being unready counts as never having been ready. */
  readonly initialReadinessMs: number
}

export const defaultSettings: AutoscalerSettings = {
  syncPeriodMs: 15_000,
  downscaleStabilizationMs: 300_000,
  tolerance: 0.1,
  cpuInitializationMs: 300_000,
  initialReadinessMs: 30_000,
}

const durations = {
  'sync-period': 'syncPeriodMs',
  'downscale-stabilization': 'downscaleStabilizationMs',
  'cpu-initialization-period': 'cpuInitializationMs',
  'initial-readiness-delay': 'initialReadinessMs',
} as const

/** From "name=value" or "--name=value" arguments; others are left to others. Throws for a value that is none. */
export function autoscalerSettings(args: readonly string[]): AutoscalerSettings {
  const settings: { -readonly [name in keyof AutoscalerSettings]: number } = { ...defaultSettings }
  for (const arg of args) {
    const [, name = '', value = ''] = /^(?:--)?horizontal-pod-autoscaler-([^=]+)=(.*)$/.exec(arg) ?? []
    if (name === '') continue
    const duration = Object.hasOwn(durations, name) ? durations[name as keyof typeof durations] : undefined
    if (duration) {
      const ms = parseDuration(value)
      if (ms === undefined || ms < 0) throw new Error(`invalid ${arg}: want a duration such as 15s`)
      settings[duration] = ms
    } else if (name === 'tolerance') {
      const tolerance = Number(value)
      if (value === '' || !(tolerance >= 0)) throw new Error(`invalid ${arg}: want a number such as 0.1`)
      settings.tolerance = tolerance
    }
  }
  return settings
}
