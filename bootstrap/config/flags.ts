/** Every flag of `server` and `agent` in one typed table: parsing, help and documentation derive from it (k3s-io/k3s pkg/cli/cmds). */

export type FlagType = 'string' | 'list' | 'bool' | 'int' | 'duration'

export type FlagGroup =
  | 'data'
  | 'cluster'
  | 'networking'
  | 'listener'
  | 'client'
  | 'components'
  | 'db'
  | 'storage'
  | 'flags'
  | 'helm'
  | 'experimental'
  | 'agent/node'
  | 'agent/runtime'
  | 'agent/networking'
  | 'agent/flags'
  | 'logging'

export interface Flag {
  readonly name: string
  readonly short?: string
  /** Other long names. */
  readonly aliases?: readonly string[]
  readonly type: FlagType
  readonly default?: string
  readonly env?: string
  readonly group: FlagGroup
  readonly usage: string
  /** Accepted, but not listed by --help. */
  readonly hidden?: boolean
}

type Extra = Partial<Omit<Flag, 'name' | 'type' | 'group' | 'usage'>>

const of =
  (type: FlagType) =>
  (group: FlagGroup, name: string, usage: string, extra: Extra = {}): Flag => ({ type, group, name, usage, ...extra })
const string = of('string')
const list = of('list')
const bool = of('bool')
const int = of('int')
const duration = of('duration')

/** Flags that `server` and `agent` share. */
const common: readonly Flag[] = [
  string('data', 'config', 'Load configuration from FILE', {
    short: 'c',
    env: 'K3S_CONFIG_FILE',
    default: '/etc/rancher/k3s/config.yaml',
  }),
  bool('logging', 'debug', 'Turn on debug logs', { env: 'K3S_DEBUG' }),
  int('logging', 'v', 'Number for the log level verbosity', { default: '0' }),
  string('logging', 'vmodule', 'Comma-separated list of FILE_PATTERN=LOG_LEVEL settings', { hidden: true }),
  string('logging', 'log', 'Log to file', { short: 'l' }),
  bool('logging', 'alsologtostderr', 'Log to standard error as well as file (if set)'),
  string('listener', 'bind-address', 'IP address to bind to', { default: '0.0.0.0' }),
  string('data', 'data-dir', 'Folder to hold state', {
    short: 'd',
    env: 'K3S_DATA_DIR',
    default: '/var/lib/rancher/k3s',
  }),
  string('cluster', 'token', 'Shared secret used to join a server or agent to a cluster', {
    short: 't',
    env: 'K3S_TOKEN',
  }),
  string('cluster', 'token-file', 'File containing the token', { env: 'K3S_TOKEN_FILE' }),
  string('cluster', 'server', 'Server to connect to, used to join a cluster', { short: 's', env: 'K3S_URL' }),
  bool('experimental', 'rootless', 'Run rootless'),
  bool('experimental', 'prefer-bundled-bin', 'Prefer bundled userspace binaries over host binaries'),
]

const node: readonly Flag[] = [
  list('agent/networking', 'node-ip', 'IPv4/IPv6 addresses to advertise for node', { short: 'i' }),
  list('agent/networking', 'node-external-ip', 'IPv4/IPv6 external IP addresses to advertise for node'),
  list('agent/networking', 'node-internal-dns', 'Internal DNS addresses to advertise for node'),
  list('agent/networking', 'node-external-dns', 'External DNS addresses to advertise for node'),
  string('agent/node', 'node-name', 'Node name', { env: 'K3S_NODE_NAME' }),
  bool('agent/node', 'with-node-id', 'Append id to node name'),
  list('agent/node', 'node-label', 'Registering and starting the node agent with a set of labels'),
  list('agent/node', 'node-taint', 'Registering the node with a set of taints'),
  bool('agent/node', 'protect-kernel-defaults', 'Fail if kernel settings differ from what the node agent wants'),
  bool('agent/node', 'selinux', 'Enable SELinux in containerd', { env: 'K3S_SELINUX' }),
  int('agent/node', 'lb-server-port', 'Local port of the client load-balancer to the servers', {
    default: '6444',
    env: 'K3S_LB_SERVER_PORT',
  }),
  string('agent/node', 'image-credential-provider-bin-dir', 'Directory of credential provider plugins', {
    default: '/var/lib/rancher/credentialprovider/bin',
  }),
  string('agent/node', 'image-credential-provider-config', 'Configuration file of credential provider plugins', {
    default: '/var/lib/rancher/credentialprovider/config.yaml',
  }),
  bool('agent/runtime', 'docker', 'Use cri-dockerd instead of containerd'),
  string('agent/runtime', 'container-runtime-endpoint', 'Use the CRI socket at this path instead of an own containerd'),
  string('agent/runtime', 'default-runtime', 'Default runtime of containerd'),
  string('agent/runtime', 'image-service-endpoint', 'Use this socket as image service'),
  string('agent/runtime', 'private-registry', 'Registry configuration file', {
    default: '/etc/rancher/k3s/registries.yaml',
  }),
  list('agent/runtime', 'airgap-extra-registry', 'Additional registry to tag airgap images as being sourced from', {
    hidden: true,
  }),
  string('agent/runtime', 'pause-image', 'Image of the sandbox container', {
    default: 'rancher/mirrored-pause:3.10.2',
  }),
  string('agent/runtime', 'snapshotter', 'Snapshotter of containerd', { default: 'overlayfs' }),
  bool(
    'agent/runtime',
    'disable-default-registry-endpoint',
    'No fallback to the default endpoint when a mirror is configured',
  ),
  bool('agent/runtime', 'nonroot-devices', 'Let non-root containers own the devices they are given'),
  string('agent/networking', 'flannel-iface', 'Override the default overlay interface'),
  string('agent/networking', 'flannel-conf', 'Override the default overlay configuration file'),
  string('agent/networking', 'flannel-cni-conf', 'Override the default CNI configuration file'),
  string('agent/networking', 'vpn-auth', 'Credentials of the VPN provider', { env: 'K3S_VPN_AUTH' }),
  string('agent/networking', 'vpn-auth-file', 'File containing credentials of the VPN provider', {
    env: 'K3S_VPN_AUTH_FILE',
  }),
  string('agent/networking', 'resolv-conf', 'resolv.conf file for pods', { env: 'K3S_RESOLV_CONF' }),
  list('agent/flags', 'kubelet-arg', 'Customized flag for the node agent'),
  list('agent/flags', 'kube-proxy-arg', 'Customized flag for the service proxy'),
  bool('experimental', 'enable-pprof', 'Enable profiling on the supervisor port'),
]

const serverOnly: readonly Flag[] = [
  list('networking', 'cluster-cidr', 'IPv4/IPv6 network CIDRs to use for pod IPs', { default: '10.42.0.0/16' }),
  list('networking', 'service-cidr', 'IPv4/IPv6 network CIDRs to use for service IPs', { default: '10.43.0.0/16' }),
  string('networking', 'service-node-port-range', 'Port range to reserve for services with NodePort visibility', {
    default: '30000-32767',
  }),
  list('networking', 'cluster-dns', 'IPv4/IPv6 cluster IP of the DNS service, in the service-cidr range'),
  string('networking', 'cluster-domain', 'Cluster domain', { default: 'cluster.local' }),
  string('networking', 'flannel-backend', "Overlay backend: 'none', 'vxlan', 'host-gw', 'wireguard-native'", {
    default: 'vxlan',
  }),
  bool('networking', 'flannel-ipv6-masq', 'Masquerade IPv6 traffic of pods'),
  bool('networking', 'flannel-external-ip', 'Use node external IP addresses for overlay traffic'),
  string('networking', 'egress-selector-mode', "One of 'agent', 'cluster', 'pod', 'disabled'", { default: 'agent' }),
  string('networking', 'servicelb-namespace', 'Namespace of the pods for ServiceLB', { default: 'kube-system' }),
  list('flags', 'kube-apiserver-arg', 'Customized flag for the API server'),
  list('flags', 'etcd-arg', 'Customized flag for etcd'),
  list('flags', 'kube-scheduler-arg', 'Customized flag for the scheduler'),
  list('flags', 'kube-controller-manager-arg', 'Customized flag for the controllers'),
  list('flags', 'kube-cloud-controller-manager-arg', 'Customized flag for the cloud controller'),
  list('flags', 'kube-controller-arg', 'Old name of kube-controller-manager-arg', { hidden: true }),
  list('flags', 'kube-cloud-controller-arg', 'Old name of kube-cloud-controller-manager-arg', { hidden: true }),
  list('flags', 'helm-controller-arg', 'Customized flag for the Helm controller'),
  int('listener', 'https-listen-port', 'HTTPS listen port', { default: '6443' }),
  int('experimental', 'supervisor-port', 'Port of the supervisor', { env: 'K3S_SUPERVISOR_PORT', hidden: true }),
  int('experimental', 'apiserver-port', 'Port of the API server', { env: 'K3S_APISERVER_PORT', hidden: true }),
  string('experimental', 'apiserver-bind-address', 'Address of the API server', {
    env: 'K3S_APISERVER_BIND_ADDRESS',
    hidden: true,
  }),
  string('listener', 'advertise-address', 'IPv4/IPv6 address advertised to the members of the cluster'),
  int('listener', 'advertise-port', 'Port advertised to the members of the cluster'),
  list('listener', 'tls-san', 'Additional host names or addresses for the server certificate'),
  bool('listener', 'tls-san-security', 'Refuse to add names to the certificate that nobody configured', {
    default: 'true',
  }),
  string('client', 'write-kubeconfig', 'Write kubeconfig for admin client to this file', {
    short: 'o',
    env: 'K3S_KUBECONFIG_OUTPUT',
  }),
  string('client', 'write-kubeconfig-mode', 'Write kubeconfig with this mode', { env: 'K3S_KUBECONFIG_MODE' }),
  string('client', 'write-kubeconfig-group', 'Write kubeconfig with this group', { env: 'K3S_KUBECONFIG_GROUP' }),
  string('client', 'write-kubeconfig-name', 'Name of cluster, user and context in the kubeconfig', {
    default: 'default',
    env: 'K3S_KUBECONFIG_NAME',
  }),
  string('helm', 'helm-job-image', 'Default image of Helm jobs'),
  string('cluster', 'agent-token', 'Shared secret used to join agents to the cluster, but not servers', {
    env: 'K3S_AGENT_TOKEN',
  }),
  string('cluster', 'agent-token-file', 'File containing the agent secret', { env: 'K3S_AGENT_TOKEN_FILE' }),
  bool('cluster', 'cluster-init', 'Initialize a new cluster using embedded etcd', { env: 'K3S_CLUSTER_INIT' }),
  bool('cluster', 'cluster-reset', 'Forget all peers and become sole member of a new cluster', {
    env: 'K3S_CLUSTER_RESET',
  }),
  string('db', 'cluster-reset-restore-path', 'Path to snapshot file to be restored'),
  bool('db', 'kine-tls', 'Accepted for compatibility, without effect', { hidden: true }),
  string('db', 'datastore-endpoint', 'etcd, MySQL, Postgres or SQLite (default) data source name', {
    env: 'K3S_DATASTORE_ENDPOINT',
  }),
  string('db', 'datastore-cafile', 'TLS CA file to secure the datastore', { env: 'K3S_DATASTORE_CAFILE' }),
  string('db', 'datastore-certfile', 'TLS certificate file to secure the datastore', { env: 'K3S_DATASTORE_CERTFILE' }),
  string('db', 'datastore-keyfile', 'TLS key file to secure the datastore', { env: 'K3S_DATASTORE_KEYFILE' }),
  bool('db', 'etcd-expose-metrics', 'Expose etcd metrics to the client interface'),
  bool('db', 'etcd-disable-snapshots', 'Disable automatic snapshots'),
  string('db', 'etcd-snapshot-name', 'Base name of snapshots', { default: 'etcd-snapshot' }),
  string('db', 'etcd-snapshot-schedule-cron', 'Snapshot interval in cron spec', { default: '0 */12 * * *' }),
  duration('db', 'etcd-snapshot-reconcile-interval', 'Snapshot reconcile interval', { default: '10m' }),
  int('db', 'etcd-snapshot-retention', 'Number of snapshots to retain', { default: '5' }),
  string('db', 'etcd-snapshot-dir', 'Directory of snapshots (default: server/db/snapshots in the data-dir)'),
  bool('db', 'etcd-snapshot-compress', 'Compress snapshots'),
  string('db', 'etcd-snapshot-passphrase-file', 'File with a passphrase to encrypt snapshots with'),
  bool('db', 'etcd-s3', 'Enable backup to S3'),
  string('db', 'etcd-s3-endpoint', 'S3 endpoint', { default: 's3.amazonaws.com' }),
  string('db', 'etcd-s3-endpoint-ca', 'CA file of the S3 endpoint'),
  bool('db', 'etcd-s3-skip-ssl-verify', 'Do not verify the certificate of S3'),
  string('db', 'etcd-s3-access-key', 'S3 access key', { env: 'AWS_ACCESS_KEY_ID' }),
  string('db', 'etcd-s3-secret-key', 'S3 secret key', { env: 'AWS_SECRET_ACCESS_KEY' }),
  string('db', 'etcd-s3-session-token', 'S3 session token', { env: 'AWS_SESSION_TOKEN' }),
  string('db', 'etcd-s3-bucket', 'S3 bucket'),
  string('db', 'etcd-s3-bucket-lookup-type', "S3 bucket lookup type, 'auto', 'dns' or 'path'"),
  string('db', 'etcd-s3-region', 'S3 region', { default: 'us-east-1' }),
  string('db', 'etcd-s3-folder', 'S3 folder'),
  int('db', 'etcd-s3-retention', 'Number of snapshots in S3 to retain', { default: '5' }),
  string('db', 'etcd-s3-proxy', 'Proxy server for S3'),
  string('db', 'etcd-s3-config-secret', 'Secret in kube-system with the S3 configuration'),
  bool('db', 'etcd-s3-insecure', 'Use S3 over HTTP'),
  duration('db', 'etcd-s3-timeout', 'S3 timeout', { default: '5m' }),
  string('storage', 'default-local-storage-path', 'Default local storage path of the local provisioner'),
  list(
    'components',
    'disable',
    'Packaged components not to deploy, and to delete (coredns, servicelb, traefik, local-storage, metrics-server, runtimes, system-upgrade)',
  ),
  bool('components', 'prune-manifests', 'Delete the objects of a file in server/manifests when the file is deleted'),
  bool('components', 'disable-scheduler', 'Disable the scheduler'),
  bool('components', 'disable-cloud-controller', 'Disable the cloud controller'),
  bool('components', 'disable-kube-proxy', 'Disable the service proxy'),
  bool('components', 'disable-network-policy', 'Disable network policies'),
  bool('components', 'disable-helm-controller', 'Disable the Helm controller'),
  bool('components', 'disable-apiserver', 'Disable the API server', { hidden: true }),
  bool('components', 'disable-controller-manager', 'Disable the controllers', { hidden: true }),
  bool('components', 'disable-etcd', 'Disable etcd', { hidden: true }),
  bool('components', 'disable-agent', 'Do not run a node agent on this server', { hidden: true }),
  bool('components', 'embedded-registry', 'Share images between nodes'),
  bool('components', 'supervisor-metrics', 'Serve internal metrics on the supervisor port'),
  string('agent/runtime', 'system-default-registry', 'Private registry of all system images', {
    env: 'K3S_SYSTEM_DEFAULT_REGISTRY',
  }),
  bool('components', 'secrets-encryption', 'Enable encryption of secrets at rest'),
  string('experimental', 'secrets-encryption-provider', "Encryption provider, 'aescbc' or 'secretbox'", {
    default: 'aescbc',
  }),
]

const agentOnly: readonly Flag[] = [
  bool('agent/networking', 'disable-apiserver-lb', 'Dial the servers directly, without the local load-balancer'),
]

export const serverFlags: readonly Flag[] = [...common, ...node, ...serverOnly]
export const agentFlags: readonly Flag[] = [...common, ...node, ...agentOnly]

/** Those of the server's flags that say something about the cluster, not about a server process. */
const shared = new Set([
  'debug',
  'cluster-cidr',
  'service-cidr',
  'cluster-dns',
  'cluster-domain',
  'node-name',
  'disable',
  'data-dir',
])

/** Flags of `operator`: whose cluster, and what of the server's configuration an operator may want to know. */
export const operatorFlags: readonly Flag[] = [
  string('client', 'kubeconfig', 'Cluster to work on; by default as kubectl finds it', { short: 'k' }),
  string('client', 'context', 'Context of the kubeconfig'),
  bool('cluster', 'leader-elect', 'Work only while holding the Lease skiff-NAME', { default: 'true' }),
  string('cluster', 'lease-namespace', 'Namespace of that Lease', { default: 'kube-system' }),
  ...serverFlags.filter(({ name }) => name !== 'config').map(flag => ({ ...flag, hidden: !shared.has(flag.name) })),
]
