/** What ServiceLB reads from a Service: whether it is ours, and the labels and annotations its users set (K3s' names). */
import { isIP } from 'node:net'
import type { ObjectKey } from '../../bootstrap/api/object.ts'
import type { ServicePort, Toleration } from '../../bootstrap/api/types.gen.ts'
import { parseYaml } from '../../bootstrap/api/yaml.ts'
import type { Service } from '../../bootstrap/client/resources.ts'

const prefix = 'svccontroller.k3s.cattle.io'
export const serviceNameLabel = `${prefix}/svcname`
export const serviceNamespaceLabel = `${prefix}/svcnamespace`
/** On our DaemonSets: whether they select nodes. */
export const nodeSelectorLabel = `${prefix}/nodeselector`
/** On nodes: as soon as one has it, only those with the value "true" balance. */
export const enableLabel = `${prefix}/enablelb`
/** On nodes and services: a service balances on the nodes of its pool. */
export const poolLabel = `${prefix}/lbpool`
export const priorityAnnotation = `${prefix}/priorityclassname`
export const tolerationsAnnotation = `${prefix}/tolerations`
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges'
/** Upstream's, held until our DaemonSet is gone. */
export const cleanupFinalizer = 'service.kubernetes.io/load-balancer-cleanup'
/** K3s' before 1.25; nobody else would ever remove it. */
export const oldFinalizer = `${prefix}/daemonset`

/** A load balancer of the default class that is not on its way out. */
export function wantsBalancer({ metadata, spec }: Service): boolean {
  return spec.type === 'LoadBalancer' && !spec.loadBalancerClass && metadata.deletionTimestamp === undefined
}

export function isLocal({ spec }: Service): boolean {
  return spec.externalTrafficPolicy === 'Local'
}

export const protocolOf = ({ protocol }: ServicePort): string => protocol ?? 'TCP'

/** `svclb-<name>-<start of uid>`; a long name is cut to 48 characters and never ends in a hyphen there. */
export function balancerName({ metadata: { name = '', uid = '' } }: Service): string {
  return `svclb-${name.length > 48 ? name.slice(0, 48).replace(/-+$/, '') : name}-${uid.slice(0, 8)}`
}

/** What is wrong with the annotation for source ranges, which the API does not check; it counts where the field is empty. */
export function sourceRangesProblem({ metadata, spec }: Service): string | undefined {
  const text = spec.loadBalancerSourceRanges?.length ? undefined : metadata.annotations?.[sourceRangesAnnotation]
  const ranges = (text ?? '').split(',').map(range => range.trim())
  if (ranges.every(range => range === '' || isNetwork(range))) return undefined
  return `${sourceRangesAnnotation}: ${text} is not valid. Expecting a comma-separated list of source IP ranges. For example, 10.0.0.0/24,192.168.2.0/24`
}

function isNetwork(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/')
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  return rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most
}

/** undefined: the service says nothing; empty: it wants none. */
export function priorityClass({ metadata }: Service): string | undefined {
  return metadata.annotations?.[priorityAnnotation]
}

/** The tolerations a service adds, a JSON or YAML list. Throws with what is wrong with them. */
export function addedTolerations({ metadata }: Service): readonly Toleration[] {
  const text = metadata.annotations?.[tolerationsAnnotation]
  if (text === undefined) return []
  const list = parsedTolerations(text)
  list.forEach((toleration, index) => {
    const problem = tolerationProblem(toleration)
    if (problem !== undefined) throw new Error(`validation failed for toleration ${index}: ${problem}`)
  })
  return list.map(toleration => ({ ...toleration, operator: toleration.operator || 'Equal' }))
}

function parsedTolerations(text: string): readonly Toleration[] {
  const failed = (why: string) =>
    new Error(`failed to parse tolerations from annotation ${tolerationsAnnotation}: ${why}`)
  let value: unknown
  try {
    value = parseYaml(text)
  } catch (error) {
    throw failed((error as Error).message)
  }
  if (value === null || value === undefined) return []
  const isObject = (entry: unknown) => typeof entry === 'object' && entry !== null && !Array.isArray(entry)
  if (!Array.isArray(value) || !value.every(isObject)) throw failed('want a list of tolerations')
  return value as readonly Toleration[]
}

function tolerationProblem({ key, operator, value }: Toleration): string | undefined {
  if (!key && operator !== 'Exists') return "toleration with empty key must have operator 'Exists'"
  if (operator === 'Exists' && value) return "toleration with operator 'Exists' must have an empty value"
  return undefined
}

/** The addresses of the service's families, in their order, each family sorted. */
export function inFamilies(addresses: Iterable<string>, { spec }: Service): string[] {
  const sorted = [...addresses].sort()
  return (spec.ipFamilies ?? []).flatMap(family =>
    sorted.filter(address => isIP(address) === (family === 'IPv6' ? 6 : 4)),
  )
}

/** The service a DaemonSet or pod of ours works for, by its labels. */
export function servedBy(labels: { readonly [label: string]: string } | undefined): ObjectKey | undefined {
  const [name, namespace] = [labels?.[serviceNameLabel], labels?.[serviceNamespaceLabel]]
  return name && namespace ? `${namespace}/${name}` : undefined
}
