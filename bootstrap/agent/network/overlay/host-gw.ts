/** The host-gw backend (flannel-io/flannel pkg/backend/hostgw): routes to the other nodes, which are on the same network. */
import { contains, type Family, parseCidr } from '../../../api/cidr.ts'
import type { Backend, BackendDeps } from './backend.ts'
import { applyCommands, type Entries, entryChanges, gatewayRoutes, noEntries } from './entries.ts'

export function hostGateway({ exec }: BackendDeps): Backend {
  const known = new Map<Family, ReadonlyMap<string, string>>()
  /** Routes to other nodes' pods, ours and those of an earlier start. */
  const present = async (family: Family, cluster: string) => {
    const network = parseCidr(cluster)!
    const routes = await gatewayRoutes(exec, family)
    return new Map([...routes].filter(([dst]) => contains(network, dst)))
  }
  const apply = async (from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>) => {
    const entries = (routes: Entries['routes']): Entries => ({ ...noEntries, routes })
    await applyCommands(exec, entryChanges(entries(from), entries(to), ''))
  }
  return {
    name: 'host-gw',
    type: 'host-gw',
    overhead: () => 0,
    device: () => undefined,
    open: async () => undefined,
    async reach({ family, cluster, device }, peers) {
      const from = known.get(family) ?? (await present(family, cluster))
      known.delete(family)
      const to = new Map(peers.map(({ subnet, publicIp }) => [subnet, `via ${publicIp} dev ${device}`]))
      await apply(from, to)
      known.set(family, to)
    },
    doubt: () => known.clear(),
    async remove({ family, cluster }) {
      known.delete(family)
      await apply(await present(family, cluster), new Map())
    },
  }
}
