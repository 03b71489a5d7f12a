/** The ports that Skiff itself uses on the nodes: load balancers keep off them. */
import type { Kernel } from '../bootstrap/userland.ts'
import type { Reserved } from './servicelb/placement.ts'

type Settings = Pick<Kernel['config'], 'clusterCidrs' | 'flannelBackend' | 'httpsPort'>

export function reservedPorts({ clusterCidrs, flannelBackend, httpsPort }: Settings, etcd: boolean): Reserved[] {
  const families = clusterCidrs.map(cidr => (cidr.includes(':') ? 'IPv6' : 'IPv4'))
  return [
    { port: `${httpsPort}/TCP`, owner: 'the API server', serversOnly: true },
    { port: '10250/TCP', owner: 'the node agent', serversOnly: false },
    ...overlayPorts(flannelBackend, families).map(port => ({
      port: `${port}/UDP`,
      owner: 'the network between nodes',
      serversOnly: false,
    })),
    ...(etcd ? ['2379/TCP', '2380/TCP'] : []).map(port => ({ port, owner: 'etcd', serversOnly: true })),
  ]
}

function overlayPorts(backend: string, families: readonly string[]): number[] {
  switch (backend) {
    case 'vxlan':
      return [8472]
    case 'wireguard-native':
      return families.map(family => (family === 'IPv4' ? 51820 : 51821))
    default:
      return []
  }
}
