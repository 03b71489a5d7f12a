/** Certificates of a running node, renewed before they expire (K3s renews them at the next start only). */
import { X509Certificate } from 'node:crypto'
import type { Clock } from '../client/clock.ts'

/** Of a certificate's life, what is left when it is renewed: 120 days of a year. */
const renewBelow = 120 / 365
/** The clock may be set meanwhile, and timers reach 24 days only. */
const lookEveryMs = 12 * 3_600_000
const soonestMs = 1000
const retryMs = 60_000

/** Milliseconds until the first of them is to be renewed; 0 when that is due. */
export function renewIn(certificates: readonly string[], now: number): number {
  const due = certificates.map(pem => {
    const { validFromDate, validToDate } = new X509Certificate(pem)
    const end = validToDate.getTime()
    return end - (end - validFromDate.getTime()) * renewBelow
  })
  return Math.max(0, Math.min(...due) - now)
}

export interface RenewalDeps {
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  readonly signal: AbortSignal
}

/** Calls `renew`, which resolves with the new certificates, whenever one is due, until the signal aborts. */
export async function keepRenewed(
  first: readonly string[],
  renew: () => Promise<readonly string[]>,
  { clock, random, log, signal }: RenewalDeps,
): Promise<void> {
  let certificates = first
  while (!signal.aborted) {
    const wait = renewIn(certificates, clock.now())
    try {
      if (wait > 0) {
        await clock.sleep(Math.min(lookEveryMs, Math.max(soonestMs, wait)), signal)
        continue
      }
      certificates = await renew()
      log.info({}, 'certificates renewed')
    } catch (error) {
      if (signal.aborted) return
      log.warn({ error: (error as Error).message }, 'certificates not renewed yet')
      await clock.sleep(retryMs * (1 + random()), signal).catch(() => undefined)
    }
  }
}
