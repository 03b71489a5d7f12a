/** pods/binding: assigns a pod to a node (kubernetes pkg/registry/core/pod/storage). */
import { errors } from '../../api/errors.ts'
import { rfc3339 } from '../../api/time.ts'
import type { Mutable } from '../kinds/kind.ts'
import type { ObjectSubresource } from './object.ts'
import { admit, rawUpdate, success } from './object.ts'

const resource = { group: '', resource: 'pods/binding' }

interface PodDraft {
  spec: { nodeName?: string; schedulingGates?: readonly object[] }
  status?: { conditions?: { type: string; [field: string]: unknown }[] }
}

export const binding: ObjectSubresource = {
  async create(context, body, options) {
    const { verbs, call } = context
    const target = body.target as { kind?: string; name?: string } | undefined
    if (body.metadata.name && body.metadata.name !== call.name) {
      throw errors.badRequest('name in URL does not match name in Binding object')
    }
    if (!target?.name) throw errors.badRequest('spec.target.name: Required value')
    if (target.kind && target.kind !== 'Node' && target.kind !== 'Minion') {
      throw errors.badRequest('target.kind: Unsupported value: supported values: "Node", "Minion", "<empty>"')
    }
    await admit(context, body, options)
    const now = rfc3339(verbs.clock.now())
    const assign = (pod: Mutable) => bind(pod, body, target.name!, now)
    await rawUpdate(verbs, call, assign, options.dryRun)
    return success
  },
}

function bind(draft: Mutable, body: Mutable, node: string, now: string): void {
  const { name = '', uid } = draft.metadata
  const pod = draft as unknown as PodDraft
  if (body.metadata.uid && body.metadata.uid !== uid) {
    throw errors.conflict(
      resource,
      name,
      `Precondition failed: UID in precondition: ${body.metadata.uid}, UID in object meta: ${uid}`,
    )
  }
  if (draft.metadata.deletionTimestamp) {
    throw errors.conflict(resource, name, `pod ${name} is being deleted, cannot be assigned to a host`)
  }
  if (pod.spec.nodeName) {
    throw errors.conflict(
      resource,
      name,
      `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`,
    )
  }
  if (pod.spec.schedulingGates?.length) {
    throw errors.conflict(resource, name, `pod ${name} has non-empty .spec.schedulingGates`)
  }
  pod.spec.nodeName = node
  const { annotations, labels } = body.metadata
  if (annotations) draft.metadata.annotations = { ...draft.metadata.annotations, ...annotations }
  if (labels) draft.metadata.labels = { ...draft.metadata.labels, ...labels }
  const status = (pod.status ??= {})
  const others = (status.conditions ?? []).filter(condition => condition.type !== 'PodScheduled')
  status.conditions = [
    ...others,
    { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now },
  ]
}
