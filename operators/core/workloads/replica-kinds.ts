/** ReplicaSet and ReplicationController, as one controller sees them. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { LabelSelector, PodTemplateSpec, ReplicaSetStatus } from '../../../bootstrap/api/types.gen.ts'
import type { Resource } from '../../../bootstrap/client/client.ts'
import {
  type ReplicaSet,
  type ReplicationController,
  replicaSets,
  replicationControllers,
} from '../../../bootstrap/client/resources.ts'

/** What the controller reads of either kind. */
export interface ReplicaSpec {
  readonly replicas: number
  readonly minReadySeconds: number
  readonly selector: LabelSelector
  readonly template: PodTemplateSpec
}

export interface ReplicaKind<T extends KubeObject> {
  readonly name: string
  readonly resource: Resource<T>
  readonly specOf: (object: T) => ReplicaSpec
  readonly statusOf: (object: T) => ReplicaSetStatus | undefined
  /** Whether the status has terminatingReplicas. */
  readonly countsTerminating: boolean
}

export const replicaSetKind: ReplicaKind<ReplicaSet> = {
  name: 'replicaset-controller',
  resource: replicaSets,
  specOf: ({ spec }) => ({
    replicas: spec.replicas ?? 1,
    minReadySeconds: spec.minReadySeconds ?? 0,
    selector: spec.selector,
    template: spec.template ?? {},
  }),
  statusOf: object => object.status,
  countsTerminating: true,
}

export const replicationControllerKind: ReplicaKind<ReplicationController> = {
  name: 'replication-controller',
  resource: replicationControllers,
  specOf: ({ spec }) => ({
    replicas: spec.replicas ?? 1,
    minReadySeconds: spec.minReadySeconds ?? 0,
    selector: { matchLabels: spec.selector ?? {} },
    template: spec.template ?? {},
  }),
  statusOf: object => object.status,
  countsTerminating: false,
}
