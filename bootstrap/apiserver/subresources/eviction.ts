/** pods/eviction: deletes a pod if its disruption budget allows (kubernetes pkg/registry/core/pod/storage/eviction.go). */
import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { LabelSelectorObject } from '../../api/selectors.ts'
import { labelSelectorOf } from '../../api/selectors.ts'
import { rfc3339 } from '../../api/time.ts'
import type { Kind, Mutable } from '../kinds/kind.ts'
import type { Call } from '../verbs/call.ts'
import { storeOf } from '../verbs/call.ts'
import type { DeleteOptions } from '../verbs/delete.ts'
import { deleteObject } from '../verbs/delete.ts'
import { getObject } from '../verbs/read.ts'
import type { ObjectSubresource, SubresourceContext } from './object.ts'
import { admit, rawUpdate, success } from './object.ts'

const violates = "Cannot evict pod as it would violate the pod's disruption budget."
const maxDisrupted = 2000

interface Budget extends KubeObject {
  readonly spec: { readonly selector?: LabelSelectorObject; readonly unhealthyPodEvictionPolicy?: string }
  readonly status?: BudgetStatus
}

interface BudgetStatus {
  readonly observedGeneration?: number
  readonly disruptionsAllowed?: number
  readonly currentHealthy?: number
  readonly desiredHealthy?: number
  readonly disruptedPods?: { readonly [pod: string]: string }
}

interface PodStatus {
  readonly phase?: string
  readonly conditions?: readonly { readonly type: string; readonly status: string }[]
}

export const eviction: ObjectSubresource = {
  async create(context, body, options) {
    const { verbs, call } = context
    if (body.metadata.name && body.metadata.name !== call.name) {
      throw errors.badRequest('name in URL does not match name in Eviction object')
    }
    const asked = (body.deleteOptions ?? {}) as DeleteOptions
    const dryRun = options.dryRun || (asked.dryRun ?? []).length > 0
    await admit(context, body, { ...options, dryRun })
    const pod = (await getObject(verbs, call)).object
    if (!ignoresBudget(pod)) await takeDisruption(context, pod, dryRun)
    await evict(context, pod, { ...asked, ...(dryRun ? { dryRun: ['All'] } : {}) }, dryRun)
    return success
  },
}

function ignoresBudget(pod: KubeObject): boolean {
  const phase = (pod.status as PodStatus | undefined)?.phase ?? ''
  return pod.metadata.deletionTimestamp !== undefined || ['Succeeded', 'Failed', 'Pending'].includes(phase)
}

async function takeDisruption(context: SubresourceContext, pod: KubeObject, dryRun: boolean): Promise<void> {
  const kind = context.deps.registry.byResource('policy', 'v1', 'poddisruptionbudgets')
  if (!kind) return
  const budgets = await budgetsOf(context, kind, pod)
  if (budgets.length === 0) return
  if (budgets.length > 1) {
    throw errors.internal(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  }
  const budget = budgets[0]!
  if (!isReady(pod) && allowsUnhealthy(budget)) return
  const now = rfc3339(context.verbs.clock.now())
  const { name = '', namespace = '' } = budget.metadata
  const held = { ...context.call, kind, namespace, name, subresource: '' }
  await rawUpdate(context.verbs, held, draft => decrement(draft, pod.metadata.name!, now), dryRun)
}

async function budgetsOf(context: SubresourceContext, kind: Kind, pod: KubeObject): Promise<Budget[]> {
  const cache = await storeOf(context.verbs, kind)
  return [...cache.all(pod.metadata.namespace)]
    .map(stored => stored.object as Budget)
    .filter(budget => labelSelectorOf(budget.spec.selector).matches(pod.metadata.labels ?? {}))
}

function isReady(pod: KubeObject): boolean {
  const conditions = (pod.status as PodStatus | undefined)?.conditions ?? []
  return conditions.some(condition => condition.type === 'Ready' && condition.status === 'True')
}

function allowsUnhealthy({ spec, status = {} }: Budget): boolean {
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true
  const { currentHealthy = 0, desiredHealthy = 0 } = status
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy
}

function decrement(draft: Mutable, pod: string, now: string): void {
  const name = draft.metadata.name ?? ''
  const status = (draft.status ?? {}) as BudgetStatus
  const { disruptionsAllowed = 0, currentHealthy = 0, desiredHealthy = 0, disruptedPods = {} } = status
  if ((status.observedGeneration ?? 0) < (draft.metadata.generation ?? 0)) {
    throw refused(`The disruption budget ${name} is still being processed by the server.`, 10)
  }
  const budgets = { group: 'policy', resource: 'poddisruptionbudgets' }
  if (disruptionsAllowed < 0) throw errors.forbidden(budgets, name, 'pdb disruptions allowed is negative')
  if (Object.keys(disruptedPods).length > maxDisrupted) {
    throw errors.forbidden(
      budgets,
      name,
      'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    )
  }
  if (disruptionsAllowed === 0) {
    throw refused(
      `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
      0,
    )
  }
  draft.status = {
    ...status,
    disruptionsAllowed: disruptionsAllowed - 1,
    disruptedPods: { ...disruptedPods, [pod]: now },
  }
}

const refused = (message: string, retryAfter: number) =>
  errors.tooManyRequests(violates, retryAfter, [{ reason: 'DisruptionBudget', message }])

/** Marks the pod as disrupted, then deletes this very pod. */
async function evict(
  { verbs, call }: SubresourceContext,
  pod: KubeObject,
  options: DeleteOptions,
  dryRun: boolean,
): Promise<void> {
  const { uid } = pod.metadata
  const now = rfc3339(verbs.clock.now())
  await rawUpdate(verbs, call, draft => markDisrupted(draft, now), dryRun)
  const deletion: Call = { ...call, subresource: '' }
  const preconditions = { ...options.preconditions, ...(uid === undefined ? {} : { uid }) }
  await deleteObject(verbs, deletion, { ...options, preconditions })
}

function markDisrupted(draft: Mutable, now: string): void {
  const status = (draft.status ??= {}) as { conditions?: { type: string; [field: string]: unknown }[] }
  status.conditions = [
    ...(status.conditions ?? []).filter(condition => condition.type !== 'DisruptionTarget'),
    {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'EvictionByEvictionAPI',
      message: 'Eviction API: evicting',
      lastProbeTime: null,
      lastTransitionTime: now,
    },
  ]
}
