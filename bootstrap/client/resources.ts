/** The built-in resources as typed constants, one per kind. */
import type { KubeObject } from '../api/object.ts'
import type {
  APIService,
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  ControllerRevision,
  CronJob,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
  CoreV1Event as Event,
  V2HorizontalPodAutoscaler as HorizontalPodAutoscaler,
  Ingress,
  IngressClass,
  IPAddress,
  Job,
  Lease,
  LimitRange,
  MutatingWebhookConfiguration,
  Namespace,
  NetworkPolicy,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  PodTemplate,
  PriorityClass,
  ReplicaSet,
  ReplicationController,
  ResourceQuota,
  Role,
  RoleBinding,
  RuntimeClass,
  Secret,
  Service,
  ServiceAccount,
  ServiceCIDR,
  StatefulSet,
  StorageClass,
  ValidatingAdmissionPolicy,
  ValidatingWebhookConfiguration,
  VolumeAttachment,
} from '../api/types.gen.ts'
import type { Resource } from './client.ts'

export type {
  APIService,
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  ControllerRevision,
  CronJob,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  HorizontalPodAutoscaler,
  Ingress,
  IngressClass,
  IPAddress,
  Job,
  Lease,
  LimitRange,
  MutatingWebhookConfiguration,
  Namespace,
  NetworkPolicy,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  PodTemplate,
  PriorityClass,
  ReplicaSet,
  ReplicationController,
  ResourceQuota,
  Role,
  RoleBinding,
  RuntimeClass,
  Secret,
  Service,
  ServiceAccount,
  ServiceCIDR,
  StatefulSet,
  StorageClass,
  ValidatingAdmissionPolicy,
  ValidatingWebhookConfiguration,
  VolumeAttachment,
}

/** Names a namespaced resource, e.g. one of a CRD. */
export function namespaced<T extends KubeObject>(
  group: string,
  version: string,
  resource: string,
  kind: string,
): Resource<T> {
  return { group, version, resource, kind, namespaced: true }
}

/** Names a cluster-scoped resource. */
export function clusterWide<T extends KubeObject>(
  group: string,
  version: string,
  resource: string,
  kind: string,
): Resource<T> {
  return { group, version, resource, kind, namespaced: false }
}

export const pods = namespaced<Pod>('', 'v1', 'pods', 'Pod')
export const nodes = clusterWide<Node>('', 'v1', 'nodes', 'Node')
export const namespaces = clusterWide<Namespace>('', 'v1', 'namespaces', 'Namespace')
export const services = namespaced<Service>('', 'v1', 'services', 'Service')
export const endpoints = namespaced<Endpoints>('', 'v1', 'endpoints', 'Endpoints')
export const events = namespaced<Event>('', 'v1', 'events', 'Event')
export const configMaps = namespaced<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap')
export const secrets = namespaced<Secret>('', 'v1', 'secrets', 'Secret')
export const serviceAccounts = namespaced<ServiceAccount>('', 'v1', 'serviceaccounts', 'ServiceAccount')
export const persistentVolumes = clusterWide<PersistentVolume>('', 'v1', 'persistentvolumes', 'PersistentVolume')
export const persistentVolumeClaims = namespaced<PersistentVolumeClaim>(
  '',
  'v1',
  'persistentvolumeclaims',
  'PersistentVolumeClaim',
)
export const replicationControllers = namespaced<ReplicationController>(
  '',
  'v1',
  'replicationcontrollers',
  'ReplicationController',
)
export const resourceQuotas = namespaced<ResourceQuota>('', 'v1', 'resourcequotas', 'ResourceQuota')
export const limitRanges = namespaced<LimitRange>('', 'v1', 'limitranges', 'LimitRange')
export const podTemplates = namespaced<PodTemplate>('', 'v1', 'podtemplates', 'PodTemplate')
export const deployments = namespaced<Deployment>('apps', 'v1', 'deployments', 'Deployment')
export const replicaSets = namespaced<ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet')
export const daemonSets = namespaced<DaemonSet>('apps', 'v1', 'daemonsets', 'DaemonSet')
export const statefulSets = namespaced<StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet')
export const controllerRevisions = namespaced<ControllerRevision>(
  'apps',
  'v1',
  'controllerrevisions',
  'ControllerRevision',
)
export const jobs = namespaced<Job>('batch', 'v1', 'jobs', 'Job')
export const cronJobs = namespaced<CronJob>('batch', 'v1', 'cronjobs', 'CronJob')
export const endpointSlices = namespaced<EndpointSlice>('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice')
export const leases = namespaced<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease')
export const storageClasses = clusterWide<StorageClass>('storage.k8s.io', 'v1', 'storageclasses', 'StorageClass')
export const csiDrivers = clusterWide<CSIDriver>('storage.k8s.io', 'v1', 'csidrivers', 'CSIDriver')
export const csiNodes = clusterWide<CSINode>('storage.k8s.io', 'v1', 'csinodes', 'CSINode')
export const csiStorageCapacities = namespaced<CSIStorageCapacity>(
  'storage.k8s.io',
  'v1',
  'csistoragecapacities',
  'CSIStorageCapacity',
)
export const volumeAttachments = clusterWide<VolumeAttachment>(
  'storage.k8s.io',
  'v1',
  'volumeattachments',
  'VolumeAttachment',
)
export const podDisruptionBudgets = namespaced<PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
)
export const priorityClasses = clusterWide<PriorityClass>('scheduling.k8s.io', 'v1', 'priorityclasses', 'PriorityClass')
export const runtimeClasses = clusterWide<RuntimeClass>('node.k8s.io', 'v1', 'runtimeclasses', 'RuntimeClass')
export const networkPolicies = namespaced<NetworkPolicy>('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy')
export const ingresses = namespaced<Ingress>('networking.k8s.io', 'v1', 'ingresses', 'Ingress')
export const ingressClasses = clusterWide<IngressClass>('networking.k8s.io', 'v1', 'ingressclasses', 'IngressClass')
export const ipAddresses = clusterWide<IPAddress>('networking.k8s.io', 'v1', 'ipaddresses', 'IPAddress')
export const serviceCIDRs = clusterWide<ServiceCIDR>('networking.k8s.io', 'v1', 'servicecidrs', 'ServiceCIDR')
export const roles = namespaced<Role>('rbac.authorization.k8s.io', 'v1', 'roles', 'Role')
export const roleBindings = namespaced<RoleBinding>('rbac.authorization.k8s.io', 'v1', 'rolebindings', 'RoleBinding')
export const clusterRoles = clusterWide<ClusterRole>('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole')
export const clusterRoleBindings = clusterWide<ClusterRoleBinding>(
  'rbac.authorization.k8s.io',
  'v1',
  'clusterrolebindings',
  'ClusterRoleBinding',
)
export const horizontalPodAutoscalers = namespaced<HorizontalPodAutoscaler>(
  'autoscaling',
  'v2',
  'horizontalpodautoscalers',
  'HorizontalPodAutoscaler',
)
export const certificateSigningRequests = clusterWide<CertificateSigningRequest>(
  'certificates.k8s.io',
  'v1',
  'certificatesigningrequests',
  'CertificateSigningRequest',
)
export const validatingWebhookConfigurations = clusterWide<ValidatingWebhookConfiguration>(
  'admissionregistration.k8s.io',
  'v1',
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
)
export const mutatingWebhookConfigurations = clusterWide<MutatingWebhookConfiguration>(
  'admissionregistration.k8s.io',
  'v1',
  'mutatingwebhookconfigurations',
  'MutatingWebhookConfiguration',
)
export const validatingAdmissionPolicies = clusterWide<ValidatingAdmissionPolicy>(
  'admissionregistration.k8s.io',
  'v1',
  'validatingadmissionpolicies',
  'ValidatingAdmissionPolicy',
)
export const customResourceDefinitions = clusterWide<CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
)
export const apiServices = clusterWide<APIService>('apiregistration.k8s.io', 'v1', 'apiservices', 'APIService')
