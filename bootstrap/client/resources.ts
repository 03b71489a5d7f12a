/** The built-in resources as typed constants, one per kind. */
import type { KubeObject } from '../api/object.ts'
import type * as types from '../api/types.gen.ts'
import type { Resource } from './client.ts'

export type {
  APIService,
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  ControllerRevision,
  CoreV1Event as Event,
  CronJob,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
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
  V2HorizontalPodAutoscaler as HorizontalPodAutoscaler,
  ValidatingAdmissionPolicy,
  ValidatingWebhookConfiguration,
  VolumeAttachment,
} from '../api/types.gen.ts'

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

export const pods = namespaced<types.Pod>('', 'v1', 'pods', 'Pod')
export const nodes = clusterWide<types.Node>('', 'v1', 'nodes', 'Node')
export const namespaces = clusterWide<types.Namespace>('', 'v1', 'namespaces', 'Namespace')
export const services = namespaced<types.Service>('', 'v1', 'services', 'Service')
export const endpoints = namespaced<types.Endpoints>('', 'v1', 'endpoints', 'Endpoints')
export const events = namespaced<types.CoreV1Event>('', 'v1', 'events', 'Event')
export const configMaps = namespaced<types.ConfigMap>('', 'v1', 'configmaps', 'ConfigMap')
export const secrets = namespaced<types.Secret>('', 'v1', 'secrets', 'Secret')
export const serviceAccounts = namespaced<types.ServiceAccount>('', 'v1', 'serviceaccounts', 'ServiceAccount')
export const persistentVolumes = clusterWide<types.PersistentVolume>('', 'v1', 'persistentvolumes', 'PersistentVolume')
export const persistentVolumeClaims = namespaced<types.PersistentVolumeClaim>(
  '',
  'v1',
  'persistentvolumeclaims',
  'PersistentVolumeClaim',
)
export const replicationControllers = namespaced<types.ReplicationController>(
  '',
  'v1',
  'replicationcontrollers',
  'ReplicationController',
)
export const resourceQuotas = namespaced<types.ResourceQuota>('', 'v1', 'resourcequotas', 'ResourceQuota')
export const limitRanges = namespaced<types.LimitRange>('', 'v1', 'limitranges', 'LimitRange')
export const podTemplates = namespaced<types.PodTemplate>('', 'v1', 'podtemplates', 'PodTemplate')
export const deployments = namespaced<types.Deployment>('apps', 'v1', 'deployments', 'Deployment')
export const replicaSets = namespaced<types.ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet')
export const daemonSets = namespaced<types.DaemonSet>('apps', 'v1', 'daemonsets', 'DaemonSet')
export const statefulSets = namespaced<types.StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet')
export const controllerRevisions = namespaced<types.ControllerRevision>(
  'apps',
  'v1',
  'controllerrevisions',
  'ControllerRevision',
)
export const jobs = namespaced<types.Job>('batch', 'v1', 'jobs', 'Job')
export const cronJobs = namespaced<types.CronJob>('batch', 'v1', 'cronjobs', 'CronJob')
export const endpointSlices = namespaced<types.EndpointSlice>(
  'discovery.k8s.io',
  'v1',
  'endpointslices',
  'EndpointSlice',
)
export const tokenReviews = clusterWide<types.TokenReview>('authentication.k8s.io', 'v1', 'tokenreviews', 'TokenReview')
export const subjectAccessReviews = clusterWide<types.SubjectAccessReview>(
  'authorization.k8s.io',
  'v1',
  'subjectaccessreviews',
  'SubjectAccessReview',
)
export const leases = namespaced<types.Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease')
export const storageClasses = clusterWide<types.StorageClass>('storage.k8s.io', 'v1', 'storageclasses', 'StorageClass')
export const volumeAttributesClasses = clusterWide<types.VolumeAttributesClass>(
  'storage.k8s.io',
  'v1',
  'volumeattributesclasses',
  'VolumeAttributesClass',
)
export const csiDrivers = clusterWide<types.CSIDriver>('storage.k8s.io', 'v1', 'csidrivers', 'CSIDriver')
export const csiNodes = clusterWide<types.CSINode>('storage.k8s.io', 'v1', 'csinodes', 'CSINode')
export const csiStorageCapacities = namespaced<types.CSIStorageCapacity>(
  'storage.k8s.io',
  'v1',
  'csistoragecapacities',
  'CSIStorageCapacity',
)
export const volumeAttachments = clusterWide<types.VolumeAttachment>(
  'storage.k8s.io',
  'v1',
  'volumeattachments',
  'VolumeAttachment',
)
export const podDisruptionBudgets = namespaced<types.PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
)
export const priorityClasses = clusterWide<types.PriorityClass>(
  'scheduling.k8s.io',
  'v1',
  'priorityclasses',
  'PriorityClass',
)
export const runtimeClasses = clusterWide<types.RuntimeClass>('node.k8s.io', 'v1', 'runtimeclasses', 'RuntimeClass')
export const networkPolicies = namespaced<types.NetworkPolicy>(
  'networking.k8s.io',
  'v1',
  'networkpolicies',
  'NetworkPolicy',
)
export const ingresses = namespaced<types.Ingress>('networking.k8s.io', 'v1', 'ingresses', 'Ingress')
export const ingressClasses = clusterWide<types.IngressClass>(
  'networking.k8s.io',
  'v1',
  'ingressclasses',
  'IngressClass',
)
export const ipAddresses = clusterWide<types.IPAddress>('networking.k8s.io', 'v1', 'ipaddresses', 'IPAddress')
export const serviceCIDRs = clusterWide<types.ServiceCIDR>('networking.k8s.io', 'v1', 'servicecidrs', 'ServiceCIDR')
export const roles = namespaced<types.Role>('rbac.authorization.k8s.io', 'v1', 'roles', 'Role')
export const roleBindings = namespaced<types.RoleBinding>(
  'rbac.authorization.k8s.io',
  'v1',
  'rolebindings',
  'RoleBinding',
)
export const clusterRoles = clusterWide<types.ClusterRole>(
  'rbac.authorization.k8s.io',
  'v1',
  'clusterroles',
  'ClusterRole',
)
export const clusterRoleBindings = clusterWide<types.ClusterRoleBinding>(
  'rbac.authorization.k8s.io',
  'v1',
  'clusterrolebindings',
  'ClusterRoleBinding',
)
export const horizontalPodAutoscalers = namespaced<types.V2HorizontalPodAutoscaler>(
  'autoscaling',
  'v2',
  'horizontalpodautoscalers',
  'HorizontalPodAutoscaler',
)
export const certificateSigningRequests = clusterWide<types.CertificateSigningRequest>(
  'certificates.k8s.io',
  'v1',
  'certificatesigningrequests',
  'CertificateSigningRequest',
)
export const validatingWebhookConfigurations = clusterWide<types.ValidatingWebhookConfiguration>(
  'admissionregistration.k8s.io',
  'v1',
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
)
export const mutatingWebhookConfigurations = clusterWide<types.MutatingWebhookConfiguration>(
  'admissionregistration.k8s.io',
  'v1',
  'mutatingwebhookconfigurations',
  'MutatingWebhookConfiguration',
)
export const validatingAdmissionPolicies = clusterWide<types.ValidatingAdmissionPolicy>(
  'admissionregistration.k8s.io',
  'v1',
  'validatingadmissionpolicies',
  'ValidatingAdmissionPolicy',
)
export const customResourceDefinitions = clusterWide<types.CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
)
export const apiServices = clusterWide<types.APIService>('apiregistration.k8s.io', 'v1', 'apiservices', 'APIService')
