/** Which certificates a cluster has, as data: files, subjects, uses and names, the way K3s lays them out. */
import type { Usage } from './certificate.ts'

export type CaName = 'serverCa' | 'clientCa' | 'requestHeaderCa' | 'etcdServerCa' | 'etcdPeerCa'

export interface CaLayout {
  readonly file: string
  /** The common name gets "@<unix seconds>" appended. */
  readonly commonName: string
}

/** Files are relative to the data directory and lack ".crt" and ".key". */
export const caLayout: Record<CaName, CaLayout> = {
  serverCa: { file: 'server/tls/server-ca', commonName: 'k3s-server-ca' },
  clientCa: { file: 'server/tls/client-ca', commonName: 'k3s-client-ca' },
  requestHeaderCa: { file: 'server/tls/request-header-ca', commonName: 'k3s-request-header-ca' },
  etcdServerCa: { file: 'server/tls/etcd/server-ca', commonName: 'etcd-server-ca' },
  etcdPeerCa: { file: 'server/tls/etcd/peer-ca', commonName: 'etcd-peer-ca' },
}

export interface LeafLayout {
  readonly file: string
  readonly ca: CaName
  readonly commonName: string
  readonly organizations?: readonly string[]
  readonly usages: readonly Usage[]
  readonly sans?: readonly string[]
}

/** What the names in certificates depend on. Addresses are plain text, without prefix length. */
export interface Names {
  readonly nodeName: string
  readonly nodeIps: readonly string[]
  readonly externalIps?: readonly string[]
  readonly advertiseIp?: string
  /** The first address of each service range. */
  readonly serviceIps: readonly string[]
  readonly clusterDomain: string
  readonly tlsSans: readonly string[]
}

export type LeafName =
  | 'admin'
  | 'supervisor'
  | 'apiserver'
  | 'controller'
  | 'scheduler'
  | 'cloudController'
  | 'authProxy'
  | 'serving'
  | 'controllerServing'
  | 'schedulerServing'
  | 'kubelet'
  | 'kubeletServing'
  | 'kubeProxy'
  | 'k3sController'
  | 'etcdServer'
  | 'etcdPeer'
  | 'etcdClient'

const client = ['client'] as const
const server = ['server'] as const
const loopback = ['localhost', '127.0.0.1', '::1']

/** Every leaf certificate of a server and of the agent beside it. */
export function leafLayout(names: Names): Record<LeafName, LeafLayout> {
  const component = (file: string, commonName: string, organizations: readonly string[] = []): LeafLayout => ({
    file: `server/tls/${file}`,
    ca: 'clientCa',
    commonName,
    organizations,
    usages: client,
  })
  const masters = ['system:masters']
  const nodeNames = unique([names.nodeName, ...loopback, ...names.nodeIps, ...(names.externalIps ?? [])])
  const etcd = { file: 'server/tls/etcd', usages: ['server', 'client'] as const, sans: nodeNames }
  return {
    admin: component('client-admin', 'system:admin', masters),
    supervisor: component('client-supervisor', 'system:k3s-supervisor', masters),
    apiserver: component('client-kube-apiserver', 'system:apiserver', masters),
    controller: component('client-controller', 'system:kube-controller-manager'),
    scheduler: component('client-scheduler', 'system:kube-scheduler'),
    cloudController: component('client-k3s-cloud-controller', 'k3s-cloud-controller-manager'),
    authProxy: { ...component('client-auth-proxy', 'system:auth-proxy'), ca: 'requestHeaderCa' },
    serving: {
      file: 'server/tls/serving-kube-apiserver',
      ca: 'serverCa',
      commonName: 'kube-apiserver',
      usages: server,
      sans: servingNames(names),
    },
    controllerServing: ofComponent('kube-controller-manager'),
    schedulerServing: ofComponent('kube-scheduler'),
    kubelet: {
      file: 'agent/client-kubelet',
      ca: 'clientCa',
      commonName: `system:node:${names.nodeName}`,
      organizations: ['system:nodes'],
      usages: client,
    },
    kubeletServing: {
      file: 'agent/serving-kubelet',
      ca: 'serverCa',
      commonName: names.nodeName,
      usages: server,
      sans: nodeNames,
    },
    kubeProxy: { ...component('', 'system:kube-proxy'), file: 'agent/client-kube-proxy' },
    k3sController: { ...component('', 'system:k3s-controller'), file: 'agent/client-k3s-controller' },
    etcdServer: { ...etcd, file: `${etcd.file}/server-client`, ca: 'etcdServerCa', commonName: 'etcd-server' },
    etcdPeer: { ...etcd, file: `${etcd.file}/peer-server-client`, ca: 'etcdPeerCa', commonName: 'etcd-peer' },
    etcdClient: { file: `${etcd.file}/client`, ca: 'etcdServerCa', commonName: 'etcd-client', usages: client },
  }
}

const ofComponent = (name: string): LeafLayout => ({
  file: `server/tls/${name}/${name}`,
  ca: 'serverCa',
  commonName: name,
  usages: server,
  sans: loopback,
})

function servingNames(names: Names): string[] {
  const short = names.nodeName.split('.')[0]!
  return unique([
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${names.clusterDomain}`,
    'localhost',
    names.nodeName,
    short,
    '127.0.0.1',
    '::1',
    ...names.nodeIps,
    ...(names.externalIps ?? []),
    ...(names.advertiseIp === undefined ? [] : [names.advertiseIp]),
    ...names.serviceIps,
    ...names.tlsSans,
  ])
}

const unique = (list: readonly string[]): string[] => [...new Set(list)]
