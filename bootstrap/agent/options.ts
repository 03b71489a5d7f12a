/** What an agent is told at its start. Paths are absolute. */
import type { Taint } from '../api/types.gen.ts'
import type { Registries } from './containerd/registries.ts'

export interface AgentOptions {
  readonly nodeName: string
  readonly hostname?: string
  /** Internal addresses, primary first; may change, see Agent.addressesChanged. */
  readonly nodeIps: readonly string[]
  readonly nodeExternalIps?: readonly string[]
  readonly nodeInternalDns?: readonly string[]
  readonly nodeExternalDns?: readonly string[]
  /** The node is to wait for a cloud controller, which publishes its addresses. */
  readonly externalCloud?: boolean
  /** What the node says of itself; else a cloud controller does. */
  readonly providerId?: string | undefined
  /** Reapplied at each start. */
  readonly nodeLabels?: { readonly [key: string]: string }
  readonly nodeAnnotations?: { readonly [key: string]: string }
  /** Only given to a node that registers for the first time. */
  readonly nodeTaints?: readonly Taint[]
  /** /var/lib/rancher/k3s */
  readonly dataDir: string
  /** Where containerd's socket and state live; /run/k3s/containerd. */
  readonly containerdDir?: string
  /** /var/lib/kubelet */
  readonly kubeletDir?: string
  /** /var/log/pods */
  readonly podLogDir?: string
  /** /var/log/containers */
  readonly containerLogDir?: string
  readonly clusterDns: readonly string[]
  readonly clusterDomain: string
  /** e.g. "rancher/mirrored-pause:3.10.2" */
  readonly pauseImage: string
  readonly snapshotter: string
  readonly cniBinDir?: string
  /** agent/etc/cni/net.d in the data-dir */
  readonly cniConfDir?: string
  readonly registries?: Registries
  readonly disableDefaultRegistryEndpoint?: boolean
  readonly selinux?: boolean
  /** Of containers without a RuntimeClass; runc. */
  readonly defaultRuntime?: string | undefined
  /** Non-root containers own the devices they are given. */
  readonly nonrootDevices?: boolean
  /** Use this CRI socket instead of starting containerd. */
  readonly containerRuntimeEndpoint?: string | undefined
  readonly resolvConf?: string | undefined
  /** The version the node reports, e.g. "v1.36.2+skiff1". */
  readonly version: string
  readonly maxPods?: number
  /** The kubelet's HTTPS server; left out, none is started. */
  readonly server?: {
    readonly port: number
    readonly bindAddress: string
    /** PEM */
    readonly certificate: string
    readonly key: string
    readonly clientCa: string
  }
  /** Loopback port of /healthz (10248); left out, none is opened. */
  readonly healthzPort?: number
}
