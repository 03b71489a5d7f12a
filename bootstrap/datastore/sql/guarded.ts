/** What all engines' connections have in common: a time limit for answers, and one reason why they are gone. */
import type { Clock } from '../effects.ts'
import { ConnectionError } from './log-connection.ts'

export interface GuardOptions {
  readonly clock: Clock
  readonly answerMs: number
  /** Lets go of the socket at once. */
  destroy(): void
  /** The engine's error as ConnectionError, StatementError, or itself where it is a mistake of ours. */
  translate(error: Error): Error
}

export interface Guard {
  readonly gone: AbortSignal
  /** The connection is of no more use. */
  end(why: string): void
  /** One statement; ConnectionError when there is no answer in time. */
  ask<T>(statement: () => Promise<T>): Promise<T>
  /** Says good-bye, but does not wait long for it. */
  close(goodbye: () => Promise<unknown>): Promise<void>
}

const closeMs = 1000

export function guarded({ clock, answerMs, destroy, translate }: GuardOptions): Guard {
  const gone = new AbortController()
  let reason = ''
  const end = (why: string): void => {
    if (gone.signal.aborted) return
    reason = why
    gone.abort()
  }

  async function within<T>(ms: number, work: () => Promise<T>, late: () => T): Promise<T> {
    const done = new AbortController()
    const timer = clock.sleep(ms, done.signal).then(
      () => late(),
      () => new Promise<never>(() => undefined),
    )
    try {
      return await Promise.race([work(), timer])
    } finally {
      done.abort()
    }
  }

  return {
    gone: gone.signal,
    end,
    async ask(statement) {
      if (gone.signal.aborted) throw new ConnectionError(reason)
      try {
        return await within(answerMs, statement, () => {
          end(`no answer within ${answerMs / 1000} s`)
          destroy()
          throw new ConnectionError(reason)
        })
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError) throw error
        const translated = error instanceof ConnectionError ? error : translate(error as Error)
        if (!(translated instanceof ConnectionError)) throw translated
        const known = gone.signal.aborted
        end(translated.message)
        throw known ? new ConnectionError(reason, { cause: error }) : translated
      }
    },
    async close(goodbye) {
      end('the connection is closed')
      await within<unknown>(closeMs, () => goodbye().catch(() => undefined), destroy)
    },
  }
}
