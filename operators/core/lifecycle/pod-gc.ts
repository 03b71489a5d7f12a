/** Deletes pods no node looks after: on nodes that are gone, ended ones beyond a limit (upstream pkg/controller/podgc). */
import { isNotFound } from '../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../../bootstrap/api/object.ts'
import { nodes, type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { isTerminal, isTerminating } from '../../runtime/pods.ts'
import { millis } from '../../runtime/time.ts'
import { byNode, indexByNode } from './by-node.ts'
import { removeAtOnce } from './disruption.ts'

const terminatedKey = 'terminated'
const nodePrefix = 'node:'
/** A node must be gone for this long before its pods are given up. */
const quarantineMs = 40_000

export function podGarbageCollector(terminatedLimit = 12_500): Operator {
  const missing = new Map<string, number>()
  return {
    name: 'pod-garbage-collector-controller',
    watches: [
      on(nodes, (node, _old, change) => (change === 'deleted' ? nodePrefix + node.metadata.name : undefined)),
      on(pods, (pod, _old, change, cluster) => (change === 'deleted' ? undefined : concerns(pod, cluster))),
    ],
    setup({ informers }) {
      indexByNode(informers)
    },
    /** Pods that came before the nodes were known are looked at once they are. */
    async run(cluster, enqueue) {
      for (const pod of cluster.informers.get(pods).list()) for (const key of concerns(pod, cluster)) enqueue(key)
    },
    async reconcile(key, cluster) {
      if (key === terminatedKey) return removeTerminated(terminatedLimit, cluster)
      if (key.startsWith(nodePrefix)) return removeOrphans(key.slice(nodePrefix.length), missing, cluster)
      return removeUnscheduled(key, cluster)
    },
  }
}

function concerns(pod: Pod, { informers }: Cluster): readonly ObjectKey[] {
  const { nodeName } = pod.spec
  const lost = nodeName && informers.get(nodes).synced && !informers.get(nodes).get(nodeName)
  return [
    ...(isTerminal(pod) ? [terminatedKey] : []),
    ...(lost ? [nodePrefix + nodeName] : []),
    ...(!nodeName && isTerminating(pod) ? [keyOf(pod)] : []),
  ]
}

async function removeTerminated(limit: number, cluster: Cluster): Promise<Result> {
  const ended = cluster.informers
    .get(pods)
    .list()
    .filter(pod => isTerminal(pod) && !isTerminating(pod))
  if (ended.length <= limit) return done
  const oldest = [...ended].sort((a, b) => millis(a.metadata.creationTimestamp) - millis(b.metadata.creationTimestamp))
  for (const pod of oldest.slice(0, ended.length - limit)) await removeAtOnce(pod, undefined, cluster)
  return done
}

async function removeOrphans(node: string, missing: Map<string, number>, cluster: Cluster): Promise<Result> {
  const { client, clock, informers } = cluster
  const left = byNode(informers, node)
  if (left.length === 0 || informers.get(nodes).get(node)) {
    missing.delete(node)
    return done
  }
  const since = missing.get(node) ?? clock.now()
  missing.set(node, since)
  const wait = since + quarantineMs - clock.now()
  if (wait > 0) return { requeueAfterMs: wait }
  if (await exists(client.get(nodes, { name: node }))) return done
  const why = { reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' } as const
  for (const pod of left) await removeAtOnce(pod, why, cluster)
  return done
}

async function exists(read: Promise<unknown>): Promise<boolean> {
  try {
    await read
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

async function removeUnscheduled(key: ObjectKey, cluster: Cluster): Promise<Result> {
  const pod = cluster.informers.get(pods).get(key)
  if (pod && isTerminating(pod) && !pod.spec.nodeName) await removeAtOnce(pod, undefined, cluster)
  return done
}
