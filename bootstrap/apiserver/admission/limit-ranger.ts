/** LimitRange: defaults for containers, bounds for containers, pods and claims (upstream: plugin/pkg/admission/limitranger). */
import { type Amounts, amountsOf, podAmounts } from '../../api/amounts.ts'
import type { Draft } from '../../api/object.ts'
import type { Quantity } from '../../api/quantity.ts'
import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from '../../api/types.gen.ts'
import { as, isFor, newPod, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'

const annotation = 'kubernetes.io/limit-ranger'

export function limitRanger({ reader }: AdmissionDeps): AdmissionPlugin {
  const itemsOf = (namespace: string): LimitRangeItem[] =>
    (reader.list('', 'limitranges', namespace) as unknown as readonly LimitRange[]).flatMap(range => [
      ...(range.spec?.limits ?? []),
    ])

  return {
    name: 'LimitRanger',
    mutate(request) {
      const pod = newPod(request)
      if (pod) for (const item of itemsOf(request.namespace)) if (item.type === 'Container') addDefaults(pod, item)
    },
    validate(request) {
      const problems = problemsOf(request, itemsOf)
      if (problems.length > 0) throw refuse(request, problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`)
    },
  }
}

function addDefaults(pod: Draft<Pod>, item: LimitRangeItem): void {
  const notes: string[] = []
  const fill = (container: Draft<Container>, what: string) => {
    const resources = (container.resources ??= {})
    for (const [field, word, defaults] of [
      ['requests', 'request', item.defaultRequest],
      ['limits', 'limit', item.default],
    ] as const) {
      const missing = Object.entries(defaults ?? {}).filter(([resource]) => resources[field]?.[resource] === undefined)
      if (missing.length === 0) continue
      resources[field] = { ...resources[field], ...Object.fromEntries(missing) }
      const names = missing.map(([resource]) => resource).sort()
      notes.push(`${names.join(', ')} ${word} for ${what} ${container.name}`)
    }
  }
  for (const container of pod.spec.containers) fill(container, 'container')
  for (const container of pod.spec.initContainers ?? []) fill(container, 'init container')
  if (notes.length === 0) return
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [annotation]: `LimitRanger plugin set: ${notes.join('; ')}`,
  }
}

function problemsOf(request: AdmissionRequest, itemsOf: (namespace: string) => LimitRangeItem[]): string[] {
  const { operation, namespace } = request
  const pod = newPod(request) as Pod | undefined
  if (pod) return itemsOf(namespace).flatMap(item => podProblems(pod, item))
  if ((operation === 'CREATE' || operation === 'UPDATE') && isFor(request, '', 'persistentvolumeclaims')) {
    const requests = amountsOf(as<PersistentVolumeClaim>(request.object).spec?.resources?.requests)
    return itemsOf(namespace).flatMap(item =>
      item.type === 'PersistentVolumeClaim' ? claimProblems(item, requests) : [],
    )
  }
  return []
}

function podProblems(pod: Pod, item: LimitRangeItem): string[] {
  if (item.type === 'Pod') return problems(item, podAmounts(pod, 'requests'), podAmounts(pod, 'limits'))
  if (item.type !== 'Container') return []
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap(({ resources }) =>
    problems(item, amountsOf(resources?.requests), amountsOf(resources?.limits)),
  )
}

function claimProblems(item: LimitRangeItem, requests: Amounts): string[] {
  return [...bounds(item, 'minimum', requests), ...bounds(item, 'maximum', requests)]
}

const sorted = (amounts: Amounts): [string, Quantity][] => [...amounts].sort(([a], [b]) => (a < b ? -1 : 1))

/** Bounds of requests alone, for claims. */
function bounds(item: LimitRangeItem, word: 'minimum' | 'maximum', requests: Amounts): string[] {
  const sign = word === 'minimum' ? -1 : 1
  return sorted(amountsOf(word === 'minimum' ? item.min : item.max)).flatMap(([resource, bound]) => {
    const head = `${word} ${resource} usage per ${item.type} is ${bound}`
    const asked = requests.get(resource)
    if (!asked) return [`${head}.  No request is specified`]
    return asked.compare(bound) === sign ? [`${head}, but request is ${asked}`] : []
  })
}

function problems(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  const low = sorted(amountsOf(item.min)).flatMap(([resource, bound]) => {
    const head = `minimum ${resource} usage per ${item.type} is ${bound}`
    const [asked, limit] = [requests.get(resource), limits.get(resource)]
    if (!asked) return [`${head}.  No request is specified`]
    if (asked.compare(bound) < 0) return [`${head}, but request is ${asked}`]
    return limit && limit.compare(bound) < 0 ? [`${head}, but limit is ${limit}`] : []
  })
  const high = sorted(amountsOf(item.max)).flatMap(([resource, bound]) => {
    const head = `maximum ${resource} usage per ${item.type} is ${bound}`
    const [asked, limit] = [requests.get(resource), limits.get(resource)]
    if (!limit) return [`${head}.  No limit is specified`]
    if (limit.compare(bound) > 0) return [`${head}, but limit is ${limit}`]
    return asked && asked.compare(bound) > 0 ? [`${head}, but request is ${asked}`] : []
  })
  const ratios = sorted(amountsOf(item.maxLimitRequestRatio)).flatMap(([resource, bound]) => {
    const head = `${resource} max limit to request ratio per ${item.type} is ${bound}, but`
    const [asked, limit] = [requests.get(resource), limits.get(resource)]
    if (!asked || asked.isZero()) return [`${head} no request is specified or request is 0`]
    if (!limit || limit.isZero()) return [`${head} no limit is specified or limit is 0`]
    const ratio = limit.toNumber() / asked.toNumber()
    return ratio > bound.toNumber() ? [`${head} provided ratio is ${ratio.toFixed(6)}`] : []
  })
  return [...low, ...high, ...ratios]
}
