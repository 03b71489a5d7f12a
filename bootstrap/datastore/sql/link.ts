/** The connections of one server to its database: made when needed, made anew when broken, refused at once when long away. */
import { UnavailableError } from '../datastore.ts'
import type { Clock, Logger } from '../effects.ts'
import { type Limits, monotonicMs } from './limits.ts'
import { ConnectionError, type LogConnection, StatementError } from './log-connection.ts'

/** The writer appends, the tail follows the head, readers do everything else. */
export type Role = 'writer' | 'tail' | 'reader'

const maxReaders = 3
const retryMs = { first: 50, most: 1000 }

export interface LinkOptions {
  readonly connect: () => Promise<LogConnection>
  /** The database as a user knows it, without a password. */
  readonly name: string
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
}

interface Slot {
  connection: LogConnection | undefined
  /** Ends when whoever uses it now is done. */
  busy: Promise<unknown>
  users: number
}

const newSlot = (): Slot => ({ connection: undefined, busy: Promise.resolve(), users: 0 })

export class Link {
  readonly #options: LinkOptions
  readonly #slots: { readonly [role in Role]: readonly Slot[] }
  readonly #closed = new AbortController()
  #down: { readonly since: number; readonly reason: string } | undefined
  #up: (() => void)[] = []

  constructor(options: LinkOptions) {
    this.#options = options
    this.#slots = { writer: [newSlot()], tail: [newSlot()], reader: Array.from({ length: maxReaders }, newSlot) }
  }

  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** Why nothing works at the moment, if so. */
  get failure(): string | undefined {
    return this.#down?.reason
  }

  /** Runs `work` on a connection, alone. Rejects with ConnectionError or StatementError; does not try again. */
  async use<T>(role: Role, work: (connection: LogConnection) => Promise<T>): Promise<T> {
    const slot = this.#slots[role].reduce((least, other) => (other.users < least.users ? other : least))
    slot.users++
    const run = slot.busy.then(() => this.#run(slot, work))
    slot.busy = run.catch(() => undefined)
    try {
      return await run
    } finally {
      slot.users--
    }
  }

  /** The same, tried again until it works or the time is up: for what may be done twice. UnavailableError. */
  async retried<T>(role: Role, work: (connection: LogConnection) => Promise<T>): Promise<T> {
    const { limits } = this.#options
    const deadline = monotonicMs() + limits.giveUpMs
    for (let attempt = 0; ; attempt++) {
      this.refuseWhenLongAway()
      try {
        return await this.use(role, work)
      } catch (error) {
        if (!isPassing(error)) throw error instanceof StatementError ? this.unavailable(error.message) : error
        if (this.closed.aborted || monotonicMs() >= deadline) throw this.unavailable((error as Error).message)
      }
      await this.pause(attempt, deadline)
    }
  }

  /** Runs `work` on a connection of its own, made for it and closed after it. UnavailableError. */
  async alone<T>(work: (connection: LogConnection) => Promise<T>): Promise<T> {
    this.refuseWhenLongAway()
    try {
      const connection = await this.#options.connect()
      try {
        return await work(connection)
      } finally {
        await connection.close().catch(() => undefined)
      }
    } catch (error) {
      if (this.closed.aborted) throw new UnavailableError('the datastore is closed')
      throw error instanceof ConnectionError || error instanceof StatementError
        ? this.unavailable(error.message)
        : error
    }
  }

  /** Throws UnavailableError when the database has been away for longer than anybody is to wait. */
  refuseWhenLongAway(): void {
    const { limits } = this.#options
    if (this.closed.aborted) throw new UnavailableError('the datastore is closed')
    if (this.#down && monotonicMs() - this.#down.since > limits.giveUpMs) throw this.unavailable(this.#down.reason)
  }

  unavailable(reason: string): UnavailableError {
    return new UnavailableError(`${this.#options.name}: ${reason}`)
  }

  /** Waits longer with every attempt, not beyond `deadline`, and not once the database is back. */
  async pause(attempt: number, deadline = Number.POSITIVE_INFINITY): Promise<void> {
    const { clock } = this.#options
    const ms = Math.min(retryMs.first * 2 ** Math.min(attempt, 10), retryMs.most, Math.max(1, deadline - monotonicMs()))
    const stop = new AbortController()
    const ended = () => stop.abort()
    this.closed.addEventListener('abort', ended, { once: true })
    if (this.#down) this.#up.push(ended)
    await clock.sleep(ms, stop.signal).catch(() => undefined)
    this.closed.removeEventListener('abort', ended)
    this.#up = this.#up.filter(other => other !== ended)
  }

  /** Waits for what is running, then closes every connection. */
  async close(): Promise<void> {
    this.#closed.abort()
    const slots = Object.values(this.#slots).flat()
    await Promise.all(
      slots.map(async slot => {
        if (slot !== this.#slots.tail[0]) await slot.busy
        await slot.connection?.close().catch(() => undefined)
      }),
    )
  }

  async #run<T>(slot: Slot, work: (connection: LogConnection) => Promise<T>): Promise<T> {
    try {
      if (slot.connection?.gone.aborted) slot.connection = undefined
      if (!slot.connection) {
        if (this.closed.aborted) throw new UnavailableError('the datastore is closed')
        slot.connection = await this.#options.connect()
        if (this.closed.aborted) await slot.connection.close()
      }
      const result = await work(slot.connection)
      this.#isUp()
      return result
    } catch (error) {
      if (error instanceof ConnectionError) this.#isDown(error.message)
      throw error
    }
  }

  /** What runs for ever on a connection says that it works. */
  works(): void {
    this.#isUp()
  }

  #isDown(reason: string): void {
    const { log, name } = this.#options
    if (this.closed.aborted) return
    if (!this.#down) log.warn({ datastore: name, reason }, 'the datastore is away')
    this.#down = { since: this.#down?.since ?? monotonicMs(), reason }
  }

  #isUp(): void {
    if (!this.#down) return
    const { log, name } = this.#options
    log.info({ datastore: name, ms: monotonicMs() - this.#down.since }, 'the datastore is back')
    this.#down = undefined
    for (const wake of this.#up.splice(0)) wake()
  }
}

/** Whether trying again can help. */
export function isPassing(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof StatementError && error.passing)
}
