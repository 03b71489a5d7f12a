/** Which PostgreSQL to use: the part of --datastore-endpoint after "postgres://", as libpq's URLs have it. */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { EndpointError } from '../endpoint.ts'
import type { TlsMaterial } from '../tls-files.ts'

export interface Source {
  /** Tried in this order; a host that begins with "/" is the folder of a Unix socket. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** Try TLS; `required` when nothing else will do. */
  readonly tls: { readonly required: boolean; readonly options: ConnectionOptions } | undefined
  /** Where the tables are, when not in the user's default. */
  readonly schema: string | undefined
}

const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
type Mode = (typeof modes)[number]

const want = 'want postgres://user:password@host:5432/database?sslmode=verify-full'

/**
 * Reads `[user[:password]@][host[:port][,...]][/database][?parameters]`. As K3s does: nothing at all is postgres:postgres on
 * this machine, no database is "kubernetes", names of databases are in lower case, and files of certificates given by flags
 * mean verify-full. EndpointError.
 */
export function readSource(source: string, tls: TlsMaterial): Source {
  const [, credentials, address = '', path = '', query = ''] =
    /^(?:([^?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(source) ?? refuse()
  const parameters = new URLSearchParams(query)
  const [, user = '', password] = /^([^:]*)(?::(.*))?$/s.exec(credentials ?? '') ?? []
  const asked = address || parameters.get('host') || 'localhost'
  const plain = source === ''
  return {
    hosts: asked.split(',').map(text => hostOf(decoded(text), parameters.get('port'))),
    user: decoded(user) || parameters.get('user') || 'postgres',
    password:
      password === undefined ? (parameters.get('password') ?? (plain ? 'postgres' : undefined)) : decoded(password),
    database: (decoded(path) || parameters.get('dbname') || 'kubernetes').toLowerCase(),
    tls: tlsOf(parameters, tls),
    schema: parameters.get('search_path') ?? undefined,
  }
}

/** For messages: without the password. */
export function describe({ hosts, database }: Source): string {
  const text = ({ host, port }: { host: string; port: number }) =>
    host.startsWith('/') ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`
  return `PostgreSQL ${hosts.map(text).join(',')}/${database}`
}

function hostOf(text: string, defaultPort: string | null): { readonly host: string; readonly port: number } {
  if (text.startsWith('/')) return { host: text, port: portOf(defaultPort ?? '5432') }
  const [, bracketed, name, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(.*))?$/.exec(text) ?? refuse()
  return { host: bracketed ?? name ?? refuse(), port: portOf(port ?? defaultPort ?? '5432') }
}

function portOf(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65535 ? port : refuse()
}

function tlsOf(parameters: URLSearchParams, files: TlsMaterial): Source['tls'] {
  const ca = files.ca ?? fileOf(parameters, 'sslrootcert')
  const cert = files.cert ?? fileOf(parameters, 'sslcert')
  const key = files.key ?? fileOf(parameters, 'sslkey')
  const given = parameters.get('sslmode')
  if (given !== null && !modes.some(mode => mode === given))
    throw new EndpointError(`invalid --datastore-endpoint: sslmode "${given}": want one of ${modes.join(', ')}`)
  const mode = (given ?? (ca !== undefined || cert !== undefined ? 'verify-full' : 'prefer')) as Mode
  if (mode === 'disable') return undefined
  const verified = mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && ca !== undefined)
  return {
    required: mode !== 'allow' && mode !== 'prefer',
    options: {
      rejectUnauthorized: verified,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    },
  }
}

function fileOf(parameters: URLSearchParams, name: string): string | undefined {
  const file = parameters.get(name)
  if (file === null || file === '' || file === 'system') return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new EndpointError(`--datastore-endpoint: cannot read ${name}: ${(error as Error).message}`)
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A "%" that encodes nothing is meant as it is.
    return text
  }
}

function refuse(): never {
  throw new EndpointError(`invalid --datastore-endpoint: ${want}`)
}
