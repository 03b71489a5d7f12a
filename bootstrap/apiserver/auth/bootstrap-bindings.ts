/** Namespaced bootstrap Roles, all bootstrap bindings, and what K3s adds; rows as in bootstrap-cluster-roles.ts. */
import { events, type RoleTable, type RuleRow } from './bootstrap-cluster-roles.ts'

const R = 'get list watch'
const leaderLocking: readonly RuleRow[] = [
  ['create get list update watch', 'coordination.k8s.io', 'leases'],
  ['create get list update watch', 'coordination.k8s.io', 'leasecandidates'],
]

/** Namespace to roles. */
export const namespacedRoles: { readonly [namespace: string]: RoleTable } = {
  'kube-public': {
    'system:controller:bootstrap-signer': [
      [R, 'core', 'configmaps'],
      ['update', 'core', 'configmaps', 'cluster-info'],
      events,
    ],
  },
  'kube-system': {
    'extension-apiserver-authentication-reader': [[R, 'core', 'configmaps', 'extension-apiserver-authentication']],
    'system::leader-locking-kube-controller-manager': leaderLocking,
    'system::leader-locking-kube-scheduler': leaderLocking,
    'system:controller:bootstrap-signer': [[R, 'core', 'secrets']],
    'system:controller:cloud-provider': [['create get list watch', 'core', 'configmaps']],
    'system:controller:token-cleaner': [['delete get list watch', 'core', 'secrets'], events],
  },
}

/** Subjects are written "User name", "Group name" or "ServiceAccount namespace/name". */
export interface BindingTable {
  readonly [role: string]: readonly string[]
}

/** ClusterRoleBindings, each named after its ClusterRole. */
export const clusterRoleBindings: BindingTable = {
  'cluster-admin': ['Group system:masters'],
  'system:basic-user': ['Group system:authenticated'],
  'system:discovery': ['Group system:authenticated'],
  'system:kube-controller-manager': ['User system:kube-controller-manager'],
  'system:kube-dns': ['ServiceAccount kube-system/kube-dns'],
  'system:kube-scheduler': ['User system:kube-scheduler'],
  'system:monitoring': ['Group system:monitoring'],
  'system:node': [],
  'system:node-proxier': ['User system:kube-proxy'],
  'system:public-info-viewer': ['Group system:authenticated', 'Group system:unauthenticated'],
  'system:service-account-issuer-discovery': ['Group system:serviceaccounts'],
  'system:volume-scheduler': ['User system:kube-scheduler'],
}

export interface NamespacedBinding {
  readonly namespace: string
  readonly name: string
  readonly role: string
  readonly subjects: readonly string[]
}

const account = (namespace: string, name: string): NamespacedBinding => ({
  namespace,
  name: `system:controller:${name}`,
  role: `system:controller:${name}`,
  subjects: [`ServiceAccount kube-system/${name}`],
})
const locking = (name: string): NamespacedBinding => ({
  namespace: 'kube-system',
  name: `system::leader-locking-${name}`,
  role: `system::leader-locking-${name}`,
  subjects: [`User system:${name}`, `ServiceAccount kube-system/${name}`],
})

export const namespacedBindings: readonly NamespacedBinding[] = [
  account('kube-public', 'bootstrap-signer'),
  {
    namespace: 'kube-system',
    name: 'system::extension-apiserver-authentication-reader',
    role: 'extension-apiserver-authentication-reader',
    subjects: ['User system:kube-controller-manager', 'User system:kube-scheduler'],
  },
  locking('kube-controller-manager'),
  locking('kube-scheduler'),
  account('kube-system', 'bootstrap-signer'),
  account('kube-system', 'cloud-provider'),
  account('kube-system', 'token-cleaner'),
]

/** What K3s' own identities need (k3s-io/k3s manifests and pkg/daemons); without upstream's bootstrapping label. */
export const k3sRoles: RoleTable = {
  'system:k3s-controller': [
    ['get list patch watch', 'core', 'nodes'],
    ['patch update', 'core', 'nodes/status'],
    [R, 'core', 'namespaces services'],
    ['get list watch', 'networking.k8s.io', 'networkpolicies'],
    [R, 'core', 'endpoints pods'],
    [R, 'discovery.k8s.io', 'endpointslices'],
  ],
  'k3s-cloud-controller-manager': [
    ['get create update', 'coordination.k8s.io', 'leases'],
    ['create patch update', 'core', 'events'],
    ['*', 'core', 'nodes'],
    ['patch', 'core', 'nodes/status'],
    ['list patch update watch get', 'core', 'services'],
    ['patch update', 'core', 'services/status'],
    ['create get', 'core', 'serviceaccounts'],
    ['create get list watch update delete', 'core', 'configmaps namespaces'],
    ['*', 'apps', 'daemonsets'],
    [R, 'core', 'pods'],
    [R, 'discovery.k8s.io', 'endpointslices'],
  ],
}

/** Binding name to ClusterRole and subject. */
export const k3sBindings: { readonly [name: string]: readonly [role: string, subject: string] } = {
  'kube-apiserver-kubelet-admin': ['system:kubelet-api-admin', 'User kube-apiserver'],
  'system:k3s-controller': ['system:k3s-controller', 'User system:k3s-controller'],
  'k3s-cloud-controller-manager': ['k3s-cloud-controller-manager', 'User k3s-cloud-controller-manager'],
}
