/** The cluster as the DNS server sees it, straight from shared informers. */
import type { Endpoint } from '../../bootstrap/api/types.gen.ts'
import type { Informers } from '../../bootstrap/client/informer.ts'
import {
  type EndpointSlice,
  endpointSlices,
  namespaces,
  pods,
  type Service,
  services,
} from '../../bootstrap/client/resources.ts'
import type { ClusterView, Member, NamedPort, ServiceView } from './records.ts'

const serviceLabel = 'kubernetes.io/service-name'

export class InformerView implements ClusterView {
  readonly #informers: Informers
  readonly #verifyPods: boolean

  /** Pods are only watched when their names are to be verified. */
  constructor(informers: Informers, verifyPods: boolean) {
    this.#informers = informers
    this.#verifyPods = verifyPods
    informers.get(services).addIndex('ip', service => (service.spec.clusterIPs ?? []).filter(ip => ip !== 'None'))
    informers
      .get(endpointSlices)
      .addIndex('service', slice => [`${slice.metadata.namespace}/${slice.metadata.labels?.[serviceLabel]}`])
    informers
      .get(endpointSlices)
      .addIndex('ip', slice => (slice.endpoints ?? []).flatMap(endpoint => endpoint.addresses))
    informers.get(namespaces)
    if (verifyPods)
      informers
        .get(pods)
        .addIndex('ip', pod => (pod.status?.podIPs ?? []).map(({ ip }) => `${pod.metadata.namespace}/${ip}`))
  }

  async whenSynced(): Promise<void> {
    const all = [services, endpointSlices, namespaces, ...(this.#verifyPods ? [pods] : [])]
    await Promise.all(all.map(resource => this.#informers.get(resource as typeof services).whenSynced()))
  }

  service(namespace: string, name: string): ServiceView | undefined {
    const service = this.#informers.get(services).get(`${namespace}/${name}`)
    return service && viewOf(service, () => this.#members(namespace, name))
  }

  hasNamespace(namespace: string): boolean {
    return this.#informers.get(namespaces).get(namespace) !== undefined
  }

  hasPod(namespace: string, ip: string): boolean {
    return this.#verifyPods && this.#informers.get(pods).byIndex('ip', `${namespace}/${ip}`).length > 0
  }

  namesOf(ip: string): readonly string[] {
    const own = this.#informers
      .get(services)
      .byIndex('ip', ip)
      .map(({ metadata }) => `${metadata.name}.${metadata.namespace}.svc`)
    if (own.length > 0) return own
    return this.#informers
      .get(endpointSlices)
      .byIndex('ip', ip)
      .flatMap(slice => reverseNames(slice, ip))
  }

  #members(namespace: string, name: string): Member[] {
    const slices = this.#informers.get(endpointSlices).byIndex('service', `${namespace}/${name}`)
    return slices.flatMap(membersOf)
  }
}

function viewOf({ metadata, spec }: Service, members: () => readonly Member[]): ServiceView {
  const headless = spec.clusterIP === 'None'
  return {
    name: metadata.name!,
    namespace: metadata.namespace!,
    kind: spec.type === 'ExternalName' ? 'external' : headless ? 'headless' : 'cluster',
    clusterIps: headless ? [] : (spec.clusterIPs ?? []),
    externalName: spec.externalName ? `${spec.externalName.replace(/\.$/, '')}.` : '',
    ports: (spec.ports ?? []).map(port => ({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: port.port,
    })),
    members,
  }
}

const isReady = (endpoint: Endpoint): boolean => endpoint.conditions?.ready !== false
const hostOf = (endpoint: Endpoint, ip: string): string => endpoint.hostname || ip.replace(/[.:]/g, '-')

function membersOf(slice: EndpointSlice): Member[] {
  const ports: NamedPort[] = (slice.ports ?? []).map(port => ({
    name: port.name ?? '',
    protocol: port.protocol ?? 'TCP',
    port: port.port ?? 0,
  }))
  return (slice.endpoints ?? [])
    .filter(isReady)
    .flatMap(endpoint => endpoint.addresses.map(ip => ({ ip, host: hostOf(endpoint, ip), ports })))
}

/** An endpoint has a name of its own when the service gives it a hostname. */
function reverseNames(slice: EndpointSlice, ip: string): string[] {
  const service = slice.metadata.labels?.[serviceLabel]
  if (service === undefined) return []
  return (slice.endpoints ?? [])
    .filter(endpoint => endpoint.addresses.includes(ip) && isReady(endpoint))
    .map(endpoint => `${hostOf(endpoint, ip)}.${service}.${slice.metadata.namespace}.svc`)
}
