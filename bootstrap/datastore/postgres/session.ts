/** One connection to PostgreSQL: statements with a time limit, errors told apart. */
import type { Client, QueryArrayConfig } from 'pg'
import type { Clock } from '../effects.ts'
import { guarded } from '../sql/guarded.ts'
import { ConnectionError, StatementError } from '../sql/log-connection.ts'

export type Parameter = string | number | boolean | Buffer | readonly number[] | readonly boolean[]

export interface Session {
  /** Rows as arrays; bytea as Buffer, integers as numbers. A `name` has the statement prepared once. */
  query<Row extends readonly unknown[]>(text: string, values?: readonly Parameter[], name?: string): Promise<Row[]>
  /** Any number of statements without parameters. */
  run(text: string): Promise<void>
  onNotification(callback: (payload: string) => void): void
  readonly gone: AbortSignal
  close(): Promise<void>
}

/** Error classes after which the same statement may work: https://www.postgresql.org/docs/15/errcodes-appendix.html */
const passing = /^(08|40|55|53|25006|57014)/

/** Takes over a connected client. Statements take `answerMs` at most, else the connection counts as broken. */
export function sessionOf(client: Client, clock: Clock, answerMs: number): Session {
  const guard = guarded({ clock, answerMs, destroy: () => socketOf(client).destroy(), translate })
  client.on('error', error => guard.end(error.message))
  client.on('end', () => guard.end('the connection was closed'))

  return {
    query: (text, values = [], name) =>
      guard.ask(async () => {
        const query = { text, values, rowMode: 'array', types, ...(name ? { name } : {}) }
        const { rows } = await client.query(query as unknown as QueryArrayConfig)
        // biome-ignore lint/suspicious/noExplicitAny: the caller knows the columns it asked for.
        return rows as any[]
      }),
    run: text =>
      guard.ask(async () => {
        await client.query(text)
      }),
    onNotification: callback => {
      client.on('notification', ({ payload }) => callback(payload ?? ''))
    },
    gone: guard.gone,
    close: () => guard.close(() => client.end()),
  }
}

/** A refusal has a code of five letters and leaves the connection as it is, unless the server says good-bye. */
function translate(error: Error): Error {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const refusal = /^[0-9A-Z]{5}$/.test(code) && 'severity' in error
  if (!refusal || error.severity === 'FATAL' || error.severity === 'PANIC')
    return new ConnectionError(error.message, { cause: error })
  return new StatementError(error.message, passing.test(code), { cause: error })
}

function socketOf(client: Client): { destroy(): void } {
  return (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream
}

const oid = { bool: 16, bytea: 17, int8: 20, int4: 23 }

/** What our statements return. In text: the client reads everything as text, whatever form it asks for. */
const types = {
  getTypeParser: (id: number) => (value: string) => {
    switch (id) {
      case oid.bool:
        return value === 't'
      case oid.int8:
      case oid.int4:
        return Number(value)
      case oid.bytea:
        return Buffer.from(value.slice(2), 'hex')
      default:
        return value
    }
  },
}
