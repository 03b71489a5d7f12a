/**
 * The ports that load balancers hold on this node. A balancer is a pod that claims host ports in a service's name (K3s'
 * labels) and only waits; connections to these ports are the service table's business.
 */
import { isTerminal } from '../../../api/pods.ts'
import type { Informer } from '../../../client/informer.ts'
import type { Pod } from '../../../client/resources.ts'
import { type HeldPorts, heldPort } from './rules.ts'

export interface Balancers {
  held(): HeldPorts
  /** Calls back when held() may have changed; returns the unsubscriber. */
  subscribe(changed: () => void): () => void
  whenSynced(): Promise<void>
}

/** `pods` are those of this node; only those of `namespace` count, anybody may set labels elsewhere. */
export function balancersAmong(pods: Informer<Pod>, namespace: string): Balancers {
  const ports = (pod: Pod) => portsHeldBy(pod, namespace)
  return {
    held: () => new Set(pods.list(namespace).flatMap(ports)),
    subscribe: changed =>
      pods.subscribe({
        added: pod => ports(pod).length > 0 && changed(),
        updated: (pod, old) => ports(pod).join() !== ports(old).join() && changed(),
        deleted: pod => ports(pod).length > 0 && changed(),
      }),
    whenSynced: () => pods.whenSynced(),
  }
}

function portsHeldBy(pod: Pod, namespace: string): string[] {
  const { labels, deletionTimestamp } = pod.metadata
  const service = labels?.['svccontroller.k3s.cattle.io/svcname']
  const home = labels?.['svccontroller.k3s.cattle.io/svcnamespace']
  if (!service || !home || pod.metadata.namespace !== namespace || !pod.spec.hostNetwork) return []
  if (deletionTimestamp !== undefined || isTerminal(pod) || pod.status?.phase !== 'Running') return []
  return pod.spec.containers
    .flatMap(container => container.ports ?? [])
    .flatMap(({ hostPort, protocol = 'TCP' }) => (hostPort ? [heldPort(`${home}/${service}`, hostPort, protocol)] : []))
}
