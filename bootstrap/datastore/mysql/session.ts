/** One connection to MySQL or MariaDB: statements with a time limit, errors told apart. */
import type { Connection, QueryError } from 'mysql2'
import type { Clock } from '../effects.ts'
import { guarded } from '../sql/guarded.ts'
import { ConnectionError, StatementError } from '../sql/log-connection.ts'

export interface Session {
  /** Rows as arrays; with several statements, the results of each. Values are literals in the text: see `bytes`. */
  query<Result>(text: string): Promise<Result>
  /** Several statements of one transaction, which is undone when one of them is refused. */
  transaction(text: string): Promise<readonly unknown[]>
  /** How large a statement the server takes. */
  readonly maxPacket: number
  readonly gone: AbortSignal
  close(): Promise<void>
}

/** Lock waits, dead locks, read-only and shutdown: https://mariadb.com/kb/en/mariadb-error-codes/ */
const passing = new Set([1205, 1213, 1290, 1836, 1053, 1047, 3572, 1969, 3024, 1317])
const goodbye = new Set([1053, 1927, 4031, 1152, 1159, 1160, 1161])

/** Takes over a connected client. Statements take `answerMs` at most, else the connection counts as broken. */
export function sessionOf(client: Connection, clock: Clock, answerMs: number): Omit<Session, 'maxPacket'> {
  const guard = guarded({ clock, answerMs, destroy: () => client.destroy(), translate })
  client.on('error', error => guard.end(error.message))
  client.on('end', () => guard.end('the connection was closed'))

  const query = <Result>(text: string): Promise<Result> =>
    guard.ask(
      () =>
        new Promise((resolve, reject) => {
          client.query({ sql: text, rowsAsArray: true }, (error, result) => {
            if (error) reject(error)
            else resolve(result as Result)
          })
        }),
    )

  return {
    query,
    transaction: async text => {
      try {
        return await query<unknown[]>(text)
      } catch (error) {
        // Only the statement is undone by itself: its locks, and what went before it, stay.
        if (error instanceof StatementError) await query('ROLLBACK')
        throw error
      }
    },
    gone: guard.gone,
    close: () => guard.close(() => new Promise<void>(resolve => client.end(() => resolve()))),
  }
}

/** A refusal has a number and leaves the connection as it is, unless the server says good-bye. */
function translate(error: Error): Error {
  const { errno, sqlState, message } = error as QueryError
  if (errno === undefined || sqlState === undefined) return new ConnectionError(message, { cause: error })
  if (goodbye.has(errno)) return new ConnectionError(message, { cause: error })
  return new StatementError(message, passing.has(errno), { cause: error })
}

/** Bytes as a literal that needs no escaping. */
export function bytes(value: Buffer | string): string {
  const hex = typeof value === 'string' ? Buffer.from(value).toString('hex') : value.toString('hex')
  return `x'${hex}'`
}
