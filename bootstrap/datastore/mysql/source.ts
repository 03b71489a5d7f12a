/** Which MySQL or MariaDB to use: the part of --datastore-endpoint after "mysql://", in the form K3s takes from Go's driver. */
import type { ConnectionOptions } from 'node:tls'
import { EndpointError } from '../endpoint.ts'
import type { TlsMaterial } from '../tls-files.ts'

export interface Source {
  readonly address: { readonly host: string; readonly port: number } | { readonly socketPath: string }
  readonly user: string
  readonly password: string
  readonly database: string
  /** Try TLS; `required` when nothing else will do. */
  readonly tls:
    | { readonly required: boolean; readonly verify: boolean; readonly options: ConnectionOptions }
    | undefined
}

const want = 'want mysql://user:password@tcp(host:3306)/database'
const defaultSocket = '/var/run/mysqld/mysqld.sock'

/**
 * Reads `[user[:password]@][protocol[(address)]]/[database][?parameters]`. As K3s does: nothing at all is root on the local
 * socket, or on 127.0.0.1 where files of certificates are given; no database is "kubernetes". EndpointError.
 */
export function readSource(source: string, tls: TlsMaterial): Source {
  const withTls = tls.ca !== undefined || tls.cert !== undefined
  const [, front = '', database = '', query = ''] =
    source === ''
      ? ['', withTls ? 'root@tcp(127.0.0.1)' : `root@unix(${defaultSocket})`]
      : (/^(.*)\/([^/?]*)(?:\?(.*))?$/s.exec(source) ?? refuse(`${want}: the "/" before the database is missing`))
  const [, credentials = '', place = ''] = /^(?:(.*)@)?([^@]*)$/s.exec(front) ?? refuse(want)
  const [, user = '', password = ''] = /^([^:]*)(?::(.*))?$/s.exec(credentials) ?? []
  return {
    address: addressOf(place),
    user,
    password,
    database: decoded(database) || 'kubernetes',
    tls: tlsOf(new URLSearchParams(query).get('tls'), tls),
  }
}

/** For messages: without the password. */
export function describe({ address, database }: Source): string {
  if ('socketPath' in address) return `MySQL ${address.socketPath}/${database}`
  const { host, port } = address
  return `MySQL ${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
}

function addressOf(place: string): Source['address'] {
  const [, protocol = '', address = ''] = /^([^()]*)(?:\((.*)\))?$/.exec(place) ?? refuse(want)
  switch (protocol) {
    case 'unix':
      return { socketPath: address || defaultSocket }
    case '':
    case 'tcp':
    case 'tcp4':
    case 'tcp6': {
      const [, bracketed, name, port] = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d+))?$/.exec(address) ?? refuse(want)
      const number = Number(port ?? 3306)
      if (number < 1 || number > 65535) refuse(want)
      return { host: bracketed ?? (name || '127.0.0.1'), port: number }
    }
    default:
      return refuse(`${want} or mysql://user:password@unix(/path/to/socket)/database, not "${protocol}"`)
  }
}

function tlsOf(parameter: string | null, { ca, cert, key }: TlsMaterial): Source['tls'] {
  const options = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  }
  if (ca !== undefined || cert !== undefined) return { required: true, verify: true, options }
  switch (parameter?.toLowerCase()) {
    case undefined:
    case 'false':
      return undefined
    case 'true':
      return { required: true, verify: true, options }
    case 'skip-verify':
      return { required: true, verify: false, options }
    case 'preferred':
      return { required: false, verify: false, options }
    default:
      throw new EndpointError(
        `invalid --datastore-endpoint: tls "${parameter}": want true, false, skip-verify or preferred`,
      )
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function refuse(why: string): never {
  throw new EndpointError(`invalid --datastore-endpoint: ${why}`)
}
