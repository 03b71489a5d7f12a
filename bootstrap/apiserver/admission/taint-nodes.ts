/** A new node is tainted not-ready until its conditions say otherwise (upstream: plugin/pkg/admission/nodetaint). */
import type { Draft } from '../../api/object.ts'
import type { Node } from '../../api/types.gen.ts'
import { as, isFor } from './common.ts'
import type { AdmissionPlugin } from './plugin.ts'

const key = 'node.kubernetes.io/not-ready'

export function taintNodesByCondition(): AdmissionPlugin {
  return {
    name: 'TaintNodesByCondition',
    mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, '', 'nodes')) return
      const node = as<Draft<Node>>(request.object)
      const taints = node.spec?.taints ?? []
      if (taints.some(taint => taint.key === key && taint.effect === 'NoSchedule')) return
      node.spec = { ...node.spec, taints: [...taints, { effect: 'NoSchedule', key }] }
    },
  }
}
