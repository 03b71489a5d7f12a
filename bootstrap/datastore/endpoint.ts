/** The text of --datastore-endpoint, in the forms K3s takes. */

/** The endpoint, or what it names, cannot be used; the message is one line for the user and holds no password. */
export class EndpointError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EndpointError'
  }
}

export type EngineOf =
  /** The file named, or else the default one. */
  | { readonly name: 'sqlite'; readonly file: string | undefined }
  /** What follows "postgres://" and "mysql://": their drivers read it. */
  | { readonly name: 'postgres' | 'mysql'; readonly source: string }
  | { readonly name: 'etcd'; readonly endpoints: readonly string[] }

/** Chooses by the scheme; throws EndpointError for one that K3s has not or Skiff does not support. */
export function engineOf(endpoint: string): EngineOf {
  if (endpoint === '' || endpoint === 'sqlite') return { name: 'sqlite', file: undefined }
  const [, scheme = '', source = ''] = /^([a-z0-9]+):\/\/(.*)$/is.exec(endpoint) ?? []
  switch (scheme.toLowerCase()) {
    case 'sqlite':
      return { name: 'sqlite', file: source.replace(/\?.*$/, '') || undefined }
    case 'postgres':
    case 'postgresql':
      return { name: 'postgres', source }
    case 'mysql':
      return { name: 'mysql', source }
    case 'http':
    case 'https':
      return { name: 'etcd', endpoints: endpoint.split(',').map(etcdEndpoint) }
    case '':
      throw new EndpointError(
        'invalid --datastore-endpoint: want <scheme>://<address>, such as postgres://user:password@host:5432/kubernetes',
      )
    default:
      throw new EndpointError(
        `--datastore-endpoint: unknown scheme ${scheme}://: want postgres://, mysql://, https:// (etcd) or sqlite://`,
      )
  }
}

/** One address of etcd, without path or trailing slash. */
function etcdEndpoint(text: string): string {
  const url = URL.parse(text.trim())
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '' || url.pathname !== '/' || url.search !== '')
    throw new EndpointError(`invalid --datastore-endpoint "${text.trim()}": want https://host:port of an etcd server`)
  return `${url.protocol}//${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`
}
