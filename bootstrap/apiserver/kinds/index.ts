/** Which strategy a kind has. */
import { customResourceDefinitionStrategy } from '../extension/crd-strategy.ts'
import { conversionOf } from '../schema/convert.ts'
import {
  mutatingAdmissionPolicy,
  mutatingAdmissionPolicyBinding,
  validatingAdmissionPolicy,
  validatingAdmissionPolicyBinding,
} from './admissionregistration/policy.ts'
import { mutatingWebhookConfiguration, validatingWebhookConfiguration } from './admissionregistration/webhook.ts'
import { apiService } from './apiregistration/api-service.ts'
import { controllerRevision } from './apps/controller-revision.ts'
import { daemonSet } from './apps/daemon-set.ts'
import { deployment } from './apps/deployment.ts'
import { replicaSet } from './apps/replica-set.ts'
import { statefulSet } from './apps/stateful-set.ts'
import { horizontalPodAutoscaler } from './autoscaling/horizontal-pod-autoscaler.ts'
import { cronJob } from './batch/cron-job.ts'
import { job } from './batch/job.ts'
import { certificateSigningRequest } from './certificates/certificate-signing-request.ts'
import { clusterTrustBundle } from './certificates/cluster-trust-bundle.ts'
import { defaultTable } from './common/build.ts'
import { alsoServing } from './common/versions.ts'
import { lease, leaseCandidate } from './coordination/lease.ts'
import { componentStatus } from './core/component-status.ts'
import { configMap } from './core/config-map.ts'
import { endpoints } from './core/endpoints.ts'
import { event } from './core/event.ts'
import { limitRange } from './core/limit-range.ts'
import { namespace } from './core/namespace.ts'
import { node } from './core/node.ts'
import { persistentVolume } from './core/persistent-volume.ts'
import { persistentVolumeClaim } from './core/persistent-volume-claim.ts'
import { pod } from './core/pod.ts'
import { podTemplate } from './core/pod-template.ts'
import { replicationController } from './core/replication-controller.ts'
import { resourceQuota } from './core/resource-quota.ts'
import { secret } from './core/secret.ts'
import { service } from './core/service.ts'
import { serviceAccount } from './core/service-account.ts'
import { endpointSlice } from './discovery/endpoint-slice.ts'
import { flowSchema } from './flowcontrol/flow-schema.ts'
import { priorityLevelConfiguration } from './flowcontrol/priority-level.ts'
import type { Strategy } from './kind.ts'
import { ingress } from './networking/ingress.ts'
import { ingressClass } from './networking/ingress-class.ts'
import { networkPolicy } from './networking/network-policy.ts'
import { ipAddressKind, serviceCIDR } from './networking/service-cidr.ts'
import { runtimeClass } from './node/runtime-class.ts'
import { podDisruptionBudget } from './policy/pod-disruption-budget.ts'
import { clusterRoleBinding, roleBinding } from './rbac/binding.ts'
import { clusterRole, role } from './rbac/role.ts'
import { deviceClass, resourceSlice } from './resource/device.ts'
import { resourceClaim, resourceClaimTemplate } from './resource/resource-claim.ts'
import {
  localSubjectAccessReview,
  review,
  selfSubjectAccessReview,
  subjectAccessReview,
  tokenReview,
} from './reviews/reviews.ts'
import { priorityClass } from './scheduling/priority-class.ts'
import { csiDriver, csiNode, csiStorageCapacity } from './storage/csi.ts'
import { storageClass, volumeAttributesClass } from './storage/storage-class.ts'
import { volumeAttachment } from './storage/volume-attachment.ts'

const groups: { readonly [group: string]: { readonly [kind: string]: Strategy } } = {
  '': {
    Binding: review,
    ComponentStatus: componentStatus,
    ConfigMap: configMap,
    Endpoints: endpoints,
    Event: event,
    LimitRange: limitRange,
    Namespace: namespace,
    Node: node,
    PersistentVolume: persistentVolume,
    PersistentVolumeClaim: persistentVolumeClaim,
    Pod: pod,
    PodTemplate: podTemplate,
    ReplicationController: replicationController,
    ResourceQuota: resourceQuota,
    Secret: secret,
    Service: service,
    ServiceAccount: serviceAccount,
  },
  'admissionregistration.k8s.io': {
    MutatingAdmissionPolicy: mutatingAdmissionPolicy,
    MutatingAdmissionPolicyBinding: mutatingAdmissionPolicyBinding,
    MutatingWebhookConfiguration: mutatingWebhookConfiguration,
    ValidatingAdmissionPolicy: validatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding: validatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration: validatingWebhookConfiguration,
  },
  'apiregistration.k8s.io': { APIService: apiService },
  apps: {
    ControllerRevision: controllerRevision,
    DaemonSet: daemonSet,
    Deployment: deployment,
    ReplicaSet: replicaSet,
    StatefulSet: statefulSet,
  },
  'authentication.k8s.io': { SelfSubjectReview: review, TokenRequest: review, TokenReview: tokenReview },
  'authorization.k8s.io': {
    LocalSubjectAccessReview: localSubjectAccessReview,
    SelfSubjectAccessReview: selfSubjectAccessReview,
    SelfSubjectRulesReview: review,
    SubjectAccessReview: subjectAccessReview,
  },
  'apiextensions.k8s.io': { CustomResourceDefinition: customResourceDefinitionStrategy },
  autoscaling: {
    HorizontalPodAutoscaler: alsoServing(
      horizontalPodAutoscaler,
      'autoscaling/v1',
      conversionOf('autoscaling', 'v1', 'HorizontalPodAutoscaler'),
    ),
  },
  batch: { CronJob: cronJob, Job: job },
  'certificates.k8s.io': {
    CertificateSigningRequest: certificateSigningRequest,
    ClusterTrustBundle: clusterTrustBundle,
  },
  'coordination.k8s.io': { Lease: lease, LeaseCandidate: leaseCandidate },
  'discovery.k8s.io': { EndpointSlice: endpointSlice },
  'events.k8s.io': {
    Event: alsoServing(event, 'events.k8s.io/v1', conversionOf('events.k8s.io', 'v1', 'Event')),
  },
  'flowcontrol.apiserver.k8s.io': {
    FlowSchema: flowSchema,
    PriorityLevelConfiguration: priorityLevelConfiguration,
  },
  'networking.k8s.io': {
    IPAddress: ipAddressKind,
    Ingress: ingress,
    IngressClass: ingressClass,
    NetworkPolicy: networkPolicy,
    ServiceCIDR: serviceCIDR,
  },
  'node.k8s.io': { RuntimeClass: runtimeClass },
  policy: { Eviction: review, PodDisruptionBudget: podDisruptionBudget },
  'rbac.authorization.k8s.io': {
    ClusterRole: clusterRole,
    ClusterRoleBinding: clusterRoleBinding,
    Role: role,
    RoleBinding: roleBinding,
  },
  'resource.k8s.io': {
    DeviceClass: deviceClass,
    ResourceClaim: resourceClaim,
    ResourceClaimTemplate: resourceClaimTemplate,
    ResourceSlice: resourceSlice,
  },
  'scheduling.k8s.io': { PriorityClass: priorityClass },
  'storage.k8s.io': {
    CSIDriver: csiDriver,
    CSINode: csiNode,
    CSIStorageCapacity: csiStorageCapacity,
    StorageClass: storageClass,
    VolumeAttachment: volumeAttachment,
    VolumeAttributesClass: volumeAttributesClass,
  },
}

const plain: Strategy = { table: defaultTable }

/** The behaviour of a kind in each of its versions; for one without a file here, nothing but the default table. */
export function strategyOf(group: string, kind: string): Strategy {
  return groups[group]?.[kind] ?? plain
}
