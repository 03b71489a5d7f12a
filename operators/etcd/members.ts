/** Keeps Nodes and members of the embedded etcd in step (k3s-io/k3s pkg/etcd: metadata_controller.go, member_controller.go). */
import { rfc3339 } from '../../bootstrap/api/time.ts'
import type { NodeCondition } from '../../bootstrap/api/types.gen.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import { type Node, nodes } from '../../bootstrap/client/resources.ts'
import type { EtcdMember } from '../../bootstrap/userland.ts'
import { done, type Operator, on } from '../runtime/operator.ts'

const roleLabel = 'node-role.kubernetes.io/etcd'
const nameAnnotation = 'etcd.k3s.cattle.io/node-name'
const addressAnnotation = 'etcd.k3s.cattle.io/node-address'
const removeAnnotation = 'etcd.k3s.cattle.io/remove'
const removedAnnotation = 'etcd.k3s.cattle.io/removed-node-name'

/** Says on this server's own node which member runs there. */
export function etcdNode(serverNode: string, { name, address }: EtcdMember): Operator {
  return {
    name: 'etcd-node',
    watches: [on(nodes, node => (node.metadata.name === serverNode ? serverNode : undefined))],
    async reconcile(key, { client, informers, clock }) {
      const node = informers.get(nodes).get(key)
      if (!node) return done
      const { labels = {}, annotations = {} } = node.metadata
      const known = annotations[nameAnnotation] === name && annotations[addressAnnotation] === address
      // Asked to leave, it says so no more; the member that comes after it has another name.
      const leaving = annotations[removedAnnotation] === name
      if (leaving) return done
      if (!known || labels[roleLabel] !== 'true') {
        const metadata = {
          labels: { [roleLabel]: 'true' },
          annotations: { [nameAnnotation]: name, [addressAnnotation]: address },
        }
        await client.patch(nodes, { name: key }, { metadata }, { type: 'merge' })
      }
      // A server serves no API, and so runs no operator, before its member votes.
      await setVoter(client, node, voting, clock.now())
      return { requeueAfterMs: heartbeatMs }
    },
  }
}

type Voter = Pick<NodeCondition, 'status' | 'reason' | 'message'>

const heartbeatMs = 5 * 60_000
const voting: Voter = {
  status: 'True',
  reason: 'MemberNotLearner',
  message: 'Node is a voting member of the etcd cluster',
}
const notAMember: Voter = {
  status: 'False',
  reason: 'NotAMember',
  message: 'Node is not a member of the etcd cluster',
}

/** Writes the condition EtcdIsVoter where it says something else, or has not been confirmed for five minutes. */
async function setVoter(client: Client, node: Node, voter: Voter, nowMs: number): Promise<void> {
  const type = 'EtcdIsVoter'
  const before = node.status?.conditions?.find(condition => condition.type === type)
  const age = nowMs - Date.parse(before?.lastHeartbeatTime ?? '')
  if (before?.reason === voter.reason && age < heartbeatMs) return
  const now = rfc3339(nowMs)
  const since = before?.status === voter.status ? (before.lastTransitionTime ?? now) : now
  const condition = { type, ...voter, lastHeartbeatTime: now, lastTransitionTime: since }
  const patch = { status: { conditions: [condition] } }
  await client.patch(nodes, { name: node.metadata.name! }, patch, { type: 'strategic', subresource: 'status' })
}

interface Departed {
  readonly name: string
  readonly address: string
}

/**
 * Removes the member of a Node that is deleted, or whose annotation asks for it. Every server does, since a deletion is seen
 * only by those who watch at that moment; whoever comes second finds nothing to remove.
 */
export function etcdMembers({ remove }: Pick<EtcdMember, 'remove'>): Operator {
  const departed = new Map<string, Departed>()
  return {
    name: 'etcd-members',
    watches: [
      on(nodes, (node, _old, change) => {
        const { name = '' } = node.metadata
        const member = memberOf(node)
        if (change === 'deleted' && member) departed.set(name, member)
        return change === 'deleted' || removalOf(node) !== 'none' ? name : undefined
      }),
    ],
    async reconcile(key, { client, informers, log, clock }) {
      const gone = departed.get(key)
      if (gone) {
        log.info({ node: key, member: gone.name }, 'Removing etcd member of a deleted node')
        await remove(gone.name, gone.address)
        departed.delete(key)
      }
      const node = informers.get(nodes).get(key)
      if (!node) return done
      const patch = (annotations: { [name: string]: string | null }) =>
        client.patch(nodes, { name: key }, { metadata: { annotations } }, { type: 'merge' })
      switch (removalOf(node)) {
        case 'none':
          return done
        case 'over':
          await patch({ [removeAnnotation]: 'false', [removedAnnotation]: null })
          return done
        case 'asked': {
          const member = memberOf(node)!
          await remove(member.name, member.address)
          await patch({ [removedAnnotation]: member.name, [nameAnnotation]: null, [addressAnnotation]: null })
          await setVoter(client, node, notAMember, clock.now())
          return done
        }
      }
    },
  }
}

function memberOf({ metadata: { labels = {}, annotations = {} } }: Node): Departed | undefined {
  const [name, address] = [annotations[nameAnnotation], annotations[addressAnnotation]]
  return roleLabel in labels && name && address ? { name, address } : undefined
}

/** `over`: the member that was asked to leave has, and another one has taken its place. */
function removalOf(node: Node): 'none' | 'asked' | 'over' {
  const { annotations = {} } = node.metadata
  const [asked, removed] = [annotations[removeAnnotation], annotations[removedAnnotation]]
  const member = memberOf(node)
  if (asked === undefined || !member) return 'none'
  if (removed !== undefined) return member.name === removed ? 'none' : 'over'
  return asked.toLowerCase() === 'true' ? 'asked' : 'none'
}
