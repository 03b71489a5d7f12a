/** How long the engine may take. */

export interface Limits {
  /** A connection to be made, in milliseconds. */
  readonly connectMs: number
  /** One statement, before its connection counts as broken. */
  readonly answerMs: number
  /** A read or write as a whole, over all its tries. */
  readonly giveUpMs: number
  /** A quiet connection shows after this time that it is there. */
  readonly keepAliveMs: number
  /** Between two looks at the head while nobody says that it moved. */
  readonly lookMs: { readonly least: number; readonly most: number }
}

export const defaultLimits: Omit<Limits, 'lookMs'> = {
  connectMs: 4000,
  answerMs: 5000,
  giveUpMs: 8000,
  keepAliveMs: 10_000,
}

/** For deadlines: does not jump when the machine's clock is set. */
export const monotonicMs = (): number => performance.now()
