/** Connecting: the first host that can be written to, over TLS as asked for. */
import type { Client } from 'pg'
import type { Clock } from '../effects.ts'
import { EndpointError } from '../endpoint.ts'
import type { Limits } from '../sql/limits.ts'
import { ConnectionError } from '../sql/log-connection.ts'
import { type Session, sessionOf } from './session.ts'
import type { Source } from './source.ts'

export interface Dialer {
  readonly source: Source
  readonly clock: Clock
  readonly limits: Limits
}

const noTls = 'The server does not support SSL connections'
const noDatabase = '3D000'

/**
 * A session with a host that takes writes. ConnectionError when none is to be had at the moment; EndpointError when it will
 * not be had by trying again: wrong password, wrong certificates, no such database.
 */
export async function connect(dialer: Dialer, database = dialer.source.database): Promise<Session> {
  const reasons: string[] = []
  for (const { host, port } of dialer.source.hosts) {
    try {
      return await connectTo(dialer, host, port, database)
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      reasons.push(dialer.source.hosts.length > 1 ? `${host}: ${error.message}` : error.message)
    }
  }
  throw new ConnectionError(reasons.join('; '))
}

async function connectTo(dialer: Dialer, host: string, port: number, database: string): Promise<Session> {
  const { source, clock, limits } = dialer
  const client = await clientOf(dialer, host, port, database)
  const session = sessionOf(client, clock, limits.answerMs)
  try {
    const [row] = await session.query<[boolean]>(sessionSettings, [
      source.schema ?? '',
      `${limits.answerMs + 1000}`,
      `${limits.answerMs * 3}`,
    ])
    if (row?.[0]) throw new ConnectionError('a standby, which takes no writes')
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}

/** What a server waits for on its own after we gave up ends soon after; nothing we call durable is less. */
const sessionSettings = `
  SELECT pg_is_in_recovery() FROM (SELECT
    CASE WHEN $1 <> '' THEN set_config('search_path', $1, false) END,
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('bytea_output', 'hex', false),
    set_config('jit', 'off', false),
    set_config('lock_timeout', $2, false),
    set_config('statement_timeout', $3, false),
    set_config('idle_in_transaction_session_timeout', $3, false),
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END
    OFFSET 0) AS settings`

async function clientOf({ source, limits }: Dialer, host: string, port: number, database: string): Promise<Client> {
  const { default: pg } = await import('pg')
  const attempt = async (ssl: boolean): Promise<Client> => {
    const client = new pg.Client({
      host,
      port,
      user: source.user,
      ...(source.password === undefined ? {} : { password: source.password }),
      database,
      ssl: ssl ? (source.tls?.options ?? false) : false,
      application_name: 'skiff',
      keepAlive: true,
      keepAliveInitialDelayMillis: limits.keepAliveMs,
      connectionTimeoutMillis: limits.connectMs,
    })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  const secure = source.tls !== undefined && !host.startsWith('/')
  try {
    return await attempt(secure).catch((error: Error) => {
      if (secure && !source.tls?.required && error.message === noTls) return attempt(false)
      throw error
    })
  } catch (error) {
    throw explained(error as Error & { code?: string }, source, limits)
  }
}

/** The database is not there, which can be helped. */
export class NoDatabaseError extends EndpointError {}

function explained(error: Error & { code?: string }, source: Source, limits: Limits): Error {
  const { code = '', message } = error
  if (code === noDatabase) return new NoDatabaseError(message)
  if (/^28/.test(code) || message.startsWith('SASL')) return new EndpointError(`${message} (--datastore-endpoint)`)
  if (/CERT|SELF_SIGNED|UNABLE_TO|^ERR_(TLS|SSL|OSSL)/.test(code))
    return new EndpointError(`the server's certificate: ${message} (--datastore-cafile, --datastore-certfile)`)
  if (message === noTls && source.tls) return new EndpointError('the server does not speak TLS: see sslmode')
  if (message === 'timeout expired') return new ConnectionError(`no connection within ${limits.connectMs / 1000} s`)
  return new ConnectionError(message || code, { cause: error })
}
