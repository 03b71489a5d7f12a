/** Which strategy a kind has. */
import { defaultTable } from './common/build.ts'
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
import type { Strategy } from './kind.ts'

type Strategies = { readonly [kind: string]: Strategy }

const core: Strategies = {
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
}

const groups: { readonly [group: string]: Strategies } = {
  '': core,
  'events.k8s.io': { Event: event },
}

const plain: Strategy = { table: defaultTable }

/** The behaviour of a kind; for one without a file here, nothing but the default table. */
export function strategyOf(group: string, kind: string): Strategy {
  return groups[group]?.[kind] ?? plain
}
