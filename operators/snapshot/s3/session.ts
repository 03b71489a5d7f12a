/** Requests to S3 as snapshots make them: limited in time, repeated after passing faults, failing in one line. */
import { formatDuration } from '../../../bootstrap/api/time.ts'
import { backoffMs, type Clock } from '../../../bootstrap/client/clock.ts'
import { S3Error } from './error.ts'
import { type Reason, reasonOf } from './reasons.ts'
import type * as Sdk from './sdk.ts'
import type { S3Settings } from './settings.ts'

/** How often the same request is made while each attempt meets a passing fault: about six seconds in all. */
const mostAttempts = 6
const firstPauseMs = 200
const longestPauseMs = 5000
const longestTimerMs = 2 ** 31 - 1
/** By an answer's date the client learns how wrong this machine's clock is; a request that taught it this much deserves another. */
const wrongClockMs = 60_000

/** The S3 client's module, loaded on first use. */
export type S3Sdk = typeof Sdk

export interface Session {
  readonly sdk: S3Sdk
  readonly client: Sdk.S3Client
  readonly settings: S3Settings
  readonly clock: Clock
  readonly random: () => number
  readonly log: { warn(fields: object, message: string): void }
}

/** An operation under way. */
export interface Operation {
  /** Aborts with the caller's signal and at the time limit. */
  readonly signal: AbortSignal
  /** One step of it, made again from its beginning after a passing fault. */
  attempt<T>(step: (signal: AbortSignal) => Promise<T>): Promise<T>
}

/** A failure that has its reason already; operations put what they were doing before it. */
export class Failed extends Error {
  readonly reason: Reason

  constructor(reason: Reason, cause: unknown) {
    super(reason.text, { cause })
    this.reason = reason
  }
}

/**
 * Runs `work`, which is named by `what` ("upload of s3://..."), for no longer than the configured timeout. Rejects with
 * S3Error, or with the reason of the caller's signal.
 */
export async function operation<T>(
  session: Session,
  what: string,
  signal: AbortSignal,
  work: (operation: Operation) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const { settings } = session
  const limit = new AbortController()
  // It also keeps a process that does nothing else alive between two attempts.
  const timer = setTimeout(() => limit.abort(), Math.min(Math.max(1, settings.timeoutMs), longestTimerMs))
  const both = AbortSignal.any([signal, limit.signal])
  let last: Failed | undefined
  const attempt = <R>(step: (signal: AbortSignal) => Promise<R>): Promise<R> =>
    repeated(session, both, step, failed => {
      last = failed
    })
  try {
    return await work({ signal: both, attempt })
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof S3Error) throw error
    if (limit.signal.aborted) throw new S3Error(tooLate(what, settings, last), { retriable: true, cause: error })
    const reason = error instanceof Failed ? error.reason : reasonOf(error, settings)
    throw new S3Error(`${what}: ${reason.text}`, { ...reason, cause: error })
  } finally {
    clearTimeout(timer)
  }
}

function tooLate(what: string, { timeoutMs }: S3Settings, last: Failed | undefined): string {
  const late = `${what}: not done within ${formatDuration(timeoutMs)} (etcd-s3-timeout)`
  return last === undefined ? late : `${late}; before: ${last.reason.text}`
}

async function repeated<T>(
  { client, settings, clock, random }: Session,
  signal: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
  note: (failed: Failed) => void,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const offset = client.config.systemClockOffset
    try {
      return await step(signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof S3Error || error instanceof Failed) throw error
      const failed = new Failed(reasonOf(error, settings), error)
      const corrected = Math.abs(client.config.systemClockOffset - offset) > wrongClockMs
      if (!(failed.reason.passing || corrected) || attempt + 1 === mostAttempts) throw failed
      note(failed)
      await clock.sleep(backoffMs(attempt, firstPauseMs, longestPauseMs, random), signal)
    }
  }
}
