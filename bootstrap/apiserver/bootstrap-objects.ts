/** Objects every cluster starts with: the system namespaces and the Service of the API server itself. */
import { isAlreadyExists, isConflict, isNotFound } from '../api/errors.ts'
import type { KubeObject } from '../api/object.ts'
import { draftOf } from '../api/object.ts'
import type { Client, Resource } from '../client/client.ts'
import { same } from './kinds/common/defaulting.ts'
import type { PeerAddress } from './peers/master-leases.ts'

const namespaces: Resource = { group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace', namespaced: false }
const services: Resource = { group: '', version: 'v1', resource: 'services', kind: 'Service', namespaced: true }
const endpoints: Resource = { group: '', version: 'v1', resource: 'endpoints', kind: 'Endpoints', namespaced: true }
const slices: Resource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  resource: 'endpointslices',
  kind: 'EndpointSlice',
  namespaced: true,
}

export const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'] as const

export interface BootstrapOptions {
  /** Cluster IP of the Service default/kubernetes: the first address of the service CIDR. */
  readonly serviceAddress: string
  /** Port of the Service, 443. */
  readonly servicePort: number
  /** Where API servers can be reached; at least one. */
  readonly servers: readonly PeerAddress[]
}

const attempts = 5

/** Creates what is missing and corrects where the API servers are. Safe to repeat, on every server. */
export async function bootstrapObjects(client: Client, options: BootstrapOptions): Promise<void> {
  for (const name of systemNamespaces) {
    await ensure(client, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  }
  await ensure(client, services, kubernetesService(options))
  await publish(client, endpoints, kubernetesEndpoints(options), ['subsets'])
  await publish(client, slices, kubernetesSlice(options), ['endpoints', 'ports', 'addressType'])
}

async function ensure(client: Client, resource: Resource, object: KubeObject): Promise<void> {
  const { name = '', namespace } = object.metadata
  try {
    await client.get(resource, { name, namespace })
  } catch (error) {
    if (!isNotFound(error)) throw error
    await client.create(resource, object).catch(async refused => {
      // Another server may be making it: what it needs is taken before it is there.
      if (isAlreadyExists(refused)) return
      await client.get(resource, { name, namespace }).catch(() => Promise.reject(refused))
    })
  }
}

async function publish(
  client: Client,
  resource: Resource,
  object: KubeObject,
  fields: readonly string[],
): Promise<void> {
  const { name = '', namespace } = object.metadata
  for (let attempt = 1; ; attempt++) {
    await ensure(client, resource, object)
    try {
      const current = await client.get(resource, { name, namespace })
      if (fields.every(field => same(current[field], object[field]))) return
      const draft = draftOf(current)
      for (const field of fields) (draft as { [field: string]: unknown })[field] = object[field]
      await client.update(resource, draft as KubeObject)
      return
    } catch (error) {
      // Another server is at it, too.
      if (attempt === attempts || !(isConflict(error) || isNotFound(error))) throw error
    }
  }
}

const labels = { component: 'apiserver', provider: 'kubernetes' }

function kubernetesService({ serviceAddress, servicePort, servers }: BootstrapOptions): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels },
    spec: {
      type: 'ClusterIP',
      clusterIP: serviceAddress,
      clusterIPs: [serviceAddress],
      ports: [{ name: 'https', protocol: 'TCP', port: servicePort, targetPort: servers[0]!.port }],
      sessionAffinity: 'None',
    },
  }
}

function kubernetesEndpoints({ servers }: BootstrapOptions): KubeObject {
  const ports = [...new Set(servers.map(({ port }) => port))]
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      name: 'kubernetes',
      namespace: 'default',
      labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' },
    },
    subsets: ports.map(port => ({
      addresses: servers.filter(server => server.port === port).map(({ ip }) => ({ ip })),
      ports: [{ name: 'https', port, protocol: 'TCP' }],
    })),
  }
}

/** A slice has one port for all: that of the first server. */
function kubernetesSlice({ servers }: BootstrapOptions): KubeObject {
  const [first] = servers
  const family = (ip: string) => (ip.includes(':') ? 'IPv6' : 'IPv4')
  const alike = servers.filter(({ ip, port }) => family(ip) === family(first!.ip) && port === first!.port)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: family(first!.ip),
    endpoints: alike.map(({ ip }) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: 'https', port: first!.port, protocol: 'TCP' }],
  }
}
