/**
 * The ports that load balancers hold on this node. A balancer is a pod that claims host ports in a service's name (K3s'
 * labels) and only waits; connections to these ports are the service table's business.
 */
import { isTerminal } from '../../../api/pods.ts'
import type { Clock } from '../../../client/clock.ts'
import type { Informer } from '../../../client/informer.ts'
import type { Pod } from '../../../client/resources.ts'
import { type HeldPorts, heldPort } from './rules.ts'

export interface Balancers {
  held(): HeldPorts
  /** Calls back when held() may have changed, until aborted. */
  follow(changed: () => void, signal: AbortSignal): void
  whenSynced(): Promise<void>
}

/** A balancer that is replaced, e.g. for a further port, goes before the next one comes; meanwhile its ports stay open. */
const lingerMs = 5000

/** `pods` are those of this node; only those of `namespace` count, anybody may set labels elsewhere. */
export function balancersAmong(pods: Informer<Pod>, namespace: string, clock: Clock): Balancers {
  /** Ports of balancers that have gone, and until when they are kept. */
  const leaving = new Map<string, number>()
  const held = () => portsOf(pods.list(namespace), leaving, namespace, clock.now())
  return {
    held,
    follow(changed, signal) {
      const gone = (ports: readonly string[]) => {
        for (const port of ports) leaving.set(port, clock.now() + lingerMs)
        if (ports.length > 0) void clock.sleep(lingerMs, signal).then(changed, () => undefined)
      }
      const stop = pods.subscribe({
        added: pod => heldBy(pod, namespace).length > 0 && changed(),
        updated(pod, old) {
          const [now, before] = [heldBy(pod, namespace), heldBy(old, namespace)]
          if (now.join() === before.join()) return
          gone(before.filter(port => !now.includes(port)))
          changed()
        },
        deleted(pod) {
          // Its last state says that it is being deleted, too.
          gone(claimedBy(pod, namespace))
          changed()
        },
      })
      signal.addEventListener('abort', stop)
    },
    whenSynced: () => pods.whenSynced(),
  }
}

function portsOf(
  pods: readonly Pod[],
  leaving: Map<string, number>,
  namespace: string,
  now: number,
): ReadonlySet<string> {
  const present = new Set(pods.flatMap(pod => heldBy(pod, namespace)))
  const taken = new Set([...present].map(numberOf))
  for (const [port, until] of leaving) {
    if (now >= until) leaving.delete(port)
    // The port may be another service's by now.
    else if (!taken.has(numberOf(port))) present.add(port)
  }
  return present
}

/** "ns/web 80/TCP" is the port 80/TCP. */
const numberOf = (port: string): string => port.slice(port.indexOf(' ') + 1)

function heldBy(pod: Pod, namespace: string): string[] {
  return pod.metadata.deletionTimestamp === undefined ? claimedBy(pod, namespace) : []
}

function claimedBy(pod: Pod, namespace: string): string[] {
  const { labels } = pod.metadata
  const service = labels?.['svccontroller.k3s.cattle.io/svcname']
  const home = labels?.['svccontroller.k3s.cattle.io/svcnamespace']
  if (!service || !home || pod.metadata.namespace !== namespace || !pod.spec.hostNetwork) return []
  if (isTerminal(pod) || pod.status?.phase !== 'Running') return []
  return pod.spec.containers
    .flatMap(container => container.ports ?? [])
    .flatMap(({ hostPort, protocol = 'TCP' }) => (hostPort ? [heldPort(`${home}/${service}`, hostPort, protocol)] : []))
}
