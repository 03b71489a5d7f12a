/** Node selectors and node affinity (k8s.io/component-helpers scheduling/corev1/nodeaffinity). */
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '../../../bootstrap/api/types.gen.ts'
import type { Node, Pod } from '../../../bootstrap/client/resources.ts'

/** Whether the pod may run on the node by its nodeSelector and its required node affinity. */
export function nodeAllowed(pod: { spec: Pod['spec'] }, node: Node): boolean {
  const { nodeSelector, affinity } = pod.spec
  const labels = node.metadata.labels ?? {}
  if (Object.entries(nodeSelector ?? {}).some(([key, value]) => labels[key] !== value)) return false
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return required === undefined || nodeSelectorMatches(required, node)
}

/** Terms are alternatives; a term without any requirement matches no node. */
export function nodeSelectorMatches(selector: NodeSelector, node: Node): boolean {
  return selector.nodeSelectorTerms.some(term => termMatches(term, node))
}

export function termMatches(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length === 0 && fields.length === 0) return false
  const labels = node.metadata.labels ?? {}
  return (
    expressions.every(requirement => requirementMet(requirement, labels[requirement.key])) &&
    fields.every(requirement => requirement.key === 'metadata.name' && requirementMet(requirement, node.metadata.name))
  )
}

function requirementMet({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number.parseInt(value, 10) > Number.parseInt(values[0] ?? '', 10)
    case 'Lt':
      return value !== undefined && Number.parseInt(value, 10) < Number.parseInt(values[0] ?? '', 10)
    default:
      return false
  }
}
