/** Keeps the NodeHosts key of the ConfigMap `coredns`: one line per node address, for the hosts plugin. */
import { type ConfigMap, configMaps, type Node, nodes } from '../../bootstrap/client/resources.ts'
import { done, type Operator, on } from '../runtime/operator.ts'

const namespace = 'kube-system'
const name = 'coredns'
const key = `${namespace}/${name}`

export const nodeHosts: Operator = {
  name: 'node-hosts',
  watches: [
    on(nodes, (node, old, change) =>
      change !== 'updated' || hostLines(node).join() !== hostLines(old!).join() ? key : undefined,
    ),
    on(configMaps, (map: ConfigMap) =>
      map.metadata.namespace === namespace && map.metadata.name === name ? key : undefined,
    ),
  ],
  async reconcile(_, { client, informers }) {
    const map = informers.get(configMaps).get(key)
    if (!map) return done
    const lines = informers.get(nodes).list().flatMap(hostLines).sort()
    const wanted = lines.map(line => `${line}\n`).join('')
    if (map.data?.NodeHosts === wanted) return done
    await client.patch(configMaps, { name, namespace }, { data: { NodeHosts: wanted } }, { type: 'merge' })
    return done
  },
}

/** "IP node [hostname]" for every address of the node. */
export function hostLines(node: Node): string[] {
  const addresses = node.status?.addresses ?? []
  const hostname = addresses.find(address => address.type === 'Hostname')?.address
  const names = [
    node.metadata.name,
    ...(hostname !== undefined && hostname !== node.metadata.name ? [hostname] : []),
  ].join(' ')
  return addresses.filter(address => address.type === 'InternalIP').map(address => `${address.address} ${names}`)
}
