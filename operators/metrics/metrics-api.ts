/** The resources of metrics.k8s.io: which nodes and pods are asked for, and their metrics. */
import { errors, type StatusError } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { parseFieldSelector } from '../../bootstrap/api/selectors.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import { nodes, type Pod, pods } from '../../bootstrap/client/resources.ts'
import { amountsOf, listOf, type Measured, nothing, objectOf, tableOf } from './present.ts'
import type { UsageStore } from './usage.ts'

export interface MetricsApiDeps {
  readonly client: Client
  readonly usage: UsageStore
  readonly now: () => number
}

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly accept: string
}

const pattern = /^\/apis\/metrics\.k8s\.io\/v1beta1\/(?:namespaces\/([^/]+)\/(?=pods))?(nodes|pods)(?:\/([^/]+))?\/?$/
const group = 'metrics.k8s.io'

/** Whether the path is one of these resources. */
export const isMetricsPath = (path: string): boolean => pattern.test(path)

/** Throws StatusError: 404 for what is not there or not yet known, 405 for anything but reading. */
export async function answerMetrics(deps: MetricsApiDeps, asked: Asked): Promise<object> {
  const [, namespace, resource = '', name] = pattern.exec(asked.path) ?? []
  if (asked.method !== 'GET' && asked.method !== 'HEAD') throw notSupported(resource, asked.method.toLowerCase())
  if (/^(1|true)$/.test(asked.query.get('watch') ?? '')) throw notSupported(resource, 'watch')
  const table = asked.accept.includes('as=Table')
  const include = asked.query.get('includeObject') || 'Metadata'
  const now = deps.now()
  if (name !== undefined) {
    const found = resource === 'nodes' ? await oneNode(deps, name) : await onePod(deps, name, namespace)
    return table ? tableOf([found], now, include) : objectOf(found, now)
  }
  const found = resource === 'nodes' ? await allNodes(deps, asked.query) : await allPods(deps, asked.query, namespace)
  if (table) return tableOf(found, now, include)
  return listOf(resource === 'nodes' ? 'NodeMetrics' : 'PodMetrics', found, now)
}

const notSupported = (resource: string, verb: string): StatusError => errors.methodNotAllowed({ group, resource }, verb)

async function oneNode(deps: MetricsApiDeps, name: string): Promise<Measured> {
  const measured = measuredNode(deps, await deps.client.get(nodes, { name }))
  if (!measured) throw errors.notFound({ group, resource: 'nodemetrics' }, name)
  return measured
}

async function onePod(deps: MetricsApiDeps, name: string, namespace = ''): Promise<Measured> {
  const measured = measuredPod(deps, await deps.client.get(pods, { name, namespace }))
  if (!measured) throw errors.notFound({ group, resource: 'podmetrics' }, `${namespace}/${name}`)
  return measured
}

async function allNodes(deps: MetricsApiDeps, query: URLSearchParams): Promise<Measured[]> {
  const { items } = await deps.client.list(nodes, selectionOf(query))
  return sorted(matching(items, query).flatMap(node => measuredNode(deps, node) ?? []))
}

async function allPods(deps: MetricsApiDeps, query: URLSearchParams, namespace?: string): Promise<Measured[]> {
  const where = namespace === undefined ? {} : { namespace }
  const { items } = await deps.client.list(pods, { ...where, ...selectionOf(query) })
  return sorted(matching(items, query).flatMap(pod => measuredPod(deps, pod) ?? []))
}

function selectionOf(query: URLSearchParams): { labelSelector?: string } {
  const labelSelector = query.get('labelSelector') ?? ''
  return labelSelector === '' ? {} : { labelSelector }
}

/** Fields are those of metadata alone. */
function matching<T extends KubeObject>(items: readonly T[], query: URLSearchParams): readonly T[] {
  const selector = parseFieldSelector(query.get('fieldSelector') ?? '')
  if (selector.requirements.length === 0) return items
  return items.filter(({ metadata: { name = '', namespace = '' } }) =>
    selector.matches({ 'metadata.name': name, 'metadata.namespace': namespace }),
  )
}

function measuredNode({ usage }: MetricsApiDeps, { metadata }: KubeObject): Measured | undefined {
  const { name, labels } = metadata
  const found = usage.node(name ?? '')
  if (!found) return undefined
  return { metadata: { name, labels }, time: found.time, windowMs: found.windowMs, usage: amountsOf(found) }
}

function measuredPod(deps: MetricsApiDeps, pod: Pod): Measured | undefined {
  const { name, namespace, labels } = pod.metadata
  const metadata = { name, namespace, labels }
  const containers = deps.usage.pod(`${namespace}/${name}`)
  if (!containers) return embeddedPod(deps, pod, metadata)
  const [earliest] = [...containers.values()].sort((a, b) => a.time - b.time)
  if (!earliest) return undefined
  const usage = new Map([...containers].map(([container, found]) => [container, amountsOf(found)]))
  return { metadata, time: earliest.time, windowMs: earliest.windowMs, usage }
}

/** Embedded pods are part of the node's own process, which cannot be told apart: they use nothing of their own. */
function embeddedPod(
  { usage }: MetricsApiDeps,
  { spec, status }: Pod,
  metadata: Measured['metadata'],
): Measured | undefined {
  const node = usage.node(spec.nodeName ?? '')
  if (spec.runtimeClassName !== 'embedded' || status?.phase !== 'Running' || !node) return undefined
  const zeros = new Map(spec.containers.map(({ name }) => [name, nothing]))
  return { metadata, time: node.time, windowMs: node.windowMs, usage: zeros }
}

function sorted(items: Measured[]): Measured[] {
  const key = ({ metadata }: Measured) => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
  return items.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}
