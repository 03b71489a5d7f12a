/** What a datastore may do besides storing: tell the time, wait, and log. */

export interface Clock {
  /** Epoch milliseconds. */
  now(): number
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}
