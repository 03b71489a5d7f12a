/**
 * Upgrade Plans as rancher/system-upgrade-controller knows them: for every plan, node after node, a Job that upgrades it.
 * What a plan needs is loaded with the first plan.
 */
import { type KubeObject, keyOf, type ObjectKey } from '../../bootstrap/api/object.ts'
import { selects } from '../../bootstrap/api/selectors.ts'
import { deployments, type Job, jobs, type Node, nodes, secrets } from '../../bootstrap/client/resources.ts'
import { sameJson } from '../../bootstrap/client/same.ts'
import { findCondition } from '../runtime/conditions.ts'
import { type Change, type Cluster, done, type Operator, on } from '../runtime/operator.ts'
import { OwnWrites } from '../runtime/own-writes.ts'
import type { PlanController } from './controller.ts'
import { creditorsOf } from './cordons.ts'
import { label, plans } from './plan.ts'
import { byPlan, debtorsOf, jobsOfPlan, type UpgradeOptions, type Writes } from './round.ts'

const bySecret = 'upgrade-secret'

export function upgradeOperator(options: UpgradeOptions): Operator {
  const { namespace, controller } = options
  const writes: Writes = { plans: new OwnWrites(), jobs: new OwnWrites(), nodes: new OwnWrites() }
  let loading: Promise<PlanController> | undefined
  let enqueue: (key: ObjectKey) => void = () => {}
  const wake = (key: ObjectKey) => enqueue(key)
  const load = () => {
    loading ??= import('./controller.ts').then(({ PlanController }) => new PlanController(options, writes, wake))
    return loading
  }
  const planOfJob = (job: Job) => jobKey(job, options)
  const nothingMore = (of: OwnWrites, change: Change, object: KubeObject, keys: readonly ObjectKey[]) => {
    if (change === 'deleted') for (const key of keys) of.gone(key, object)
    return keys
  }
  return {
    name: controller,
    watches: [
      on(plans, (plan, _, change) => nothingMore(writes.plans, change, plan, [keyOf(plan)])),
      on(jobs, (job, _, change) => nothingMore(writes.jobs, change, job, one(planOfJob(job)))),
      on(nodes, (node, old, change, cluster) => {
        const keys = plansOfNode(node, change === 'updated' ? old : undefined, options, cluster)
        return nothingMore(writes.nodes, change, node, keys)
      }),
      on(secrets, (secret, old, change, { informers }) =>
        change === 'updated' && sameJson(secret.data, old?.data)
          ? undefined
          : informers.get(plans).byIndex(bySecret, keyOf(secret)).map(keyOf),
      ),
      // The original controller, should somebody install it: while it is there, plans are its own.
      on(deployments, ({ metadata }, _, __, { informers }) =>
        metadata.namespace === namespace && metadata.name === controller
          ? informers.get(plans).list(namespace).map(keyOf)
          : undefined,
      ),
    ],
    setup({ informers }) {
      informers.get(jobs).addIndex(byPlan, job => one(planOfJob(job)))
      informers
        .get(plans)
        .addIndex(bySecret, ({ metadata, spec }) =>
          (spec?.secrets ?? [])
            .filter(({ ignoreUpdates }) => ignoreUpdates !== true)
            .map(({ name }) => `${metadata.namespace}/${name}`),
        )
    },
    // Pods are watched from the first plan on only, so their news do not come by a watch of the operator's.
    async run(_, add) {
      enqueue = add
    },
    async reconcile(key, cluster) {
      // Without plans there is nothing to load, unless one has left something behind.
      const known = cluster.informers.get(plans).get(key) ?? loading ?? hasLeftovers(key, cluster)
      return known ? (await load()).reconcile(key, cluster) : done
    },
  }
}

function hasLeftovers(key: ObjectKey, cluster: Cluster): boolean {
  return jobsOfPlan(key, cluster).length > 0 || debtorsOf(key.slice(key.indexOf('/') + 1), cluster).length > 0
}

/** The plan a Job is of, by its labels; those without a plan's name are the business of a plan without a name. */
function jobKey({ metadata: { labels = {}, namespace } }: Job, { controller, namespace: own }: UpgradeOptions) {
  if (labels[label.controller] !== controller || namespace !== own) return undefined
  return `${namespace}/${labels[label.plan] ?? ''}`
}

/** Plans that select the node, or did, and those that owe it something. */
function plansOfNode(
  node: Node,
  old: Node | undefined,
  { namespace }: UpgradeOptions,
  { informers }: Cluster,
): readonly ObjectKey[] {
  const seen = ({ metadata, spec, status }: Node) => [
    metadata.labels,
    metadata.annotations,
    spec?.unschedulable,
    status?.nodeInfo?.kubeletVersion,
    findCondition(status?.conditions, 'Ready')?.status,
  ]
  if (old && sameJson(seen(node), seen(old))) return []
  const either = old ? [node, old] : [node]
  const selecting = informers
    .get(plans)
    .list(namespace)
    .filter(({ spec }) => either.some(({ metadata }) => selects(spec?.nodeSelector, metadata.labels ?? {})))
  return [...new Set([...selecting.map(keyOf), ...either.flatMap(creditorsOf).map(name => `${namespace}/${name}`)])]
}

const one = (key: ObjectKey | undefined): readonly ObjectKey[] => (key === undefined ? [] : [key])
