/** Objects every cluster starts with: the system namespaces and the Service of the API server itself. */
import { isAlreadyExists, isNotFound } from '../api/errors.ts'
import type { KubeObject } from '../api/object.ts'
import { draftOf } from '../api/object.ts'
import type { Client, Resource } from '../client/client.ts'
import { same } from './kinds/common/defaulting.ts'

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
  /** Where API servers can be reached. */
  readonly advertiseAddresses: readonly string[]
  readonly securePort: number
}

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
    await client.create(resource, object).catch(ignoreExisting)
  }
}

function ignoreExisting(error: unknown): void {
  if (!isAlreadyExists(error)) throw error
}

async function publish(
  client: Client,
  resource: Resource,
  object: KubeObject,
  fields: readonly string[],
): Promise<void> {
  await ensure(client, resource, object)
  const { name = '', namespace } = object.metadata
  const current = await client.get(resource, { name, namespace })
  if (fields.every(field => same(current[field], object[field]))) return
  const draft = draftOf(current)
  for (const field of fields) (draft as { [field: string]: unknown })[field] = object[field]
  await client.update(resource, draft as KubeObject)
}

const labels = { component: 'apiserver', provider: 'kubernetes' }

function kubernetesService({ serviceAddress, servicePort, securePort }: BootstrapOptions): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels },
    spec: {
      type: 'ClusterIP',
      clusterIP: serviceAddress,
      clusterIPs: [serviceAddress],
      ports: [{ name: 'https', protocol: 'TCP', port: servicePort, targetPort: securePort }],
      sessionAffinity: 'None',
    },
  }
}

function kubernetesEndpoints({ advertiseAddresses, securePort }: BootstrapOptions): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      name: 'kubernetes',
      namespace: 'default',
      labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' },
    },
    subsets: [
      {
        addresses: advertiseAddresses.map(ip => ({ ip })),
        ports: [{ name: 'https', port: securePort, protocol: 'TCP' }],
      },
    ],
  }
}

function kubernetesSlice({ advertiseAddresses, securePort }: BootstrapOptions): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: advertiseAddresses[0]?.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: advertiseAddresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port: securePort, protocol: 'TCP' }],
  }
}
