/** status.loadBalancer of Ingresses: the addresses of the published Service. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Resource } from '../../../bootstrap/client/client.ts'
import { type Ingress, ingresses, type Service } from '../../../bootstrap/client/resources.ts'
import type { Settings } from '../settings.ts'
import type { StatusUpdate } from '../status-writer.ts'

interface Address {
  readonly ip?: string | undefined
  readonly hostname?: string | undefined
}

/** Statuses that differ from what the objects say. */
export function ingressStatuses(
  ours: readonly Ingress[],
  { ingress: settings }: Settings,
  service: (name: string | undefined) => Service | undefined,
): StatusUpdate[] {
  const { ip, hostname, publishedService } = settings
  if (ip === undefined && hostname === undefined && publishedService === undefined) return []
  const wanted =
    ip !== undefined || hostname !== undefined
      ? [{ ...(ip && { ip }), ...(hostname && { hostname }) }]
      : addressesOf(service(publishedService))
  if (wanted === undefined) return []
  const text = JSON.stringify(wanted)
  return ours
    .filter(({ status }) => JSON.stringify((status?.loadBalancer?.ingress ?? []).map(plain)) !== text)
    .map(object => ({
      resource: ingresses as unknown as Resource,
      object: object as unknown as KubeObject,
      status: { loadBalancer: wanted.length === 0 ? { ingress: null } : { ingress: wanted } },
    }))
}

const plain = ({ ip, hostname }: Address): Address => ({ ...(ip && { ip }), ...(hostname && { hostname }) })

/** Undefined when the Service is not there: what was published stays. */
export function addressesOf(service: Service | undefined): Address[] | undefined {
  if (!service) return undefined
  if (service.spec.type === 'LoadBalancer') return (service.status?.loadBalancer?.ingress ?? []).map(plain)
  if (service.spec.externalIPs?.length) return service.spec.externalIPs.map(ip => ({ ip }))
  return service.spec.type === 'ClusterIP' && service.spec.clusterIP && service.spec.clusterIP !== 'None'
    ? [{ ip: service.spec.clusterIP }]
    : []
}
