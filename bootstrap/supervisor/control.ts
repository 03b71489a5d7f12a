/** What this server tells those that join it, from its own settings. */
import type { ServerConfig } from '../config/server-config.ts'
import { type ControlConfig, ipNet } from '../join/control-config.ts'

export function controlOf(config: ServerConfig): ControlConfig {
  const clusterRanges = config.clusterCidrs.map(ipNet)
  const serviceRanges = config.serviceCidrs.map(ipNet)
  const [firstPort, lastPort] = config.nodePortRange
  return {
    ClusterDNS: config.clusterDns[0]!,
    ClusterDNSs: config.clusterDns,
    ClusterDomain: config.clusterDomain,
    ClusterIPRange: clusterRanges[0]!,
    ClusterIPRanges: clusterRanges,
    ServiceIPRange: serviceRanges[0]!,
    ServiceIPRanges: serviceRanges,
    DisableCCM: config.disableCloudController,
    DisableHelmController: config.disableHelmController,
    DisableNPC: config.disableNetworkPolicy,
    DisableServiceLB: config.disabled.has('servicelb'),
    EncryptSecrets: false,
    EncryptProvider: 'aescbc',
    EmbeddedRegistry: config.embeddedRegistry,
    FlannelBackend: config.flannelBackend,
    FlannelIPv6Masq: config.flannelIpv6Masq,
    FlannelExternalIP: config.flannelExternalIp,
    EgressSelectorMode: config.egressSelectorMode,
    SupervisorMetrics: config.supervisorMetrics,
    AdvertiseIP: config.advertiseAddress,
    AdvertisePort: config.advertisePort,
    HTTPSPort: config.httpsPort,
    SupervisorPort: config.httpsPort,
    APIServerPort: config.httpsPort,
    ServiceNodePortRange: { Base: firstPort, Size: lastPort - firstPort + 1 },
    DisableAPIServer: false,
    DisableETCD: false,
    DisableKubeProxy: config.disableKubeProxy,
    DisableScheduler: config.disableScheduler,
    ServiceLBNamespace: config.servicelbNamespace,
    SystemDefaultRegistry: config.systemDefaultRegistry,
    ServerNodeName: config.nodeName,
    IPSECPSK: '',
  }
}
