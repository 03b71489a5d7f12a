/** What a server told the node, as the node's own settings. */
import type { ClusterSettings } from '../config/server-config.ts'
import { type ControlConfig, cidrOf } from './control-config.ts'

/** Throws an Error in one line for settings that make no sense. */
export function clusterSettings(control: ControlConfig): ClusterSettings {
  return {
    clusterCidrs: several(control.ClusterIPRanges, control.ClusterIPRange).map(cidrOf),
    serviceCidrs: several(control.ServiceIPRanges, control.ServiceIPRange).map(cidrOf),
    clusterDns: several(control.ClusterDNSs, control.ClusterDNS),
    clusterDomain: control.ClusterDomain,
    flannelBackend: control.FlannelBackend,
    flannelIpv6Masq: control.FlannelIPv6Masq,
    flannelExternalIp: control.FlannelExternalIP,
    egressSelectorMode: control.EgressSelectorMode,
    disableKubeProxy: control.DisableKubeProxy,
    disableCloudController: control.DisableCCM,
    servicelbNamespace: control.ServiceLBNamespace || 'kube-system',
  }
}

/** Servers of old name only one of each. */
const several = <T>(list: readonly T[] | null | undefined, one: T): readonly T[] => (list?.length ? list : [one])

/** An image as the cluster's own registry has it, where it has one. */
export function systemImage(image: string, registry: string): string {
  return registry === '' || image === '' || image.startsWith(registry) ? image : `${registry}/${image}`
}
