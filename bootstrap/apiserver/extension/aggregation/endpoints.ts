/** Where the Service of an APIService can be reached, and what is wrong when it cannot (upstream: kube-aggregator pkg/controllers/status/remote). */
import type { KubeObject } from '../../../api/object.ts'
import type { EndpointSlice, Service } from '../../../api/types.gen.ts'
import type { ObjectReader } from '../../admission/plugin.ts'
import type { ResourceStore } from '../../store/store.ts'
import type { RemoteService } from './services.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export type Reachable =
  | { readonly at: readonly Address[] }
  /** The reason and message of the Available condition. */
  | { readonly reason: string; readonly message: string }

export interface EndpointParts {
  readonly reader: ObjectReader
  readonly slices: ResourceStore
}

const serviceLabel = 'kubernetes.io/service-name'

/** All ready addresses behind the port of a Service that an APIService or a webhook names. */
export function reachable(
  parts: EndpointParts,
  { service: { namespace, name, port } }: Pick<RemoteService, 'service'>,
): Reachable {
  const quoted = `service/${name} in ${JSON.stringify(namespace)}`
  const service = parts.reader.get('', 'services', namespace, name) as unknown as Service | undefined
  if (!service) return { reason: 'ServiceNotFound', message: `${quoted} is not present` }
  if (service.spec?.type === 'ExternalName') return { at: [{ host: service.spec.externalName ?? '', port }] }
  const wanted = service.spec?.ports?.find(candidate => candidate.port === port)
  if (!wanted) return { reason: 'ServicePortError', message: `${quoted} is not listening on port ${port}` }
  const slices = [...parts.slices.all(namespace)].filter(stored => stored.labels[serviceLabel] === name)
  if (slices.length === 0) return { reason: 'EndpointsNotFound', message: `cannot find endpointslices for ${quoted}` }
  const portName = wanted.name ?? ''
  const at = slices.flatMap(stored => addressesOf(stored.object, portName))
  if (at.length > 0) return { at }
  const message = `endpointslices for ${quoted} have no addresses with port name ${JSON.stringify(portName)}`
  return { reason: 'MissingEndpoints', message }
}

function addressesOf(object: KubeObject, portName: string): Address[] {
  const slice = object as unknown as EndpointSlice
  const port = slice.ports?.find(candidate => (candidate.name ?? '') === portName)?.port
  if (port === undefined) return []
  const ready = (slice.endpoints ?? []).filter(endpoint => endpoint.conditions?.ready !== false)
  return ready.flatMap(endpoint => endpoint.addresses.map(host => ({ host, port })))
}
