/** A pod's sandbox in CRI's terms. */
import type { Pod } from '../../client/resources.ts'
import type { DNSConfig, PodSandboxConfig, PortMapping } from '../runtime.ts'
import { type ClusterDns, podDns, sandboxHostname } from './dns.ts'
import { podLabels, podLogDirectory, podUid, sourceAnnotation } from './identity.ts'
import { podCgroup } from './qos.ts'
import { sandboxSecurity } from './security.ts'

export interface SandboxContext {
  readonly logRoot: string
  readonly clusterDns: ClusterDns
  readonly hostDns: DNSConfig
}

export function sandboxConfig(pod: Pod, attempt: number, context: SandboxContext): PodSandboxConfig {
  const { name = '', namespace = '' } = pod.metadata
  return {
    metadata: { name, namespace, uid: podUid(pod), attempt },
    // The runtime refuses to set a host name in the host's own UTS namespace.
    ...(pod.spec.hostNetwork ? {} : { hostname: sandboxHostname(pod, context.clusterDns.domain) }),
    logDirectory: podLogDirectory(context.logRoot, pod),
    dnsConfig: podDns(pod, context.clusterDns, context.hostDns),
    portMappings: portMappings(pod),
    labels: podLabels(pod),
    annotations: { [sourceAnnotation]: 'api', ...pod.metadata.annotations },
    linux: {
      cgroupParent: podCgroup(pod),
      securityContext: sandboxSecurity(pod),
      sysctls: Object.fromEntries((pod.spec.securityContext?.sysctls ?? []).map(sysctl => [sysctl.name, sysctl.value])),
    },
  }
}

function portMappings(pod: Pod): PortMapping[] {
  if (pod.spec.hostNetwork) return []
  const containers = [
    ...(pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
    ...pod.spec.containers,
  ]
  return containers
    .flatMap(container => container.ports ?? [])
    .filter(({ hostPort }) => (hostPort ?? 0) > 0)
    .map(({ containerPort, hostPort = 0, hostIP = '', protocol = 'TCP' }) => ({
      protocol: protocol as PortMapping['protocol'],
      containerPort,
      hostPort,
      hostIp: hostIP,
    }))
}
