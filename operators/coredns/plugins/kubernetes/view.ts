/** The cluster as the DNS server sees it, straight from shared informers. */
import type { Endpoint } from '../../../../bootstrap/api/types.gen.ts'
import type { Informer, Informers } from '../../../../bootstrap/client/informer.ts'
import {
  type EndpointSlice,
  endpointSlices,
  type Namespace,
  namespaces,
  type Pod,
  pods,
  type Service,
  services,
} from '../../../../bootstrap/client/resources.ts'
import { normalAddress } from '../../wire/records.ts'
import type { KubernetesConfig } from './config.ts'
import type { ClusterView, Member, NamedPort, ServiceView } from './lookup.ts'

const serviceLabel = 'kubernetes.io/service-name'
/** A service without ports has this one: it makes addresses, and no SRV records. */
const noPort: NamedPort = { name: '', protocol: '', port: -1 }

export class InformerView implements ClusterView {
  readonly #config: KubernetesConfig
  readonly #services: Informer<Service>
  readonly #slices: Informer<EndpointSlice> | undefined
  readonly #namespaces: Informer<Namespace>
  /** Pods are only watched when their names are to be verified. */
  readonly #pods: Informer<Pod> | undefined

  constructor(informers: Informers, config: KubernetesConfig) {
    const selected = config.labels === undefined ? undefined : { labelSelector: config.labels }
    this.#config = config
    this.#services = informers.get(services, selected)
    this.#slices = config.endpoints ? informers.get(endpointSlices, selected) : undefined
    this.#namespaces = informers.get(
      namespaces,
      config.namespaceLabels === undefined ? undefined : { labelSelector: config.namespaceLabels },
    )
    this.#pods = config.pods === 'verified' ? informers.get(pods, selected) : undefined
    this.#services.addIndex('ip', service => clusterIps(service).map(normalAddress))
    this.#slices?.addIndex('service', slice => [`${slice.metadata.namespace}/${slice.metadata.labels?.[serviceLabel]}`])
    this.#slices?.addIndex('ip', slice =>
      readyEndpoints(slice).flatMap(endpoint => endpoint.addresses.map(normalAddress)),
    )
    this.#pods?.addIndex('ip', pod => livePodIps(pod).map(ip => `${pod.metadata.namespace}/${normalAddress(ip)}`))
  }

  #all(): (Informer<Service> | Informer<EndpointSlice> | Informer<Namespace> | Informer<Pod>)[] {
    return [
      this.#services,
      this.#namespaces,
      ...(this.#slices ? [this.#slices] : []),
      ...(this.#pods ? [this.#pods] : []),
    ]
  }

  get synced(): boolean {
    return this.#all().every(informer => informer.synced)
  }

  async whenSynced(): Promise<void> {
    await Promise.all(this.#all().map(informer => informer.whenSynced()))
  }

  /** Calls back on every change that can change an answer. Returns the unsubscriber. */
  onChange(changed: () => void): () => void {
    const always = { added: changed, updated: changed, deleted: changed }
    const stops = [
      this.#services.subscribe(always),
      this.#slices?.subscribe(always),
      this.#namespaces.subscribe({ added: changed, deleted: changed }),
      this.#pods?.subscribe({
        added: changed,
        deleted: changed,
        updated: (pod, old) => void (livePodIps(pod).join() !== livePodIps(old).join() && changed()),
      }),
    ]
    return () => {
      for (const stop of stops) stop?.()
    }
  }

  service(namespace: string, name: string): ServiceView | undefined {
    const service = this.#services.get(`${namespace}/${name}`)
    return service && viewOf(service, () => this.#members(namespace, name))
  }

  exposes(namespace: string): boolean {
    const { namespaces: listed } = this.#config
    return (listed.size === 0 || listed.has(namespace)) && this.#namespaces.get(namespace) !== undefined
  }

  hasPod(namespace: string, ip: string): boolean {
    return (this.#pods?.byIndex('ip', `${namespace}/${normalAddress(ip)}`).length ?? 0) > 0
  }

  namesOf(ip: string): readonly string[] {
    const exposed = ({ metadata }: { metadata: { namespace?: string | undefined } }) =>
      this.#config.namespaces.size === 0 || this.exposes(metadata.namespace!)
    const own = this.#services.byIndex('ip', ip).filter(exposed)
    if (own[0]) return [`${own[0].metadata.name}.${own[0].metadata.namespace}.svc`]
    const slices = this.#slices?.byIndex('ip', ip).filter(exposed) ?? []
    return slices.flatMap(slice => this.#reverseNames(slice, ip))
  }

  /** The services that have an endpoint at one of our own addresses. */
  servicesAt(addresses: readonly string[]): readonly ServiceView[] {
    const slices = addresses.flatMap(ip => this.#slices?.byIndex('ip', normalAddress(ip)) ?? [])
    const keys = new Set(slices.map(slice => `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceLabel]}`))
    return [...keys].flatMap(key => this.service(...(key.split('/') as [string, string])) ?? [])
  }

  #members(namespace: string, name: string): Member[] {
    const slices = this.#slices?.byIndex('service', `${namespace}/${name}`) ?? []
    return slices.flatMap(slice => this.#membersOf(slice))
  }

  #membersOf(slice: EndpointSlice): Member[] {
    const ports: NamedPort[] = (slice.ports ?? []).map(port => ({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: port.port ?? 0,
    }))
    return readyEndpoints(slice).flatMap(endpoint =>
      endpoint.addresses.map(ip => ({
        ip,
        host: this.#hostOf(endpoint, ip),
        ports: ports.length > 0 ? ports : [noPort],
      })),
    )
  }

  #reverseNames(slice: EndpointSlice, ip: string): string[] {
    const service = slice.metadata.labels?.[serviceLabel]
    if (service === undefined) return []
    return readyEndpoints(slice)
      .filter(endpoint => endpoint.addresses.some(address => normalAddress(address) === ip))
      .map(endpoint => `${this.#hostOf(endpoint, ip)}.${service}.${slice.metadata.namespace}.svc`)
  }

  /** Its hostname, else its pod's name if that is wanted, else its address with dashes. */
  #hostOf(endpoint: Endpoint, ip: string): string {
    if (endpoint.hostname) return endpoint.hostname
    if (this.#config.podNames && endpoint.targetRef?.name) return endpoint.targetRef.name
    const dashed = ip.replace(/[.:]/g, '-')
    return dashed.endsWith('-') ? `${dashed}0` : dashed
  }
}

const clusterIps = ({ spec }: Service): string[] =>
  (spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])).filter(ip => ip !== 'None')

const readyEndpoints = (slice: EndpointSlice): Endpoint[] =>
  (slice.endpoints ?? []).filter(endpoint => endpoint.conditions?.ready !== false)

/** A pod that has ended has given its address back. */
function livePodIps({ status }: Pod): string[] {
  if (['Succeeded', 'Failed', 'Unknown'].includes(status?.phase ?? '')) return []
  return (status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []))
}

function viewOf(service: Service, members: () => readonly Member[]): ServiceView {
  const { metadata, spec } = service
  const headless = spec.clusterIP === 'None'
  const ports = (spec.ports ?? []).map(port => ({
    name: port.name ?? '',
    protocol: port.protocol ?? 'TCP',
    port: port.port,
  }))
  return {
    name: metadata.name!,
    namespace: metadata.namespace!,
    kind: spec.type === 'ExternalName' ? 'external' : headless ? 'headless' : 'cluster',
    clusterIps: clusterIps(service),
    externalName: spec.externalName ?? '',
    ports: ports.length > 0 ? ports : [noPort],
    members,
  }
}
