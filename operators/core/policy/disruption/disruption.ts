/** Keeps the figures evictions are granted by (upstream pkg/controller/disruption). */
import { ignoreNotFound, isConflict } from '../../../../bootstrap/api/errors.ts'
import { controllerOf, keyOf, type ObjectKey } from '../../../../bootstrap/api/object.ts'
import { selects } from '../../../../bootstrap/api/selectors.ts'
import type { PodDisruptionBudgetStatus } from '../../../../bootstrap/api/types.gen.ts'
import {
  deployments,
  type Pod,
  type PodDisruptionBudget,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '../../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../../bootstrap/client/same.ts'
import { type Cluster, done, type Operator, on, type Result, type Watch } from '../../../runtime/operator.ts'
import { isReady, isTerminating } from '../../../runtime/pods.ts'
import { countHealthy, desiredHealthy, disruptedPods, failedStatus, needsScale, statusOf } from './budget.ts'
import { scaleOf } from './scale.ts'
import { selectorText } from './selector-text.ts'

/** What upstream's events about budgets come from. */
const reporter = 'controllermanager'
const onlyRead = () => undefined

export function disruptionController(): Operator {
  return {
    name: 'disruption-controller',
    watches: [
      on(podDisruptionBudgets, budget => keyOf(budget)),
      onCoveredPods,
      on(replicationControllers, onlyRead),
      on(replicaSets, onlyRead),
      on(statefulSets, onlyRead),
      on(deployments, onlyRead),
    ],
    reconcile,
  }
}

/** Reconciles the budgets over a pod, before and after a change that counts. */
const onCoveredPods: Watch = on(pods, (pod, old, change, { informers }) => {
  if (change === 'updated' && old && countedState(pod) === countedState(old)) return undefined
  return informers
    .get(podDisruptionBudgets)
    .list(pod.metadata.namespace)
    .filter(({ spec }) => [pod, old].some(state => state && selects(spec.selector, state.metadata.labels)))
    .map((budget): ObjectKey => keyOf(budget))
})

function countedState(pod: Pod): string {
  return JSON.stringify([pod.metadata.labels, isReady(pod), isTerminating(pod), controllerOf(pod)?.uid])
}

async function reconcile(key: ObjectKey, given: Cluster): Promise<Result> {
  const cluster = { ...given, events: given.events.as?.(reporter) ?? given.events }
  const budget = cluster.informers.get(podDisruptionBudgets).get(key)
  if (!budget) return done
  try {
    return await count(budget, cluster)
  } catch (error) {
    if (isConflict(error)) throw error
    const { message } = error as Error
    cluster.log.warn({ budget: key, error: message }, 'a disruption budget cannot be reckoned')
    await write(budget, failedStatus(budget, message, cluster.clock.now()), cluster)
    return done
  }
}

async function count(budget: PodDisruptionBudget, cluster: Cluster): Promise<Result> {
  const { clock, events, informers } = cluster
  const { namespace } = budget.metadata
  const covered = informers
    .get(pods)
    .list(namespace)
    .filter(pod => selects(budget.spec.selector, pod.metadata.labels))
  if (covered.length === 0) events.event(budget, 'Normal', 'NoPods', 'No matching pods found')
  const { expected, desired } = await expectation(budget, covered, cluster)
  const now = clock.now()
  const disrupted = disruptedPods(budget, covered, now)
  for (const pod of disrupted.overdue) {
    const text = `Pod was expected by PDB ${keyOf(budget)} to be deleted but it wasn't`
    events.event(pod, 'Warning', 'NotDeleted', text)
  }
  const healthy = countHealthy(covered, disrupted)
  await write(budget, statusOf(budget, { expected, desired, healthy }, disrupted, now), cluster)
  return disrupted.recheckMs === undefined ? done : { requeueAfterMs: disrupted.recheckMs }
}

async function expectation(budget: PodDisruptionBudget, covered: readonly Pod[], cluster: Cluster) {
  try {
    const expected = needsScale(budget.spec) ? await managed(budget, covered, cluster) : covered.length
    return { expected, desired: desiredHealthy(budget.spec, expected) }
  } catch (error) {
    const text = `Failed to calculate the number of expected pods: ${(error as Error).message}`
    cluster.events.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', text)
    throw error
  }
}

async function managed(budget: PodDisruptionBudget, covered: readonly Pod[], cluster: Cluster): Promise<number> {
  const { replicas, unmanaged } = await scaleOf(covered, cluster)
  if (unmanaged.length > 0) {
    const text =
      `Pods selected by this PodDisruptionBudget (selector: ${selectorText(budget.spec.selector)}) were found to be ` +
      'unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined ' +
      'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
    cluster.events.event(budget, 'Warning', 'UnmanagedPods', text)
  }
  return replicas
}

/** Evictions write the status too: a conflict is for the next reconcile, which sees what they wrote. */
async function write(
  budget: PodDisruptionBudget,
  status: PodDisruptionBudgetStatus,
  { client }: Cluster,
): Promise<void> {
  if (sameJson(budget.status, status)) return
  await client.update(podDisruptionBudgets, { ...budget, status }, { subresource: 'status' }).catch(ignoreNotFound)
}
