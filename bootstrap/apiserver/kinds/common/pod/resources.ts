/** Resource requirements: validation, sums over a pod's containers, and the pod's quality of service. */
import { field } from '../../../../api/errors.ts'
import { qualifiedNameErrors } from '../../../../api/labels.ts'
import { Quantity } from '../../../../api/quantity.ts'
import type { Container, PodSpec, ResourceRequirements } from '../../../../api/types.gen.ts'
import type { Errors } from '../build.ts'
import type { ResourceList } from '../quantity.ts'
import { addResources, canonical, nonNegativeQuantity, quantityOf } from '../quantity.ts'

const containerResources = new Set(['cpu', 'memory', 'ephemeral-storage'])
const podResources = new Set(['cpu', 'memory'])

const isHugePages = (name: string) => name.startsWith('hugepages-')

/** Whether the name has no domain or one of kubernetes.io. */
function isNativeResource(name: string): boolean {
  return !name.includes('/') || name.split('/')[0]!.endsWith('kubernetes.io')
}

/** A vendor's resource, "example.com/gpu". */
function isExtendedResource(name: string): boolean {
  return (
    !isNativeResource(name) && !name.startsWith('requests.') && qualifiedNameErrors(`requests.${name}`).length === 0
  )
}

const canOvercommit = (name: string) => isNativeResource(name) && !isHugePages(name)

/** Checks the requirements of a container, or of a whole pod with `level` "pod". */
export function* requirementsErrors(
  resources: ResourceRequirements | undefined,
  path: string,
  level: 'container' | 'pod' = 'container',
  claims: ReadonlySet<string> = new Set(),
): Errors {
  const { limits = {}, requests = {} } = resources ?? {}
  for (const [name, value] of Object.entries(limits)) {
    yield* resourceErrors(name, value, `${path}.limits[${name}]`, level)
  }
  for (const [name, value] of Object.entries(requests)) {
    yield* resourceErrors(name, value, `${path}.requests[${name}]`, level)
    yield* requestErrors(name, value, limits[name], path)
  }
  if (level === 'pod' && resources?.claims) {
    yield field.forbidden(`${path}.claims`, 'claims cannot be set for Resources at pod-level')
  } else yield* claimErrors(resources?.claims, `${path}.claims`, claims)
}

function* resourceErrors(name: string, value: unknown, path: string, level: 'container' | 'pod'): Errors {
  const problems = qualifiedNameErrors(name)
  for (const text of problems) yield field.invalid(path, name, text)
  if (problems.length === 0) yield* resourceNameErrors(name, path, level)
  yield* nonNegativeQuantity(value, path)
  if (isExtendedResource(name) && quantityOf(value).nanos % 1_000_000_000n !== 0n) {
    yield field.invalid(path, canonical(value), 'must be an integer')
  }
}

function* resourceNameErrors(name: string, path: string, level: 'container' | 'pod'): Errors {
  if (level === 'pod') {
    if (!podResources.has(name) && !isHugePages(name)) yield field.notSupported(path, name, [...podResources])
  } else if (!name.includes('/')) {
    if (!containerResources.has(name) && !isHugePages(name)) {
      yield field.invalid(path, name, 'must be a standard resource for containers')
    }
  } else if (!isNativeResource(name) && !isExtendedResource(name)) {
    yield field.invalid(path, name, "doesn't follow extended resource name standard")
  }
}

function* requestErrors(name: string, request: unknown, limit: unknown, path: string): Errors {
  if (limit === undefined) {
    if (!canOvercommit(name))
      yield field.required(`${path}.limits`, 'Limit must be set for non overcommitable resources')
    return
  }
  const order = quantityOf(request).compare(quantityOf(limit))
  if (order !== 0 && !canOvercommit(name)) {
    const text = `must be equal to ${name} limit of ${canonical(limit)}`
    yield field.invalid(`${path}.requests`, canonical(request), text)
  } else if (order > 0) {
    const text = `must be less than or equal to ${name} limit of ${canonical(limit)}`
    yield field.invalid(`${path}.requests`, canonical(request), text)
  }
}

function* claimErrors(claims: ResourceRequirements['claims'], path: string, known: ReadonlySet<string>): Errors {
  const seen = new Set<string>()
  for (const [index, claim] of (claims ?? []).entries()) {
    if (!claim.name) {
      yield field.required(`${path}[${index}]`)
      continue
    }
    const key = claim.request ? `${claim.name}/${claim.request}` : claim.name
    if (seen.has(key)) yield field.duplicate(`${path}[${index}]`, key)
    seen.add(key)
    if (!known.has(claim.name)) yield field.notFound(`${path}[${index}].name`, claim.name)
  }
}

/** Checks that a pod's own resources cover those of its containers. */
export function* podResourcesErrors(spec: PodSpec, path: string): Errors {
  if (!spec.resources) return
  yield* requirementsErrors(spec.resources, path, 'pod')
  for (const [name, sum] of containerRequests(spec)) {
    const own = spec.resources.requests?.[name]
    if (sum.compare(quantityOf(own)) > 0 && (own !== undefined || podResources.has(name))) {
      const text = `must be greater than or equal to aggregate container requests of ${sum}`
      yield field.invalid(`${path}.requests[${name}]`, canonical(own ?? '0'), text)
    }
  }
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [name, value] of Object.entries(container.resources?.limits ?? {})) {
      const limit = spec.resources.limits?.[name]
      if (limit === undefined || quantityOf(value).compare(quantityOf(limit)) <= 0) continue
      const text = `must be less than or equal to pod limits of ${canonical(limit)}`
      yield field.invalid(`${path}.containers[${index}][${name}].limits`, canonical(value), text)
    }
  }
}

/** What all containers of a pod request together: the larger of running and starting up, sidecars included. */
export function containerRequests(spec: PodSpec): Map<string, Quantity> {
  const running = new Map<string, Quantity>()
  for (const container of spec.containers ?? []) addResources(running, container.resources?.requests)
  const sidecars = new Map<string, Quantity>()
  const starting = new Map<string, Quantity>()
  for (const container of spec.initContainers ?? []) {
    const requests: ResourceList = container.resources?.requests ?? {}
    if (container.restartPolicy === 'Always') {
      addResources(running, requests)
      addResources(sidecars, requests)
      raiseTo(starting, sidecars)
      continue
    }
    const together = new Map(sidecars)
    addResources(together, requests)
    raiseTo(starting, together)
  }
  raiseTo(running, starting)
  return running
}

function raiseTo(sums: Map<string, Quantity>, others: ReadonlyMap<string, Quantity>): void {
  for (const [name, value] of others) {
    if (value.compare(sums.get(name) ?? Quantity.zero) > 0) sums.set(name, value)
  }
}

type QualityOfService = 'Guaranteed' | 'Burstable' | 'BestEffort'

/** The pod's quality-of-service class, from cpu and memory of the pod or else of its containers. */
export function qualityOfService(spec: PodSpec): QualityOfService {
  const containers: readonly Pick<Container, 'resources'>[] = spec.resources
    ? [{ resources: spec.resources }]
    : [...(spec.initContainers ?? []), ...(spec.containers ?? [])]
  let guaranteed = true
  let asked = false
  for (const { resources } of containers) {
    for (const name of podResources) {
      const request = quantityOf(resources?.requests?.[name])
      const limit = quantityOf(resources?.limits?.[name])
      if (!request.isZero() || !limit.isZero()) asked = true
      if (limit.isZero() || request.compare(limit) !== 0) guaranteed = false
    }
  }
  if (!asked) return 'BestEffort'
  return guaranteed ? 'Guaranteed' : 'Burstable'
}
