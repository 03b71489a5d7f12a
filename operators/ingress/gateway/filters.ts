/** HTTPRoute's filters in neutral terms. */
import type { Filter, Owner } from '../model/model.ts'
import { type Sources, Unusable } from '../sources.ts'
import { durationMs } from '../traefik/duration.ts'
import type { HeaderModifier, PathModifier, RouteFilter, RouteRule } from './types.ts'

/** Throws Unusable for filters that are not supported: ignoring one would change what a route means. */
export function filtersOf(rule: RouteRule, prefix: string, owner: Owner, sources: Sources): Filter[] {
  const filters = (rule.filters ?? []).flatMap(filter => one(filter, prefix, owner, sources))
  const timeout = rule.timeouts?.request ?? rule.timeouts?.backendRequest
  return timeout === undefined || durationMs(timeout) === 0
    ? filters
    : [...filters, { type: 'timeout', requestMs: durationMs(timeout) }]
}

const unsupported = (what: string) => new Unusable('UnsupportedValue', `${what} is not supported here`)

function one(filter: RouteFilter, prefix: string, owner: Owner, sources: Sources): readonly Filter[] {
  switch (filter.type) {
    case 'RequestHeaderModifier':
      return [{ type: 'requestHeaders', change: changeOf(filter.requestHeaderModifier) }]
    case 'ResponseHeaderModifier':
      return [{ type: 'responseHeaders', change: changeOf(filter.responseHeaderModifier) }]
    case 'RequestRedirect': {
      const { scheme, hostname: host, port, statusCode = 302, path } = filter.requestRedirect ?? {}
      return [
        {
          type: 'redirect',
          scheme,
          host,
          port,
          path: redirectPath(path, prefix),
          status: statusCode,
          unlessScheme: false,
        },
      ]
    }
    case 'URLRewrite': {
      const { hostname, path } = filter.urlRewrite ?? {}
      return [
        ...(hostname === undefined ? [] : [{ type: 'replaceHost' as const, host: hostname }]),
        ...rewrite(path, prefix),
      ]
    }
    case 'ExtensionRef': {
      const { group, kind, name } = filter.extensionRef ?? { group: '', kind: '', name: '' }
      if (group !== 'traefik.io' || kind !== 'Middleware') throw unsupported(`a filter of ${group}/${kind}`)
      return sources.middleware(`${owner.metadata.namespace}/${name}`, owner)
    }
    default:
      throw unsupported(`filter ${filter.type}`)
  }
}

const changeOf = ({ set = [], add = [], remove = [] }: HeaderModifier = {}) => ({ set, add, remove })

function redirectPath(path: PathModifier | undefined, prefix: string) {
  if (!path) return undefined
  if (path.type === 'ReplaceFullPath') return { type: 'full' as const, prefix, value: path.replaceFullPath ?? '/' }
  return { type: 'prefix' as const, prefix, value: path.replacePrefixMatch ?? '/' }
}

function rewrite(path: PathModifier | undefined, prefix: string): Filter[] {
  if (!path) return []
  if (path.type === 'ReplaceFullPath')
    return [{ type: 'replacePath', path: path.replaceFullPath ?? '/', keepOriginal: false }]
  return [{ type: 'replacePrefix', prefix, replacement: path.replacePrefixMatch ?? '/' }]
}
