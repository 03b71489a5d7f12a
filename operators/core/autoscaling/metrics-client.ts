/** Asks the metrics APIs (upstream: pkg/controller/podautoscaler/metrics). All values are in thousandths. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { parseApiVersion } from '../../../bootstrap/api/object.ts'
import { parseQuantity } from '../../../bootstrap/api/quantity.ts'
import { formatLabelSelector, type LabelSelectorObject } from '../../../bootstrap/api/selectors.ts'
import { parseDuration, parseTime } from '../../../bootstrap/api/time.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import { queryText } from '../../../bootstrap/client/paths.ts'
import { resourceNameOf } from './scale-target.ts'

export interface PodMetric {
  readonly value: number
  /** ms since the epoch; the end of the window. */
  readonly time: number
  readonly windowMs: number
}

/** By the pod's name. */
export type PodMetrics = Map<string, PodMetric>

export interface ObjectReference {
  readonly apiVersion?: string | undefined
  readonly kind: string
  readonly name: string
}

type Selector = LabelSelectorObject | undefined

const defaultWindowMs = 60_000

interface ResourceItem extends KubeObject {
  readonly timestamp: string
  readonly window: string
  readonly containers?: readonly { readonly name: string; readonly usage: { readonly [resource: string]: string } }[]
}

/** The usage of a resource by the pods a selector selects, of one container or of all. */
export async function resourceMetrics(
  client: Client,
  asked: { namespace: string; selector: string; resource: string; container: string },
): Promise<PodMetrics> {
  const { namespace, selector, resource, container } = asked
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods${queryText({ labelSelector: selector })}`
  const items = await itemsAt<ResourceItem>(client, path, 'resource')
  const metrics: PodMetrics = new Map()
  for (const { metadata, timestamp, window, containers = [] } of items) {
    const counted = container === '' ? containers : containers.filter(({ name }) => name === container)
    const amounts = counted.map(({ usage }) => usage[resource])
    if (amounts.length === 0 || amounts.includes(undefined)) continue
    const value = amounts.reduce((sum, amount) => sum + parseQuantity(amount!).milliValue(), 0)
    metrics.set(metadata.name ?? '', { value, time: parseTime(timestamp) ?? 0, windowMs: parseDuration(window) ?? 0 })
  }
  return metrics
}

interface CustomItem {
  readonly describedObject: ObjectReference
  readonly timestamp: string
  readonly windowSeconds?: number | null
  readonly window?: number | null
  readonly value: string
}

/** A custom metric of the pods a selector selects. */
export async function podMetrics(
  client: Client,
  asked: { namespace: string; selector: string; name: string; metricSelector: Selector },
): Promise<PodMetrics> {
  const { namespace, selector, name, metricSelector } = asked
  const query = queryText({ labelSelector: selector, metricLabelSelector: textOf(metricSelector) })
  const items = await customItems(client, `/namespaces/${namespace}/pods/*/${name}${query}`)
  return new Map(
    items.map(({ describedObject, timestamp, value, ...item }) => {
      const seconds = item.windowSeconds ?? item.window
      const windowMs = seconds === undefined || seconds === null ? defaultWindowMs : seconds * 1000
      const metric = { value: parseQuantity(value).milliValue(), time: parseTime(timestamp) ?? 0, windowMs }
      return [describedObject.name, metric]
    }),
  )
}

/** A custom metric of one object. */
export async function objectMetric(
  client: Client,
  asked: { namespace: string; object: ObjectReference; name: string; metricSelector: Selector },
): Promise<number> {
  const { namespace, object, name, metricSelector } = asked
  const query = queryText({ metricLabelSelector: textOf(metricSelector) })
  const { group } = parseApiVersion(object.apiVersion ?? 'v1')
  const own =
    object.kind === 'Namespace' && group === ''
      ? `/namespaces/${namespace}/metrics`
      : `/namespaces/${namespace}/${await resourceNameOf(client, object)}/${object.name}`
  const [item] = await customItems(client, `${own}/${name}${query}`)
  return parseQuantity(item!.value).milliValue()
}

/** All values of an external metric. */
export async function externalMetric(
  client: Client,
  asked: { namespace: string; name: string; selector: Selector },
): Promise<number[]> {
  const { namespace, name, selector } = asked
  const query = queryText({ labelSelector: textOf(selector) })
  const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespace}/${name}${query}`
  const items = await itemsAt<{ value: string }>(client, path, 'external')
  return items.map(({ value }) => parseQuantity(value).milliValue())
}

const textOf = (selector: Selector) => (selector ? formatLabelSelector(selector) : undefined)

/** The newer version where the server has it. */
async function customItems(client: Client, path: string): Promise<readonly CustomItem[]> {
  const versions = ['v1beta2', 'v1beta1']
  const group = (await client.raw('GET', '/apis/custom.metrics.k8s.io').catch(() => undefined)) as
    | { versions?: readonly { version: string }[] }
    | undefined
  const served = versions.find(version => group?.versions?.some(found => found.version === version)) ?? 'v1beta1'
  return await itemsAt<CustomItem>(client, `/apis/custom.metrics.k8s.io/${served}${path}`, 'custom')
}

async function itemsAt<T>(client: Client, path: string, api: string): Promise<readonly T[]> {
  let list: { items?: readonly T[] | null }
  try {
    list = (await client.raw('GET', path)) as typeof list
  } catch (error) {
    throw new Error(`unable to fetch metrics from ${api} metrics API: ${(error as Error).message}`)
  }
  const items = list.items ?? []
  if (items.length === 0) throw new Error(`no metrics returned from ${api} metrics API`)
  return items
}
