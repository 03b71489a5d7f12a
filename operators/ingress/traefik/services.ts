/** What an IngressRoute sends requests to: services and TraefikServices, as one pool. */
import { poolOf } from '../ingress/translate.ts'
import type { Pool } from '../model/model.ts'
import { NoService, stickyOf } from '../model/pools.ts'
import { type Sources, Unusable } from '../sources.ts'
import type { ServiceReference, StickySpec, TraefikService } from './types.ts'

export interface ServiceSources extends Sources {
  traefikService(namespace: string, name: string): TraefikService | undefined
}

/** One pool of all references with their weights. Throws Unusable. */
export function poolOfServices(
  references: readonly ServiceReference[],
  namespace: string,
  sources: ServiceSources,
): Pool {
  if (references.length === 0) throw new Unusable('NoServices', 'a route has no services')
  const parts = references.flatMap(reference => flatten(reference, namespace, reference.weight ?? 1, sources, []))
  const [first] = parts
  if (parts.some(({ pool }) => pool.protocol !== first!.pool.protocol))
    throw new Unusable('UnsupportedService', 'the services of a route must have the same scheme')
  return {
    ...first!.pool,
    name: parts.map(({ pool }) => pool.name).join('+'),
    members: parts.flatMap(({ pool, weight }) =>
      pool.members.map(member => ({ ...member, weight: member.weight * weight })),
    ),
    sticky: parts.find(({ pool }) => pool.sticky)?.pool.sticky,
  }
}

interface Part {
  readonly pool: Pool
  readonly weight: number
}

function flatten(
  reference: ServiceReference,
  namespace: string,
  weight: number,
  sources: ServiceSources,
  seen: readonly string[],
): Part[] {
  const owner = reference.namespace ?? namespace
  if (owner !== namespace && !sources.settings.crd.allowCrossNamespace)
    throw new Unusable(
      'CrossNamespaceRefused',
      `service ${owner}/${reference.name} is in another namespace; allowCrossNamespace is off`,
    )
  if (reference.kind !== 'TraefikService') return [{ pool: pooled(reference, owner, sources), weight }]
  const key = `${owner}/${reference.name}`
  if (seen.includes(key)) throw new Unusable('InvalidService', `TraefikService ${key} is part of itself`)
  const service = sources.traefikService(owner, reference.name)
  if (!service) throw new Unusable('ServiceNotFound', `TraefikService ${key} does not exist`)
  const { weighted } = service.spec
  if (!weighted) throw new Unusable('UnsupportedService', `TraefikService ${key}: only weighted is supported here`)
  const children = weighted.services ?? []
  const parts = children.map(child => flatten(child, owner, child.weight ?? 1, sources, [...seen, key]))
  const sticky = stickyFrom(weighted.sticky, key)
  return parts
    .flat()
    .map(part => ({ weight: part.weight * weight, pool: sticky ? { ...part.pool, sticky } : part.pool }))
}

function pooled(reference: ServiceReference, namespace: string, sources: ServiceSources): Pool {
  const { name, port, scheme, nativeLB } = reference
  if (reference.middlewares?.length)
    throw new Unusable(
      'UnsupportedService',
      `service ${namespace}/${name}: middlewares of services are not supported here`,
    )
  try {
    const number = typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port
    const resolved = sources.services.resolve(
      { namespace, name, port: number },
      { allowExternalNames: sources.settings.crd.allowExternalNames, scheme, nativeLb: nativeLB },
    )
    const whole = {
      ...resolved,
      passHost: reference.passHostHeader ?? resolved.passHost,
      serversTransport: reference.serversTransport ?? resolved.serversTransport,
      sticky: stickyFrom(reference.sticky, `${namespace}-${name}`) ?? resolved.sticky,
    }
    return poolOf(`${namespace}-${name}-${resolved.port}`, namespace, whole, sources)
  } catch (error) {
    if (error instanceof NoService) throw new Unusable(error.reason, error.message)
    throw error
  }
}

function stickyFrom(spec: StickySpec | undefined, service: string) {
  return spec?.cookie ? stickyOf(service, spec.cookie) : undefined
}
