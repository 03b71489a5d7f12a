/** The operators that make up what upstream's controller manager does. */
import type { Operator } from '../runtime/operator.ts'
import { horizontalPodAutoscaler } from './autoscaling/horizontal.ts'
import { autoscalerSettings } from './autoscaling/settings.ts'
import { ttlAfterFinished } from './lifecycle/finished-jobs.ts'
import { garbageCollector } from './lifecycle/garbage/collector.ts'
import { namespaceController } from './lifecycle/namespace.ts'
import { nodeLifecycleController, nodeMonitorSettings } from './lifecycle/node-lifecycle.ts'
import { podGarbageCollector } from './lifecycle/pod-gc.ts'
import { taintEvictionController } from './lifecycle/taint-eviction.ts'
import { tokenCleaner } from './lifecycle/token-cleaner.ts'
import { disruptionController } from './policy/disruption/disruption.ts'
import { staleDisruptions } from './policy/disruption/stale-conditions.ts'
import { resourceQuotaController } from './policy/quota/quota.ts'
import { defaultServiceAccounts, rootCaPublisher } from './serviceaccount/namespace-defaults.ts'
import { type TokenIssuer, tokenSecrets } from './serviceaccount/token-secrets.ts'
import { endpointSliceController } from './services/endpoint-slices.ts'
import { endpointsController } from './services/endpoints.ts'
import { endpointSliceMirroringController } from './services/mirror.ts'
import { storageOperators } from './storage/index.ts'
import { cronJobController } from './workloads/cronjob/cron-job.ts'
import { daemonSetController } from './workloads/daemonset/daemon-set.ts'
import { deploymentController } from './workloads/deployment/deployment.ts'
import { jobController } from './workloads/job/job.ts'
import { replicaSetController, replicationController } from './workloads/replica-set.ts'
import { statefulSetController } from './workloads/statefulset/stateful-set.ts'

export interface CoreOptions {
  /** The certificate, in PEM, by which pods know the API server. */
  readonly ca: string
  /** Signs the tokens of token Secrets; without it the API server's `token` subresource is asked. */
  readonly issueToken?: TokenIssuer
  /** Other servers share the cluster. */
  readonly several?: boolean
  /** Arguments of the kube-controller-manager, "name=value". */
  readonly controllerArgs?: readonly string[]
}

const namespaceGraceMs = 5000

/** All core operators, for runOperators. */
export function coreOperators(options: CoreOptions): Operator[] {
  return [
    ...storageOperators,
    replicaSetController(),
    replicationController(),
    deploymentController(),
    daemonSetController(),
    statefulSetController(),
    jobController(),
    cronJobController(),
    horizontalPodAutoscaler(autoscalerSettings(options.controllerArgs ?? [])),
    endpointsController(),
    endpointSliceController(),
    endpointSliceMirroringController(),
    disruptionController(),
    staleDisruptions(),
    resourceQuotaController(),
    namespaceController(options.several ? namespaceGraceMs : 0),
    garbageCollector(),
    podGarbageCollector(),
    ttlAfterFinished(),
    nodeLifecycleController(nodeMonitorSettings(options.controllerArgs ?? [])),
    taintEvictionController(),
    defaultServiceAccounts(),
    rootCaPublisher(options.ca),
    tokenSecrets(options.ca, options.issueToken),
    tokenCleaner(),
  ]
}
