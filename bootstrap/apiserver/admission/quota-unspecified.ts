/** What a pod must say for itself where a quota bounds it (upstream: pkg/quota/v1/evaluator/core). */
import type { Pod } from '../../api/types.gen.ts'

const boundByRequest = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory'])

/** What a quota bounds but a container leaves open: "limits.cpu for: a,b; memory for: a". Empty when all is said. */
export function unspecified(pod: Pod, hard: Iterable<string>): string {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
  const podLevel = pod.spec.resources
  const problems: string[] = []
  for (const bound of [...hard].filter(resource => boundByRequest.has(resource)).sort()) {
    const [field, resource] = bound.startsWith('limits.')
      ? (['limits', bound.slice('limits.'.length)] as const)
      : (['requests', bound.replace('requests.', '')] as const)
    if (podLevel?.[field]?.[resource] !== undefined) continue
    const open = containers.filter(container => container.resources?.[field]?.[resource] === undefined)
    if (open.length > 0)
      problems.push(
        `${bound} for: ${open
          .map(container => container.name)
          .sort()
          .join(',')}`,
      )
  }
  return problems.join('; ')
}
