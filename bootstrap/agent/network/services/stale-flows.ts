/** UDP has no end of connection: flows that a change of the rules makes wrong must be forgotten by hand. Pure. */
import type { ServiceRule } from './rules.ts'

/** Options of `conntrack -D -p udp`, one list per deletion, for the change from `before` to `after`. */
export function staleFlows(
  before: readonly ServiceRule[],
  after: readonly ServiceRule[],
  nodeIps: readonly string[],
): string[][] {
  const old = new Map(before.map(rule => [rule.id, rule]))
  const now = new Map(after.map(rule => [rule.id, rule]))
  return [
    ...before.filter(isUdp).flatMap(rule => towardsGone(rule, now.get(rule.id))),
    ...after.filter(isUdp).flatMap(rule => pastBalancer(old.get(rule.id), rule, nodeIps)),
  ]
}

const isUdp = ({ protocol }: ServiceRule): boolean => protocol === 'udp'

/** Flows to endpoints that are gone. */
function towardsGone(rule: ServiceRule, now: ServiceRule | undefined): string[][] {
  const left = new Set(now?.endpoints.map(({ ip }) => ip))
  const gone = [...new Set(rule.endpoints.map(({ ip }) => ip))].filter(ip => !left.has(ip))
  const ways = [
    ...addresses(rule).map(ip => ['--orig-dst', ip]),
    ...nodePorts(rule).map(port => ['--orig-port-dst', port]),
  ]
  return gone.flatMap(target => ways.map(way => [...way, '--dst-nat', target]))
}

/** Flows from before there was an endpoint, or a rule: the kernel still knows them as refused, or as the node's own. */
function pastBalancer(was: ServiceRule | undefined, rule: ServiceRule, nodeIps: readonly string[]): string[][] {
  if (rule.endpoints.length === 0) return []
  const doors = (each: ServiceRule) => [
    ...addresses(each).map(ip => `${ip} ${each.port}`),
    ...nodePorts(each).flatMap(port => nodeIps.map(ip => `${ip} ${port}`)),
  ]
  const open = new Set(was && was.endpoints.length > 0 ? doors(was) : [])
  return doors(rule)
    .filter(door => !open.has(door))
    .map(door => door.split(' '))
    .map(([ip = '', port = '']) => ['--orig-dst', ip, '--orig-port-dst', port])
}

const addresses = ({ clusterIps, externalIps, loadBalancerIps }: ServiceRule): string[] => [
  ...new Set([...clusterIps, ...externalIps, ...loadBalancerIps]),
]

/** Ports that all of the node's addresses answer at. */
const nodePorts = ({ nodePort, heldHere, port }: ServiceRule): string[] =>
  [nodePort, heldHere ? port : undefined].filter(each => each !== undefined).map(String)
