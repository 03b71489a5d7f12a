/** A Service's port as endpoints: which of its EndpointSlices' addresses get requests. */
import type { Endpoint as SliceEndpoint } from '../../../bootstrap/api/types.gen.ts'
import type { Informers } from '../../../bootstrap/client/informer.ts'
import { type EndpointSlice, endpointSlices, type Service, services } from '../../../bootstrap/client/resources.ts'
import type { Endpoint, Pool, Sticky } from './model.ts'

export interface ServiceRef {
  readonly namespace: string
  readonly name: string
  /** Number or name; undefined when the service has one port only. */
  readonly port: number | string | undefined
}

export interface Resolved {
  readonly service: Service
  readonly endpoints: readonly Endpoint[]
  readonly port: number
  /** Requests go to the service's address, not to its endpoints. */
  readonly native: boolean
  readonly protocol: Pool['protocol']
  readonly serverName: string | undefined
  readonly sticky: Sticky | undefined
  readonly passHost: boolean
  readonly serversTransport: string | undefined
}

export type NoServiceReason =
  | 'ServiceNotFound'
  | 'PortNotFound'
  | 'ExternalNameRefused'
  | 'InvalidAnnotation'
  | 'ServersTransportNotFound'
  | 'InvalidServersTransport'

/** Why a service cannot get requests; the message is one line for the user. */
export class NoService extends Error {
  readonly reason: NoServiceReason
  constructor(reason: NoServiceReason, message: string) {
    super(message)
    this.reason = reason
  }
}

export interface ResolveOptions {
  readonly allowExternalNames: boolean
  /** http, https or h2c; undefined to derive it from the service. */
  readonly scheme?: string | undefined
  /** Send requests to the service's cluster address instead of its endpoints. */
  readonly nativeLb?: boolean | undefined
}

export interface ServiceIndex {
  resolve(ref: ServiceRef, options: ResolveOptions): Resolved
  exists(namespace: string, name: string): boolean
}

const serviceLabel = 'kubernetes.io/service-name'

/** Services and EndpointSlices of shared informers, and how to look them up. */
export function serviceIndex(informers: Informers): ServiceIndex {
  const all = informers.get(services)
  const slices = informers.get(endpointSlices)
  slices.addIndex('service', ({ metadata }) => [`${metadata.namespace}/${metadata.labels?.[serviceLabel]}`])
  return {
    exists: (namespace, name) => all.get(`${namespace}/${name}`) !== undefined,
    resolve(ref, options) {
      const service = all.get(`${ref.namespace}/${ref.name}`)
      if (!service) throw new NoService('ServiceNotFound', `service ${ref.namespace}/${ref.name} does not exist`)
      const port = portOf(service, ref)
      const annotations = annotationsOf(service)
      const scheme = options.scheme ?? annotations.scheme ?? schemeOf(port)
      const native = options.nativeLb ?? annotations.nativeLb
      const rest = { service, port: port.port, native, protocol: protocolOf(scheme, service), ...annotations }
      if (service.spec.type === 'ExternalName') {
        const outside = external(service, port.port, options)
        const [, name, namespace] = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.|$)/.exec(outside.serverName) ?? []
        const inside = name === undefined ? undefined : all.get(`${namespace}/${name}`)
        // A name of the cluster's own: the machine's resolver does not know it.
        if (name !== undefined && namespace !== undefined && inside && inside.spec.type !== 'ExternalName')
          return { ...this.resolve({ namespace, name, port: port.port }, options), service, ...annotations }
        return { ...outside, ...rest }
      }
      const endpoints = native
        ? clusterAddress(service, port.port)
        : endpointsOf(slices.byIndex('service', `${ref.namespace}/${ref.name}`), port.name ?? '')
      return { endpoints, serverName: undefined, ...rest }
    },
  }
}

type ServicePort = NonNullable<Service['spec']['ports']>[number]

function portOf({ metadata, spec }: Service, { port }: ServiceRef): ServicePort {
  const ports = spec.ports ?? []
  const only = port === undefined && ports.length === 1 ? ports[0] : undefined
  const found = only ?? ports.find(item => (typeof port === 'number' ? item.port === port : item.name === port))
  if (found) return found
  // An external name needs no ports of its own.
  if (spec.type === 'ExternalName' && typeof port === 'number') return { port }
  const have = ports.map(item => (item.name ? `${item.name} (${item.port})` : item.port)).join(', ')
  throw new NoService(
    'PortNotFound',
    `service ${metadata.namespace}/${metadata.name} has no port ${port ?? ''}; it has ${have || 'none'}`,
  )
}

/** As Traefik decides: the port's appProtocol, else a port 443 or a name that begins with https. */
function schemeOf({ appProtocol, port, name }: ServicePort): string {
  if (appProtocol === 'kubernetes.io/h2c') return 'h2c'
  if (appProtocol === 'https' || appProtocol === 'kubernetes.io/wss') return 'https'
  if (appProtocol !== undefined && appProtocol !== '') return 'http'
  return port === 443 || name?.startsWith('https') ? 'https' : 'http'
}

function protocolOf(scheme: string, { metadata }: Service): Pool['protocol'] {
  if (scheme === 'http' || scheme === 'h2c' || scheme === 'https') return scheme
  throw new NoService(
    'InvalidAnnotation',
    `service ${metadata.namespace}/${metadata.name}: scheme "${scheme}" is none of http, https, h2c`,
  )
}

function external({ metadata, spec }: Service, port: number, { allowExternalNames }: ResolveOptions) {
  const name = spec.externalName ?? ''
  if (!allowExternalNames)
    throw new NoService(
      'ExternalNameRefused',
      `service ${metadata.namespace}/${metadata.name} is of type ExternalName; allowExternalNameServices is off`,
    )
  return { endpoints: [{ address: name, port, state: 'ready' as const }], serverName: name }
}

function clusterAddress({ spec }: Service, port: number): Endpoint[] {
  const address = spec.clusterIP
  return address && address !== 'None' ? [{ address, port, state: 'ready' }] : []
}

function endpointsOf(slices: readonly EndpointSlice[], portName: string): Endpoint[] {
  const all = slices.flatMap(slice => {
    if (slice.addressType === 'FQDN') return []
    const port = (slice.ports ?? []).find(item => (item.name ?? '') === portName)?.port
    if (port === undefined) return []
    return (slice.endpoints ?? []).flatMap(endpoint => endpointsAt(endpoint, port))
  })
  return [...new Map(all.map(endpoint => [`${endpoint.address} ${endpoint.port}`, endpoint])).values()]
}

/** An ending endpoint that still answers drains: it gets no new requests. */
function endpointsAt({ addresses, conditions }: SliceEndpoint, port: number): Endpoint[] {
  const ending = conditions?.terminating === true && conditions.serving === true
  if (conditions?.ready === false && !ending) return []
  const address = addresses[0]
  return address === undefined ? [] : [{ address, port, state: ending ? 'draining' : 'ready' }]
}

const prefix = 'traefik.ingress.kubernetes.io/service.'

function annotationsOf({ metadata }: Service) {
  const at = (name: string) => metadata.annotations?.[prefix + name]
  const cookie =
    at('sticky.cookie') === 'true' ||
    Object.keys(metadata.annotations ?? {}).some(
      key => key.startsWith(`${prefix}sticky.cookie.`) && at('sticky.cookie') !== 'false',
    )
  return {
    scheme: at('serversscheme') || undefined,
    nativeLb: at('nativelb') === 'true',
    passHost: at('passhostheader') !== 'false',
    serversTransport: at('serverstransport') || undefined,
    sticky: cookie
      ? stickyOf(`${metadata.namespace}-${metadata.name}`, {
          name: at('sticky.cookie.name'),
          secure: at('sticky.cookie.secure') === 'true',
          httpOnly: at('sticky.cookie.httponly') === 'true',
          sameSite: at('sticky.cookie.samesite'),
          maxAge: Number(at('sticky.cookie.maxage') ?? 0),
          path: at('sticky.cookie.path'),
          domain: at('sticky.cookie.domain'),
        })
      : undefined,
  }
}

/** The cookie of a service; a name is made up where none is given. */
export function stickyOf(
  service: string,
  given: Partial<Omit<Sticky, 'name'>> & { name?: string | undefined },
): Sticky {
  const { name, secure = false, httpOnly = false, sameSite, path, domain, maxAge } = given
  const sites: { readonly [key: string]: string } = { none: 'None', lax: 'Lax', strict: 'Strict' }
  return {
    name: name || `_${service.replace(/[^\w-]/g, '-').slice(0, 40)}`,
    secure,
    httpOnly,
    sameSite: sites[sameSite?.toLowerCase() ?? ''],
    path: path || '/',
    domain: domain || undefined,
    maxAge: maxAge || undefined,
  }
}
