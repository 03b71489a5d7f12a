/** What a request is about, read from its method and URL alone (upstream: apiserver pkg/endpoints/request/requestinfo.go). */
import { errors } from '../../api/errors.ts'

export interface RequestInfo {
  readonly isResource: boolean
  /** "get", "list", "watch", "create", ...; the lower-case method for paths that are no resource. */
  readonly verb: string
  readonly path: string
  readonly group: string
  readonly version: string
  readonly namespace: string
  readonly resource: string
  readonly subresource: string
  /** The name in the URL. */
  readonly name: string
  /** The name authorization sees: also the one a metadata.name field selector asks for. */
  readonly authorizedName: string
  /** Decoded parts from the resource on: resource, name, subresource, and what follows it. */
  readonly parts: readonly string[]
  /** The legacy /watch/ prefix was used. */
  readonly legacyWatch: boolean
}

const verbOfMethod: { readonly [method: string]: string } = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

const namespaceSubresources = new Set(['status', 'finalize'])

/** Throws 400 when the path is not valid percent-encoding. */
export function requestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  let parts = splitPath(path)
  if (parts.length < 3 || (parts[0] !== 'api' && parts[0] !== 'apis')) return nonResource(method, path)
  if (parts[0] === 'apis' && parts.length < 4) return nonResource(method, path)
  const group = parts[0] === 'apis' ? parts[1]! : ''
  const version = parts[0] === 'apis' ? parts[2]! : parts[1]!
  parts = parts.slice(parts[0] === 'apis' ? 3 : 2)

  const special = parts[0] === 'watch' || parts[0] === 'proxy' ? parts[0] : undefined
  if (special !== undefined) {
    parts = parts.slice(1)
    if (parts.length === 0) throw errors.badRequest('unable to determine kind and namespace from an empty URL path')
  }
  const namespace = parts[0] === 'namespaces' ? (parts[1] ?? '') : ''
  if (parts[0] === 'namespaces' && parts.length > 2 && !namespaceSubresources.has(parts[2]!)) parts = parts.slice(2)

  const [resource = '', name = '', third = ''] = parts
  const subresource = special === undefined ? third : ''
  let verb = special ?? verbOfMethod[method] ?? ''
  if (name === '' && verb === 'get') verb = isTrue(query.get('watch')) ? 'watch' : 'list'
  if (name === '' && verb === 'delete') verb = 'deletecollection'
  const selected = name === '' && (verb === 'list' || verb === 'watch') ? selectedName(query) : ''
  return {
    isResource: true,
    verb,
    path,
    group,
    version,
    namespace,
    resource,
    subresource,
    name,
    authorizedName: name === '' ? selected : name,
    parts,
    legacyWatch: special === 'watch',
  }
}

/** Go's strconv.ParseBool, with an empty present parameter counting as true as in upstream's query conversion. */
export function isTrue(value: string | null): boolean {
  if (value === null) return false
  return value !== '0' && value.toLowerCase() !== 'false'
}

function nonResource(method: string, path: string): RequestInfo {
  return {
    isResource: false,
    verb: method.toLowerCase(),
    path,
    group: '',
    version: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    authorizedName: '',
    parts: [],
    legacyWatch: false,
  }
}

function splitPath(path: string): string[] {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  if (trimmed === '') return []
  try {
    const parts = trimmed.split('/')
    return trimmed.includes('%') ? parts.map(decodeURIComponent) : parts
  } catch {
    throw errors.badRequest(`invalid URL escape in path ${JSON.stringify(path)}`)
  }
}

function selectedName(query: URLSearchParams): string {
  const selector = query.get('fieldSelector')
  const match = selector ? /(?:^|,)metadata\.name==?([^,=!\\]+)(?:,|$)/.exec(selector) : null
  return match && !/[/%]/.test(match[1]!) ? match[1]! : ''
}
