/** Traefik's Middlewares as filters. What is not supported is named, and the routes that use it answer 503. */
import type { Secret } from '../../../bootstrap/client/resources.ts'
import type { Filter, Source } from '../model/model.ts'
import { Unusable } from '../sources.ts'
import { durationMs } from './duration.ts'
import { headersFilters } from './headers.ts'
import type { Middleware, NamedReference } from './types.ts'

export interface MiddlewareSources {
  get(namespace: string, name: string): Middleware | undefined
  secret(namespace: string, name: string): Secret | undefined
  readonly allowCrossNamespace: boolean
}

type Spec = { readonly [field: string]: unknown }

/** The filters of a middleware, chains resolved. Throws Unusable. */
export function filtersOf(
  namespace: string,
  name: string,
  sources: MiddlewareSources,
  seen: readonly string[] = [],
): Filter[] {
  const key = `${namespace}/${name}`
  if (seen.includes(key)) throw new Unusable('InvalidMiddleware', `middleware ${key} is part of itself`)
  const middleware = sources.get(namespace, name)
  if (!middleware) throw new Unusable('MiddlewareNotFound', `middleware ${key} does not exist`)
  const kinds = Object.entries(middleware.spec ?? {}).filter(([, spec]) => spec !== undefined && spec !== null)
  return kinds.flatMap(([kind, spec]) => {
    try {
      return one(kind, (spec ?? {}) as Spec, { ...sources, namespace, path: [...seen, key] })
    } catch (error) {
      if (error instanceof Unusable) throw error
      throw new Unusable('InvalidMiddleware', `middleware ${key}: ${(error as Error).message}`)
    }
  })
}

interface Context extends MiddlewareSources {
  readonly namespace: string
  readonly path: readonly string[]
}

function one(kind: string, spec: Spec, context: Context): Filter[] {
  const text = (field: string) => (spec[field] === undefined ? '' : String(spec[field]))
  const list = (field: string) => ((spec[field] ?? []) as readonly unknown[]).map(String)
  const needed = (field: string) => {
    if (text(field) === '') throw new Error(`${kind}.${field} is missing`)
    return text(field)
  }
  switch (kind) {
    case 'stripPrefix':
      return list('prefixes').length === 0 ? [] : [{ type: 'stripPrefix', prefixes: list('prefixes') }]
    case 'stripPrefixRegex':
      return list('regex').length === 0 ? [] : [{ type: 'stripPrefixRegex', patterns: list('regex') }]
    case 'addPrefix':
      return [{ type: 'addPrefix', prefix: `/${needed('prefix').replace(/^\//, '')}` }]
    case 'replacePath':
      return [{ type: 'replacePath', path: needed('path'), keepOriginal: true }]
    case 'replacePathRegex':
      return [{ type: 'replacePathRegex', pattern: needed('regex'), replacement: text('replacement') }]
    case 'redirectScheme': {
      const port = Number(text('port'))
      const status = spec.permanent === true ? 301 : 302
      return [
        {
          type: 'redirect',
          scheme: needed('scheme'),
          host: undefined,
          port: port || undefined,
          path: undefined,
          status,
          unlessScheme: true,
        },
      ]
    }
    case 'redirectRegex':
      return [
        {
          type: 'redirectRegex',
          pattern: needed('regex'),
          replacement: needed('replacement'),
          permanent: spec.permanent === true,
        },
      ]
    case 'headers':
      return headersFilters(spec)
    case 'basicAuth':
      return [basicAuth(spec, context)]
    case 'rateLimit':
      return rateLimit(spec)
    case 'ipAllowList':
    case 'ipWhiteList':
      return [
        {
          type: 'ipAllowList',
          ranges: list('sourceRange'),
          source: sourceOf(spec),
          status: Number(spec.rejectStatusCode ?? 403),
        },
      ]
    case 'retry':
      return [{ type: 'retry', attempts: Number(spec.attempts ?? 0) || 1 }]
    case 'compress':
      return [
        {
          type: 'compress',
          types: compressTypes(list('includedContentTypes'), list('excludedContentTypes')),
          minBytes: 0,
        },
      ]
    case 'buffering':
    case 'contentType':
      // Bodies stream here, and content types are never guessed: nothing to do.
      return []
    case 'chain':
      return ((spec.middlewares ?? []) as readonly NamedReference[]).flatMap(
        ({ name, namespace = context.namespace }) => {
          allowed(namespace, name, context)
          return filtersOf(namespace, name, context, context.path)
        },
      )
    default:
      throw new Unusable('UnsupportedMiddleware', `middleware ${context.path.at(-1)}: ${kind} is not supported here`)
  }
}

function allowed(namespace: string, name: string, context: Context): void {
  if (namespace !== context.namespace && !context.allowCrossNamespace)
    throw new Unusable(
      'CrossNamespaceRefused',
      `middleware ${namespace}/${name} is in another namespace; allowCrossNamespace is off`,
    )
}

const compressible = [
  'text/html',
  'text/plain',
  'text/css',
  'text/xml',
  'text/javascript',
  'text/csv',
  'text/markdown',
  'application/javascript',
  'application/json',
  'application/xml',
  'application/manifest+json',
  'application/ld+json',
  'application/vnd.api+json',
  'application/rss+xml',
  'application/atom+xml',
  'application/wasm',
  'image/svg+xml',
  'font/ttf',
]

function compressTypes(included: readonly string[], excluded: readonly string[]): string[] {
  const types = included.length > 0 ? included : compressible
  return types.filter(type => !excluded.includes(type))
}

function basicAuth(spec: Spec, { namespace, secret }: Context): Filter {
  const name = String(spec.secret ?? '')
  if (name === '') throw new Error('basicAuth.secret is missing')
  const found = secret(namespace, name)
  if (!found) throw new Error(`secret ${namespace}/${name} does not exist`)
  return {
    type: 'basicAuth',
    users: usersOf(found),
    realm: String(spec.realm ?? 'traefik') || 'traefik',
    removeHeader: spec.removeHeader === true,
    headerField: spec.headerField ? String(spec.headerField) : undefined,
  }
}

/** A Secret of type basic-auth, or one file in htpasswd's format. */
function usersOf({ data = {}, metadata, type }: Secret): { name: string; hash: string }[] {
  const read = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString()
  if (type === 'kubernetes.io/basic-auth') return [{ name: read('username'), hash: plain(read('password')) }]
  const keys = Object.keys(data)
  if (keys.length !== 1)
    throw new Error(
      `secret ${metadata.namespace}/${metadata.name} must have exactly one key, with users in htpasswd's format`,
    )
  const lines = read(keys[0]!)
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
  const users = lines.map(line => ({ name: line.slice(0, line.indexOf(':')), hash: line.slice(line.indexOf(':') + 1) }))
  if (users.length === 0 || users.some(({ name, hash }) => name === '' || hash === ''))
    throw new Error(`secret ${metadata.namespace}/${metadata.name} is not in htpasswd's format: user:hash, a line each`)
  return users
}

/** Marks a password that is not hashed. */
const plain = (password: string): string => `{PLAIN}${password}`

function rateLimit(spec: Spec): Filter[] {
  const average = Number(spec.average ?? 0)
  if (!(average > 0)) return []
  const burst = Math.max(1, Number(spec.burst ?? 1))
  const periodMs = spec.period === undefined ? 1000 : durationMs(spec.period)
  // As many at once as the burst, and as many again in the time the average takes for them.
  return [
    {
      type: 'rateLimit',
      requests: burst,
      periodMs: Math.max(1, Math.ceil((burst * periodMs) / average)),
      source: sourceOf((spec.sourceCriterion ?? {}) as Spec),
    },
  ]
}

function sourceOf(spec: Spec): Source {
  if (spec.requestHeaderName) return { type: 'header', name: String(spec.requestHeaderName) }
  if (spec.requestHost === true) return { type: 'host' }
  const strategy = (spec.ipStrategy ?? {}) as Spec
  if (strategy.excludedIPs !== undefined) throw new Error('ipStrategy.excludedIPs is not supported here')
  const depth = Number(strategy.depth ?? 0)
  return depth > 0 ? { type: 'forwarded', depth } : { type: 'address' }
}
