/**
 * Which node balances which service. A port of a node belongs to one service: the oldest that may run there. So the outcome
 * does not depend on whose pod the scheduler saw first, and a port passes on when its owner goes.
 */
import { keyOf, type ObjectKey } from '../../bootstrap/api/object.ts'
import { selectsMap } from '../../bootstrap/api/selectors.ts'
import { untolerated } from '../../bootstrap/api/tolerations.ts'
import type { Toleration } from '../../bootstrap/api/types.gen.ts'
import type { Node, Service } from '../../bootstrap/client/resources.ts'
import { addedTolerations, enableLabel, poolLabel, protocolOf, wantsBalancer } from './service.ts'

/** A port that an older service has on a node this one could use. */
export interface Loss {
  /** e.g. "80/TCP" */
  readonly port: string
  /** In words: "the older service default/web". */
  readonly owner: string
  readonly node: string
}

export interface Placement {
  /** Undefined while no node is labelled for or against balancing. */
  readonly nodeSelector: { readonly [label: string]: string } | undefined
  readonly losses: readonly Loss[]
  /** Whether a node is left. */
  readonly possible: boolean
}

/** K3s' own, which every balancer has. */
export const baseTolerations: readonly Toleration[] = [
  { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'CriticalAddonsOnly', operator: 'Exists' },
]

/** What the DaemonSet controller adds: a node in trouble keeps its balancers. */
const daemonKeys = new Set(
  ['not-ready', 'unreachable', 'disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable'].map(
    name => `node.kubernetes.io/${name}`,
  ),
).add('node.kubernetes.io/network-unavailable')

/** Ports that no service may have, because the cluster would end with them, e.g. "6443/TCP"; on all nodes or on servers. */
export interface Reserved {
  readonly port: string
  readonly owner: string
  readonly serversOnly: boolean
}

const serverLabel = 'node-role.kubernetes.io/control-plane'

/** The placement of each load balancer among `services`. */
export function placements(
  services: readonly Service[],
  nodes: readonly Node[],
  reserved: readonly Reserved[],
): ReadonlyMap<ObjectKey, Placement> {
  const selective = nodes.some(node => node.metadata.labels?.[enableLabel] !== undefined)
  const owners = new Map<string, string>()
  for (const { metadata } of nodes)
    for (const { port, owner, serversOnly } of reserved)
      if (!serversOnly || metadata.labels?.[serverLabel] !== undefined) owners.set(`${metadata.name} ${port}`, owner)
  const nodePorts = nodePortsOf(services)
  const found = new Map<ObjectKey, Placement>()
  for (const service of services.filter(wantsBalancer).sort(byAge)) {
    const nodeSelector = selective ? selectorOf(service) : undefined
    const eligible = nodes.filter(node => fits(service, nodeSelector, node)).map(node => node.metadata.name ?? '')
    const ownerOf = (node: string, port: string) => {
      const holder = nodePorts.get(port)
      if (holder !== undefined && holder !== keyOf(service)) return `the node port of service ${holder}`
      return owners.get(`${node} ${port}`)
    }
    const { won, ...placement } = claim(service, nodeSelector, eligible, ownerOf)
    for (const place of won) owners.set(place, `the older service ${keyOf(service)}`)
    found.set(keyOf(service), placement)
  }
  return found
}

/** Node ports answer on every node, and before load balancers do: "31000/TCP" to the service that has it. */
function nodePortsOf(services: readonly Service[]): ReadonlyMap<string, ObjectKey> {
  const ports = services.flatMap(service =>
    (service.spec.ports ?? []).flatMap(port =>
      port.nodePort ? [[`${port.nodePort}/${protocolOf(port)}`, keyOf(service)] as const] : [],
    ),
  )
  return new Map(ports)
}

/** The service gets its ports on each node where all of them are free; `won` names them, e.g. "node-a 80/TCP". */
function claim(
  service: Service,
  nodeSelector: Placement['nodeSelector'],
  eligible: readonly string[],
  ownerOf: (node: string, port: string) => string | undefined,
): Placement & { readonly won: readonly string[] } {
  const ports = [...new Set((service.spec.ports ?? []).map(port => `${port.port}/${protocolOf(port)}`))]
  const losses: Loss[] = []
  const won: string[] = []
  for (const node of eligible) {
    const lost = ports.flatMap(port => {
      const owner = ownerOf(node, port)
      return owner === undefined ? [] : [{ port, owner, node }]
    })
    losses.push(...lost)
    if (lost.length === 0) won.push(...ports.map(port => `${node} ${port}`))
  }
  return { nodeSelector, losses, possible: won.length > 0, won }
}

function byAge({ metadata: a }: Service, { metadata: b }: Service): number {
  const [mine, other] = [`${a.creationTimestamp} ${a.uid}`, `${b.creationTimestamp} ${b.uid}`]
  return mine < other ? -1 : 1
}

function selectorOf({ metadata }: Service): { readonly [label: string]: string } {
  const pool = metadata.labels?.[poolLabel]
  return { [enableLabel]: 'true', ...(pool ? { [poolLabel]: pool } : {}) }
}

function fits(service: Service, nodeSelector: Placement['nodeSelector'], node: Node): boolean {
  if (!selectsMap(nodeSelector ?? {}, node.metadata.labels)) return false
  const taints = (node.spec.taints ?? []).filter(({ key }) => !daemonKeys.has(key))
  return untolerated(taints, tolerationsOf(service), ['NoSchedule', 'NoExecute']) === undefined
}

/** Tolerations nobody can read count for nothing here; the service hears of them when it is reconciled. */
function tolerationsOf(service: Service): readonly Toleration[] {
  try {
    return [...baseTolerations, ...addedTolerations(service)]
  } catch {
    return baseTolerations
  }
}
