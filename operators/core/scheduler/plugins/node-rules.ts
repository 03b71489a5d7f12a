/** Rules that look at the node alone: its name, taints, labels and whether it is cordoned. */

import { tolerates, untolerated } from '../../../../bootstrap/api/tolerations.ts'
import { nodeAllowed, termMatches } from '../../common/node-affinity.ts'
import type { Plugin } from '../plugin.ts'

const unschedulableTaint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  judge: pod => ({
    filter: ({ node }) =>
      node.spec.unschedulable === true &&
      !pod.spec.tolerations?.some(toleration => tolerates(toleration, unschedulableTaint))
        ? { reason: 'node(s) were unschedulable', unresolvable: true }
        : undefined,
  }),
}

export const taintToleration: Plugin = {
  name: 'TaintToleration',
  weight: 3,
  judge: pod => ({
    filter: ({ node }) => {
      const taint = untolerated(node.spec.taints, pod.spec.tolerations, ['NoSchedule', 'NoExecute'])
      return taint && { reason: `node(s) had untolerated taint(s)`, unresolvable: true }
    },
    score: ({ node }) =>
      (node.spec.taints ?? []).filter(taint => untolerated([taint], pod.spec.tolerations, ['PreferNoSchedule'])).length,
    normalize: 'lowest',
  }),
}

export const nodeAffinity: Plugin = {
  name: 'NodeAffinity',
  weight: 2,
  judge(pod) {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    return {
      filter: ({ node }) =>
        nodeAllowed(pod, node)
          ? undefined
          : { reason: "node(s) didn't match Pod's node affinity/selector", unresolvable: true },
      ...(preferred.length === 0
        ? {}
        : {
            score: ({ node }) =>
              preferred
                .filter(({ preference }) => termMatches(preference, node))
                .reduce((sum, { weight }) => sum + weight, 0),
            normalize: 'highest' as const,
          }),
    }
  },
}
