/** Connecting to MySQL or MariaDB, over TLS as asked for. */
import { isIP } from 'node:net'
import { checkServerIdentity, type TLSSocket } from 'node:tls'
import type { Connection, ConnectionOptions } from 'mysql2'
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

/** The database is not there, which can be helped. */
export class NoDatabaseError extends EndpointError {}

/**
 * A session that takes writes. ConnectionError when none is to be had at the moment; EndpointError when it will not be had by
 * trying again: wrong password, wrong certificates, no such database.
 */
export async function connect(dialer: Dialer, database: string | undefined): Promise<Session> {
  const { source, clock, limits } = dialer
  const client = await clientOf(dialer, database)
  const session = sessionOf(client, clock, limits.answerMs)
  try {
    const waitSeconds = Math.ceil(limits.answerMs / 1000) + 1
    await session.query(
      `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
       SET SESSION autocommit = 1, innodb_lock_wait_timeout = ${waitSeconds}`,
    )
    const [row] = await session.query<[[number, number]]>('SELECT @@max_allowed_packet, @@read_only')
    if (row[1] !== 0) throw new ConnectionError(`${hostOf(source)} is read-only`)
    return { ...session, maxPacket: row[0] }
  } catch (error) {
    await session.close()
    throw error
  }
}

const hostOf = ({ address }: Source) => ('host' in address ? address.host : address.socketPath)

async function clientOf(dialer: Dialer, database: string | undefined): Promise<Connection> {
  const { tls } = dialer.source
  try {
    return await attempt(dialer, database, tls !== undefined).catch((error: Error & { code?: string }) => {
      if (tls && !tls.required && error.code === 'HANDSHAKE_NO_SSL_SUPPORT') return attempt(dialer, database, false)
      throw error
    })
  } catch (error) {
    throw explained(error as Error & { code?: string; errno?: number })
  }
}

async function attempt({ source, limits }: Dialer, database: string | undefined, secure: boolean): Promise<Connection> {
  const { default: mysql } = await import('mysql2')
  const { tls } = source
  const host = hostOf(source)
  const byName = tls?.verify === true && isIP(host) === 0
  const ssl = secure && tls ? { ...tls.options, rejectUnauthorized: tls.verify, verifyIdentity: byName } : undefined
  const client = mysql.createConnection({
    ...source.address,
    user: source.user,
    password: source.password,
    ...(database === undefined ? {} : { database }),
    ...(ssl === undefined ? {} : { ssl: ssl as NonNullable<ConnectionOptions['ssl']> }),
    multipleStatements: true,
    enableKeepAlive: true,
    keepAliveInitialDelay: limits.keepAliveMs,
    connectTimeout: limits.connectMs,
    charset: 'utf8mb4',
    connectAttributes: { program_name: 'skiff' },
  })
  client.on('error', () => undefined)
  if (tls?.verify && !byName) verifyAddress(client, host)
  return new Promise((resolve, reject) => {
    client.connect(error => {
      if (!error) return resolve(client)
      client.destroy()
      reject(error)
    })
  })
}

interface Upgrading {
  stream: TLSSocket
  startTLS(done: (error?: Error) => void): void
}

/** The client checks whose certificate it is by name only; an address is checked here, before the password is sent. */
function verifyAddress(client: Connection, address: string): void {
  const upgrading = client as unknown as Upgrading
  const upgrade = upgrading.startTLS.bind(upgrading)
  upgrading.startTLS = done =>
    upgrade(error => done(error ?? checkServerIdentity(address, upgrading.stream.getPeerCertificate())))
}

/** https://mariadb.com/kb/en/mariadb-error-codes/: no such database; access denied; may not connect from here. */
const code = { noDatabase: 1049, denied: new Set([1044, 1045, 1698, 1130, 1227]) }

function explained(error: Error & { code?: string; errno?: number }): Error {
  const { message, errno = 0 } = error
  if (errno === code.noDatabase) return new NoDatabaseError(message)
  if (code.denied.has(errno)) return new EndpointError(`${message} (--datastore-endpoint)`)
  if (error.code === 'HANDSHAKE_NO_SSL_SUPPORT') return new EndpointError('the server does not speak TLS: see tls=')
  if (/CERT|SELF_SIGNED|UNABLE_TO|^ERR_(TLS|SSL|OSSL)|HANDSHAKE_SSL/.test(error.code ?? ''))
    return new EndpointError(`the server's certificate: ${message} (--datastore-cafile, --datastore-certfile)`)
  return new ConnectionError(message || (error.code ?? 'no connection'), { cause: error })
}
