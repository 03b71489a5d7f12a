/** IngressRoute as routers. */
import { certificatesFrom } from '../model/certificates.ts'
import type { Certificate, Filter, Router, Target, TcpRouter } from '../model/model.ts'
import { Unusable } from '../sources.ts'
import { RuleError } from './rule-lexer.ts'
import { hostsIn, matchesOf } from './rules.ts'
import { poolOfServices, type ServiceSources } from './services.ts'
import type { IngressRoute, IngressRouteTcp, NamedReference, RouteSpec } from './types.ts'

export interface TranslatedRoute {
  readonly routers: readonly Router[]
  readonly certificates: readonly Certificate[]
  readonly tlsOptions: readonly { readonly host: string; readonly option: string }[]
}

export function translateIngressRoute(route: IngressRoute, sources: ServiceSources): TranslatedRoute {
  const routers = (route.spec.routes ?? []).flatMap(spec => routerOf(route, spec, sources) ?? [])
  const { tls } = route.spec
  const option = tls?.options
  const hosts = routers.flatMap(router => hostsIn(router.matches))
  const name = option && `${option.namespace ?? route.metadata.namespace}-${option.name}@kubernetescrd`
  return {
    routers,
    certificates: tls?.secretName ? certificatesFrom(route, tls.secretName, sources) : [],
    tlsOptions: name === undefined ? [] : hosts.map(host => ({ host, option: name })),
  }
}

function routerOf(route: IngressRoute, spec: RouteSpec, sources: ServiceSources): Router | undefined {
  const matches = readRule(route, spec, sources)
  if (!matches) return undefined
  return {
    name: `${route.metadata.namespace}-${route.metadata.name}-${spec.match}@kubernetescrd`,
    owner: route,
    entryPoints: entryPointsOf(route, sources),
    // A priority of its own is compared rule by rule.
    matches: spec.priority ? matches.map(asConditions) : matches,
    priority: spec.priority || spec.match.length,
    rank: 0,
    target: targetOf(route, spec, sources),
  }
}

function asConditions(match: Router['matches'][number]): Router['matches'][number] {
  if (match.type !== 'simple') return match
  const host = match.host === undefined ? [] : [{ negated: false, test: { type: 'host', value: match.host } as const }]
  return { type: 'conditions', all: [...host, { negated: false, test: { type: 'path', path: match.path } }] }
}

/** A rule that cannot be read matches nothing, as in Traefik. */
function readRule(route: IngressRoute, { match, syntax }: RouteSpec, { report }: ServiceSources) {
  try {
    return matchesOf(match, syntax === 'v2')
  } catch (error) {
    if (!(error instanceof RuleError)) throw error
    report({ owner: route, reason: 'InvalidRule', message: `${error.message}; the route is ignored` })
    return undefined
  }
}

function entryPointsOf(route: IngressRoute, { settings, report }: ServiceSources): string[] {
  const all = settings.entryPoints
  const named = route.spec.entryPoints ?? []
  const unknown = named.filter(name => !all.some(entryPoint => entryPoint.name === name.toLowerCase()))
  if (unknown.length > 0)
    report({ owner: route, reason: 'EntryPointNotFound', message: `entry points ${unknown.join(', ')} do not exist` })
  const wanted = all.filter(({ name, isDefault }) =>
    named.length > 0 ? named.some(item => item.toLowerCase() === name) : isDefault,
  )
  const tlsOnly = route.spec.tls !== undefined
  return wanted.filter(({ tls }) => tls || !tlsOnly).map(({ name }) => name)
}

function targetOf(route: IngressRoute, spec: RouteSpec, sources: ServiceSources): Target {
  const { namespace = '' } = route.metadata
  try {
    // Served without its parents, it would be served without their middlewares.
    if (route.spec.parentRefs?.length || spec.parentRefs?.length)
      throw new Unusable('UnsupportedRoute', 'parentRefs are not supported here')
    const filters = (spec.middlewares ?? []).flatMap((reference): readonly Filter[] =>
      sources.middleware(nameOf(reference, namespace), route),
    )
    return { type: 'pool', pool: poolOfServices(spec.services ?? [], namespace, sources), filters }
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    sources.report({ owner: route, reason: error.reason, message: `${error.message}; the route answers 503` })
    return { type: 'answer', status: 503, filters: [] }
  }
}

/** "name" and a namespace, or a whole reference "namespace-name@kubernetescrd". */
const nameOf = ({ name, namespace: owner }: NamedReference, namespace: string): string =>
  name.includes('@') ? name : `${owner ?? namespace}/${name}`

/** Plain TCP: all of an entry point that is not web or websecure goes to one route. */
export function translateTcp(route: IngressRouteTcp, sources: ServiceSources): TcpRouter[] {
  const refuse = (message: string): TcpRouter[] => {
    sources.report({ owner: route, reason: 'UnsupportedRoute', message })
    return []
  }
  const { routes = [], tls, entryPoints = [] } = route.spec
  if (tls) return refuse('TCP routes with TLS are not supported here')
  if (entryPoints.length === 0 || entryPoints.some(name => name === 'web' || name === 'websecure'))
    return refuse('TCP routes need an entry point of their own, other than web and websecure')
  const spec = routes[0]
  if (routes.length !== 1 || !/^HostSNI\(\s*[`'"]\*[`'"]\s*\)$/.test(spec?.match.trim() ?? ''))
    return refuse('only one route with HostSNI(`*`) is supported here')
  if ((spec?.middlewares ?? []).length > 0) return refuse('middlewares of TCP routes are not supported here')
  // Transports of TCP are another kind.
  const services = (spec?.services ?? []).map(({ serversTransport: _, ...service }) => service)
  try {
    const pool = poolOfServices(services, route.metadata.namespace ?? '', sources)
    return entryPoints.map(entryPoint => ({ name: route.metadata.name ?? '', owner: route, entryPoint, pool }))
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    return refuse(error.message)
  }
}
