/** Turns single probe results into a verdict by the probe's thresholds. */
import type { Probe } from '../../api/types.gen.ts'

export type ProbeKind = 'startup' | 'liveness' | 'readiness'

export interface Tally {
  readonly last: boolean | undefined
  /** Equal results in a row. */
  readonly run: number
  /** Undefined until a threshold is reached again. */
  readonly verdict: 'success' | 'failure' | undefined
}

export const initialTally: Tally = { last: undefined, run: 0, verdict: undefined }

export function tally(before: Tally, ok: boolean, probe: Pick<Probe, 'successThreshold' | 'failureThreshold'>): Tally {
  const run = before.last === ok ? before.run + 1 : 1
  const threshold = ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3)
  return { last: ok, run, verdict: run < threshold ? undefined : ok ? 'success' : 'failure' }
}
