/** What `server` and `agent` run with: the flags' values resolved, completed from the machine and checked against each other. */

import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Taint } from '../api/types.gen.ts'
import { machineAddresses } from './machine-addresses.ts'
import { anyAddress, clusterDnsOf, networksOf, requireNodeFamilies } from './networks.ts'
import { ConfigError, type FlagValues } from './parse.ts'
import { type S3Config, s3Config } from './s3-config.ts'
import { type SnapshotSettings, snapshotSettings } from './snapshot-settings.ts'

export interface NodeConfig {
  readonly dataDir: string
  /** Without the id that --with-node-id appends. */
  readonly nodeName: string
  readonly withNodeId: boolean
  /** At the start; unless they were given, the agent follows the machine's. */
  readonly nodeIps: readonly string[]
  readonly nodeIpsGiven: boolean
  readonly nodeExternalIps: readonly string[]
  readonly nodeInternalDns: readonly string[]
  readonly nodeExternalDns: readonly string[]
  readonly nodeLabels: readonly string[]
  /** What the node tells of how it was configured. */
  readonly nodeAnnotations: { readonly [key: string]: string }
  readonly nodeTaints: readonly Taint[]
  readonly kubeletArgs: readonly string[]
  readonly kubeProxyArgs: readonly string[]
  readonly containerRuntimeEndpoint: string | undefined
  readonly privateRegistry: string
  readonly pauseImage: string
  readonly snapshotter: string
  readonly selinux: boolean
  readonly defaultRuntime: string | undefined
  readonly nonrootDevices: boolean
  readonly disableDefaultRegistryEndpoint: boolean
  readonly resolvConf: string | undefined
  /** The interface of the overlay network; else the one that has the node's address. */
  readonly flannelIface: string | undefined
  /** A CNI configuration in place of ours. */
  readonly flannelCniConf: string | undefined
  readonly bindAddress: string
  readonly debug: boolean
}

/** What a node must know of its cluster: a server by its flags, an agent by what a server tells it. */
export interface ClusterSettings {
  readonly clusterCidrs: readonly string[]
  readonly serviceCidrs: readonly string[]
  readonly clusterDns: readonly string[]
  readonly clusterDomain: string
  readonly flannelBackend: string
  readonly flannelIpv6Masq: boolean
  readonly flannelExternalIp: boolean
  readonly egressSelectorMode: string
  readonly disableKubeProxy: boolean
  readonly disableCloudController: boolean
  readonly servicelbNamespace: string
}

export interface ServerConfig extends NodeConfig, ClusterSettings {
  readonly httpsPort: number
  readonly advertiseAddress: string
  readonly advertisePort: number
  readonly tlsSans: readonly string[]
  /** The certificate gets no names that clients make up. */
  readonly tlsSanSecurity: boolean
  readonly nodePortRange: readonly [first: number, last: number]
  /** A server whose cluster this one is to join. */
  readonly joinUrl: string | undefined
  readonly token: string | undefined
  readonly agentToken: string | undefined
  readonly datastore: {
    readonly endpoint: string
    readonly caFile: string | undefined
    readonly certFile: string | undefined
    readonly keyFile: string | undefined
  }
  /** The embedded one. */
  readonly etcd: {
    readonly clusterInit: boolean
    readonly clusterReset: boolean
    /** A snapshot, or its name in S3, that --cluster-reset is to restore. */
    readonly restorePath: string | undefined
    readonly exposeMetrics: boolean
    /** Snapshots are encrypted with what is in it; Skiff's own flag. */
    readonly snapshotPassphraseFile: string | undefined
    /** "name=value" each, for etcd's own settings. */
    readonly args: readonly string[]
  }
  /** Where snapshots go beside the disk, if they do. */
  readonly s3: S3Config | undefined
  /** Snapshots of whichever datastore it is. */
  readonly snapshots: SnapshotSettings
  readonly kubeconfig: {
    readonly path: string | undefined
    readonly mode: number | undefined
    /** Name or number of the group that may read it, by the mode's group bits. */
    readonly group: string | undefined
    readonly name: string
  }
  readonly disabled: ReadonlySet<string>
  /** Objects of a deleted manifest file go with it; Skiff's own flag. */
  readonly pruneManifests: boolean
  readonly disableAgent: boolean
  readonly disableScheduler: boolean
  readonly disableControllerManager: boolean
  readonly disableNetworkPolicy: boolean
  readonly flannelIpv6Masq: boolean
  readonly flannelExternalIp: boolean
  readonly embeddedRegistry: boolean
  readonly supervisorMetrics: boolean
  readonly disableHelmController: boolean
  /** Image of Helm's Jobs in place of the built-in module; empty for that. */
  readonly helmJobImage: string
  /** Of the controllers, "name=value". */
  readonly controllerArgs: readonly string[]
  readonly systemDefaultRegistry: string
  readonly defaultLocalStoragePath: string
}

/** What this machine says about itself; passed in so that tests can say it. */
export interface Machine {
  readonly hostname: string
  /** Its first global address, the one nodes reach each other by: IPv4 where it has that. */
  readonly primaryAddress: string | undefined
  /** The first such address of one interface. */
  readonly addressOf?: (iface: string) => string | undefined
}

export function thisMachine(): Machine {
  const first = (addresses: readonly string[]) => addresses.find(address => isIP(address) === 4) ?? addresses[0]
  return {
    hostname: hostname(),
    primaryAddress: first(machineAddresses()),
    addressOf: iface => first(machineAddresses(iface)),
  }
}

/** Throws ConfigError for flags that do not fit each other or are not built yet. */
export function serverConfig(values: FlagValues, machine: Machine): ServerConfig {
  refuseConflicts(values)
  refuseUnbuilt(values)
  const node = nodeConfig(values, machine)
  const httpsPort = port(values, 'https-listen-port')
  const networks = networksOf(values, node.nodeIps)
  if (!values.bool('disable-agent')) requireNodeFamilies(networks.clusterCidrs, node.nodeIps)
  const clusterDns = values.list('cluster-dns', true).map(address => ip('cluster-dns', address))
  return {
    ...node,
    httpsPort,
    advertiseAddress: values.string('advertise-address') ?? node.nodeExternalIps[0] ?? node.nodeIps[0]!,
    advertisePort: values.given('advertise-port') ? port(values, 'advertise-port') : httpsPort,
    tlsSans: values.list('tls-san', true),
    tlsSanSecurity: values.bool('tls-san-security'),
    ...networks,
    nodePortRange: portRange(values.string('service-node-port-range') ?? ''),
    clusterDns: clusterDnsOf(clusterDns, networks.serviceCidrs),
    clusterDomain: values.string('cluster-domain') ?? 'cluster.local',
    flannelBackend: oneOf(values, 'flannel-backend', ['none', 'vxlan', 'host-gw', 'wireguard-native']),
    flannelIpv6Masq: values.bool('flannel-ipv6-masq'),
    flannelExternalIp: values.bool('flannel-external-ip'),
    egressSelectorMode: oneOf(values, 'egress-selector-mode', ['agent', 'cluster', 'pod', 'disabled']),
    joinUrl: values.string('server') || undefined,
    token: values.string('token'),
    agentToken: values.string('agent-token'),
    datastore: {
      endpoint: values.string('datastore-endpoint') ?? '',
      caFile: values.string('datastore-cafile'),
      certFile: values.string('datastore-certfile'),
      keyFile: values.string('datastore-keyfile'),
    },
    etcd: {
      clusterInit: values.bool('cluster-init'),
      clusterReset: values.bool('cluster-reset'),
      restorePath: values.string('cluster-reset-restore-path') || undefined,
      exposeMetrics: values.bool('etcd-expose-metrics'),
      snapshotPassphraseFile: values.string('etcd-snapshot-passphrase-file'),
      args: values.list('etcd-arg'),
    },
    s3: s3Config(values),
    snapshots: snapshotSettings(values, node.dataDir),
    kubeconfig: {
      path: values.string('write-kubeconfig'),
      mode: fileMode(values),
      name: values.string('write-kubeconfig-name') ?? 'default',
      group: values.string('write-kubeconfig-group'),
    },
    disabled: new Set(values.list('disable', true)),
    pruneManifests: values.bool('prune-manifests'),
    disableAgent: values.bool('disable-agent'),
    disableKubeProxy: values.bool('disable-kube-proxy'),
    disableScheduler: values.bool('disable-scheduler'),
    disableControllerManager: values.bool('disable-controller-manager'),
    disableCloudController: values.bool('disable-cloud-controller'),
    disableNetworkPolicy: values.bool('disable-network-policy'),
    embeddedRegistry: values.bool('embedded-registry'),
    supervisorMetrics: values.bool('supervisor-metrics'),
    servicelbNamespace: values.string('servicelb-namespace') ?? 'kube-system',
    disableHelmController: values.bool('disable-helm-controller'),
    helmJobImage: values.string('helm-job-image') ?? '',
    controllerArgs: [...values.list('kube-controller-arg'), ...values.list('kube-controller-manager-arg')],
    systemDefaultRegistry: values.string('system-default-registry') ?? '',
    defaultLocalStoragePath: values.string('default-local-storage-path') ?? join(node.dataDir, 'storage'),
  }
}

/** What a server's own agent and `skiff agent` have in common. */
export function nodeConfig(values: FlagValues, machine: Machine): NodeConfig {
  const nodeIps = nodeAddresses(values, machine)
  const nodeName = (values.string('node-name') ?? machine.hostname).toLowerCase()
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(nodeName))
    throw new ConfigError(
      `invalid node name "${nodeName}": want lower case letters, digits, "-" and ".", see --node-name`,
    )
  return {
    dataDir: values.string('data-dir') ?? '/var/lib/rancher/k3s',
    nodeName,
    withNodeId: values.bool('with-node-id'),
    nodeIps,
    nodeIpsGiven: values.given('node-ip'),
    nodeExternalIps: values.list('node-external-ip', true).map(address => ip('node-external-ip', address)),
    nodeInternalDns: values.list('node-internal-dns', true),
    nodeExternalDns: values.list('node-external-dns', true),
    nodeLabels: values.list('node-label', true),
    nodeAnnotations: {},
    nodeTaints: values.list('node-taint', true).map(taint),
    kubeletArgs: values.list('kubelet-arg'),
    kubeProxyArgs: values.list('kube-proxy-arg'),
    containerRuntimeEndpoint: values.string('container-runtime-endpoint'),
    privateRegistry: values.string('private-registry') ?? '/etc/rancher/k3s/registries.yaml',
    pauseImage: values.string('pause-image') ?? 'rancher/mirrored-pause:3.10.2',
    snapshotter: values.string('snapshotter') ?? 'overlayfs',
    selinux: values.bool('selinux'),
    defaultRuntime: values.string('default-runtime') || undefined,
    nonrootDevices: values.bool('nonroot-devices'),
    disableDefaultRegistryEndpoint: values.bool('disable-default-registry-endpoint'),
    resolvConf: values.string('resolv-conf'),
    flannelIface: values.string('flannel-iface') || undefined,
    flannelCniConf: readable(values, 'flannel-cni-conf'),
    bindAddress: values.given('bind-address')
      ? ip('bind-address', values.string('bind-address') ?? '')
      : anyAddress(nodeIps),
    debug: values.bool('debug'),
  }
}

/** Those given; else that of the overlay's interface; else the machine's first. */
function nodeAddresses(values: FlagValues, machine: Machine): readonly string[] {
  const given = values.list('node-ip', true).map(address => ip('node-ip', address))
  if (given.length > 0) return given
  const iface = values.string('flannel-iface')
  const found = iface === undefined ? machine.primaryAddress : machine.addressOf?.(iface)
  if (found !== undefined) return [found]
  if (iface !== undefined) throw new ConfigError(`--flannel-iface ${iface}: there is no such interface with an address`)
  throw new ConfigError('this machine has no global IP address: give one with --node-ip')
}

function refuseConflicts(values: FlagValues): void {
  if (values.given('cluster-reset-restore-path') && !values.bool('cluster-reset'))
    throw new ConfigError('invalid flag use; --cluster-reset required with --cluster-reset-restore-path')
  if (values.bool('cluster-reset') && values.given('server'))
    throw new ConfigError(
      'cannot perform cluster-reset while server URL is set - remove server from configuration before resetting',
    )
  if (values.bool('disable-etcd') && !values.given('server'))
    throw new ConfigError('invalid flag use; --server is required with --disable-etcd')
  if (values.given('datastore-endpoint') && values.bool('disable-apiserver'))
    throw new ConfigError('invalid flag use; cannot use --disable-apiserver with --datastore-endpoint')
  if (values.given('datastore-endpoint') && values.bool('disable-etcd'))
    throw new ConfigError('invalid flag use; cannot use --disable-etcd with --datastore-endpoint')
}

/** Flags whose effect later issues bring: better refused than ignored where ignoring would lose or expose data. */
function refuseUnbuilt(values: FlagValues): void {
  const unbuilt = ['disable-etcd', 'disable-apiserver', 'secrets-encryption', 'rootless', 'docker']
  const asked = unbuilt.find(name => values.given(name) && values.string(name) !== 'false')
  if (asked !== undefined) throw new ConfigError(`--${asked} is not supported by this version yet: leave it out`)
}

/** The path of a file that must be there. */
function readable(values: FlagValues, name: string): string | undefined {
  const path = values.string(name)
  if (path !== undefined && !existsSync(path)) throw new ConfigError(`--${name} ${path}: no such file`)
  return path
}

function port(values: FlagValues, name: string): number {
  const value = values.int(name) ?? 0
  if (value < 1 || value > 65535) throw new ConfigError(`invalid --${name} ${value}: want a port from 1 to 65535`)
  return value
}

function ip(name: string, address: string): string {
  if (isIP(address) === 0) throw new ConfigError(`invalid --${name} "${address}": want an IP address`)
  return address
}

/** "key=value:Effect" or "key:Effect". */
function taint(text: string): Taint {
  const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text)
  if (!match)
    throw new ConfigError(
      `invalid --node-taint "${text}": want key=value:Effect with NoSchedule, PreferNoSchedule or NoExecute`,
    )
  return { key: match[1]!, ...(match[2] === undefined ? {} : { value: match[2] }), effect: match[3]! }
}

function portRange(text: string): readonly [number, number] {
  const match = /^(\d+)-(\d+)$/.exec(text)
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  if (!match || first < 1 || last > 65535 || first > last)
    throw new ConfigError(`invalid --service-node-port-range "${text}": want a range such as 30000-32767`)
  return [first, last]
}

function oneOf(values: FlagValues, name: string, choices: readonly string[]): string {
  const value = values.string(name) ?? choices[0]!
  if (!choices.includes(value)) throw new ConfigError(`invalid --${name} "${value}": want one of ${choices.join(', ')}`)
  return value
}

function fileMode(values: FlagValues): number | undefined {
  const text = values.string('write-kubeconfig-mode')
  if (text === undefined) return undefined
  if (!/^0?[0-7]{3}$/.test(text))
    throw new ConfigError(`invalid --write-kubeconfig-mode "${text}": want an octal mode such as 644`)
  return Number.parseInt(text, 8)
}
