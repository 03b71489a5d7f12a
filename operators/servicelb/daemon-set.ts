/**
 * The DaemonSet of a load balancer (k3s-io/k3s pkg/cloudprovider): a container per port that holds it as a host port, so that
 * the scheduler knows it is taken. The containers only wait; connections go by the node's service table. That is why the
 * pods are on the host's network (no port mapping of their own) and need no capabilities.
 */
import type { Container, ServicePort, Toleration } from '../../bootstrap/api/types.gen.ts'
import type { DaemonSet, Service } from '../../bootstrap/client/resources.ts'
import { baseTolerations, type Placement, type Reserved } from './placement.ts'
import {
  balancerName,
  nodeSelectorLabel,
  priorityClass,
  protocolOf,
  serviceNameLabel,
  serviceNamespaceLabel,
} from './service.ts'

export interface BalancerOptions {
  /** Where the DaemonSets live: --servicelb-namespace. */
  readonly namespace: string
  /** Of the containers: a program that waits. */
  readonly image: string
  readonly reserved: readonly Reserved[]
}

export const accountName = 'svclb'
const defaultPriorityClass = 'system-node-critical'

export function balancerOf(
  service: Service,
  placement: Placement,
  added: readonly Toleration[],
  { namespace, image }: Pick<BalancerOptions, 'namespace' | 'image'>,
): DaemonSet {
  const name = balancerName(service)
  const ours = {
    [serviceNameLabel]: service.metadata.name ?? '',
    [serviceNamespaceLabel]: service.metadata.namespace ?? '',
  }
  const { nodeSelector } = placement
  const priorityClassName = priorityClass(service) ?? defaultPriorityClass
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace, labels: { [nodeSelectorLabel]: String(nodeSelector !== undefined), ...ours } },
    spec: {
      selector: { matchLabels: { app: name } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels: { app: name, ...ours } },
        spec: {
          hostNetwork: true,
          ...(priorityClassName === '' ? {} : { priorityClassName }),
          serviceAccountName: accountName,
          automountServiceAccountToken: false,
          tolerations: [...baseTolerations, ...added],
          ...(nodeSelector ? { nodeSelector } : {}),
          ...elsewhere(placement),
          containers: (service.spec.ports ?? []).map(port => containerOf(port, image)),
        },
      },
    },
  }
}

/** Keeps the pods off nodes whose ports belong to others: there they would only wait, and might be first when a pod moves. */
function elsewhere({ losses }: Placement) {
  const nodes = [...new Set(losses.map(({ node }) => node))].sort()
  if (nodes.length === 0) return {}
  const matchFields = nodes.map(node => ({ key: 'metadata.name', operator: 'NotIn', values: [node] }))
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } }
  return { affinity: { nodeAffinity } }
}

/** Without K3s' environment variables: what balances need not restart when source ranges or policies change. */
function containerOf(port: ServicePort, image: string): Container {
  const protocol = protocolOf(port)
  const name = `lb-${protocol.toLowerCase()}-${port.port}`
  return {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    ports: [{ name, containerPort: port.port, hostPort: port.port, protocol }],
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
  }
}
