/** Node selectors and node affinity (k8s.io/component-helpers scheduling/corev1/nodeaffinity). */
import { type Labels, meets, operatorOf } from '../../../bootstrap/api/label-requirement.ts'
import { selectsMap } from '../../../bootstrap/api/selectors.ts'
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '../../../bootstrap/api/types.gen.ts'
import type { Node, Pod } from '../../../bootstrap/client/resources.ts'

const nameField = 'metadata.name'

/** Whether the pod may run on the node by its nodeSelector and its required node affinity. */
export function nodeAllowed(pod: { spec: Pod['spec'] }, node: Node): boolean {
  const { nodeSelector, affinity } = pod.spec
  if (!selectsMap(nodeSelector, node.metadata.labels)) return false
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
  const { labels, name = '' } = node.metadata
  return (
    expressions.every(requirement => requirementMet(requirement, labels)) &&
    fields.every(requirement => requirement.key === nameField && requirementMet(requirement, { [nameField]: name }))
  )
}

function requirementMet({ key, operator, values = [] }: NodeSelectorRequirement, labels: Labels): boolean {
  const known = operatorOf(operator)
  return known !== undefined && meets({ key, operator: known, values }, labels)
}
