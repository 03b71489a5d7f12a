/** Marks the nodes that run a server: a node may not give itself a role, its server may. */
import { nodes } from '../../bootstrap/client/resources.ts'
import { done, type Operator, on } from '../runtime/operator.ts'

const label = 'node-role.kubernetes.io/control-plane'

export function controlPlaneRole(serverNode: string): Operator {
  return {
    name: 'node-roles',
    watches: [on(nodes, node => (node.metadata.name === serverNode ? serverNode : undefined))],
    async reconcile(name, { client, informers }) {
      const node = informers.get(nodes).get(name)
      if (!node || node.metadata.labels?.[label] === 'true') return done
      await client.patch(nodes, { name }, { metadata: { labels: { [label]: 'true' } } }, { type: 'merge' })
      return done
    },
  }
}
