/** networking.k8s.io/v1 Ingress as routers, with Traefik's annotations. */
import type { Ingress } from '../../../bootstrap/client/resources.ts'
import { certificatesFrom } from '../model/certificates.ts'
import type { Certificate, Filter, Match, Owner, PathMatch, Pool, PoolTls, Router, Target } from '../model/model.ts'
import { NoService, type Resolved } from '../model/pools.ts'
import { type Sources, Unusable } from '../sources.ts'

type Rule = NonNullable<NonNullable<Ingress['spec']>['rules']>[number]
type Path = NonNullable<NonNullable<Rule['http']>['paths']>[number]
type IngressBackend = Path['backend']

export interface TranslatedIngress {
  readonly routers: readonly Router[]
  readonly certificates: readonly Certificate[]
  /** TLSOption by host, as the annotation names it. */
  readonly tlsOptions: readonly { readonly host: string; readonly option: string }[]
}

const prefix = 'traefik.ingress.kubernetes.io/router.'

export function translateIngress(ingress: Ingress, sources: Sources): TranslatedIngress {
  const owner: Owner = ingress
  const options = optionsOf(ingress, sources)
  const router = (match: Match, backend: IngressBackend | undefined, priority: number, name: string): Router => ({
    name: `${ingress.metadata.namespace}-${ingress.metadata.name}-${name}@kubernetes`,
    owner,
    entryPoints: options.entryPoints,
    matches: [options.priority === undefined ? match : explicit(match)],
    priority: options.priority ?? priority,
    rank: 0,
    target: targetOf(ingress, backend, options.filters, sources),
  })
  const routers = (ingress.spec?.rules ?? []).flatMap(rule =>
    (rule.http?.paths ?? []).map(path => {
      const host = rule.host || undefined
      return router(
        { type: 'simple', host, path: pathOf(path, options.matcher) },
        path.backend,
        lengthOf(host, path),
        `${host ?? ''}${path.path ?? ''}`,
      )
    }),
  )
  // A rule without paths sends all of its host to the default backend.
  const whole = (ingress.spec?.rules ?? [])
    .filter(rule => !rule.http && rule.host && ingress.spec?.defaultBackend)
    .map(rule =>
      router(
        { type: 'simple', host: rule.host, path: { type: 'segments', value: '/' } },
        ingress.spec?.defaultBackend,
        1,
        rule.host ?? '',
      ),
    )
  const fallback = ingress.spec?.defaultBackend
    ? [router({ type: 'default' }, ingress.spec.defaultBackend, 1, 'default')]
    : []
  const hosts = (ingress.spec?.rules ?? []).flatMap(rule => rule.host || [])
  return {
    routers: [...routers, ...whole, ...fallback],
    certificates: certificatesOf(ingress, sources),
    tlsOptions: options.tlsOptions === undefined ? [] : hosts.map(host => ({ host, option: options.tlsOptions! })),
  }
}

interface RouterOptions {
  readonly entryPoints: readonly string[]
  readonly filters: readonly Filter[] | Unusable
  readonly priority: number | undefined
  readonly matcher: string
  readonly tlsOptions: string | undefined
}

const words = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map(word => word.trim())
    .filter(Boolean)

function optionsOf(ingress: Ingress, sources: Sources): RouterOptions {
  const at = (name: string) => ingress.metadata.annotations?.[prefix + name]
  const all = sources.settings.entryPoints
  const named = words(at('entrypoints'))
  const unknown = named.filter(name => !all.some(entryPoint => entryPoint.name === name.toLowerCase()))
  if (unknown.length > 0)
    sources.report({
      owner: ingress,
      reason: 'EntryPointNotFound',
      message: `entry points ${unknown.join(', ')} do not exist`,
    })
  const tlsOnly = at('tls') === 'true'
  const wanted =
    named.length > 0
      ? named.map(name => name.toLowerCase())
      : all.filter(({ isDefault }) => isDefault).map(({ name }) => name)
  const priority = Number(at('priority'))
  return {
    entryPoints: wanted.filter(name =>
      all.some(entryPoint => entryPoint.name === name && (!tlsOnly || entryPoint.tls)),
    ),
    filters: filtersOf(words(at('middlewares')), ingress, sources),
    priority: Number.isInteger(priority) && priority !== 0 ? priority : undefined,
    matcher: at('pathmatcher') ?? 'PathPrefix',
    tlsOptions: at('tls.options'),
  }
}

function filtersOf(names: readonly string[], ingress: Ingress, sources: Sources): readonly Filter[] | Unusable {
  try {
    return names.flatMap(name => sources.middleware(name, ingress))
  } catch (error) {
    if (error instanceof Unusable) return error
    throw error
  }
}

/** A priority of its own makes a rule that is compared one by one. */
function explicit(match: Match): Match {
  if (match.type !== 'simple') return match
  const host = match.host === undefined ? [] : [{ negated: false, test: { type: 'host', value: match.host } as const }]
  return { type: 'conditions', all: [...host, { negated: false, test: { type: 'path', path: match.path } }] }
}

function pathOf({ path, pathType }: Path, matcher: string): PathMatch {
  const value = path || '/'
  if (pathType === 'Exact') return { type: 'exact', value }
  if (pathType === 'Prefix') return { type: 'segments', value: value.replace(/\/+$/, '') || '/' }
  return matcher === 'Path' ? { type: 'exact', value } : { type: 'text', value }
}

/** The length of the rule that Traefik makes of it, which is its priority there. */
function lengthOf(host: string | undefined, { path, pathType }: Path): number {
  const hostRule = host === undefined ? 0 : `Host(\`${host}\`)`.length
  const pathRule = path ? `${pathType === 'Exact' ? 'Path' : 'PathPrefix'}(\`${path}\`)`.length : 0
  return hostRule + pathRule + (hostRule && pathRule ? ' && '.length : 0)
}

function targetOf(
  ingress: Ingress,
  backend: IngressBackend | undefined,
  filters: readonly Filter[] | Unusable,
  sources: Sources,
): Target {
  const refused = (reason: string, message: string): Target => {
    sources.report({ owner: ingress, reason, message })
    return { type: 'answer', status: 503, filters: [] }
  }
  if (filters instanceof Unusable) return refused(filters.reason, filters.message)
  if (backend?.resource) {
    const { kind, name } = backend.resource
    return refused('UnsupportedBackend', `backends must be services; ${kind} ${name} is a resource`)
  }
  const service = backend?.service
  if (!service) return refused('UnsupportedBackend', 'a backend names neither a service nor a resource')
  const { namespace = '' } = ingress.metadata
  const port = service.port?.name || service.port?.number
  try {
    const resolved = sources.services.resolve(
      { namespace, name: service.name, port },
      { allowExternalNames: sources.settings.ingress.allowExternalNames },
    )
    return {
      type: 'pool',
      pool: poolOf(`${namespace}-${service.name}-${resolved.port}`, namespace, resolved, sources),
      filters,
    }
  } catch (error) {
    if (error instanceof NoService) return refused(error.reason, error.message)
    throw error
  }
}

/** One service as a pool. */
export function poolOf(
  name: string,
  namespace: string,
  resolved: Resolved,
  sources: Pick<Sources, 'serversTransport'>,
): Pool {
  const { endpoints, protocol, sticky, passHost, serverName, serversTransport } = resolved
  const found = serversTransport === undefined ? undefined : transportOf(namespace, serversTransport, sources)
  return {
    name: resolved.native ? `${name}-native` : name,
    members: [{ weight: 1, endpoints }],
    protocol,
    sticky,
    passHost,
    tls:
      protocol === 'https'
        ? { ...(found ?? { verify: true }), serverName: found?.serverName ?? serverName }
        : passHost
          ? undefined
          : { verify: true, serverName },
  }
}

/** By name, or as "namespace-name@kubernetescrd". A name that leads nowhere must not mean the usual verification. */
function transportOf(namespace: string, reference: string, sources: Pick<Sources, 'serversTransport'>): PoolTls {
  const plain = reference.replace(/@kubernetescrd$/, '')
  const short = plain.startsWith(`${namespace}-`) ? plain.slice(namespace.length + 1) : plain
  const found = sources.serversTransport(namespace, plain) ?? sources.serversTransport(namespace, short)
  if (found) return found
  throw new NoService('ServersTransportNotFound', `ServersTransport ${namespace}/${short} does not exist`)
}

function certificatesOf(ingress: Ingress, sources: Sources): Certificate[] {
  return (ingress.spec?.tls ?? []).flatMap(({ secretName }) =>
    secretName ? certificatesFrom(ingress, secretName, sources) : [],
  )
}
