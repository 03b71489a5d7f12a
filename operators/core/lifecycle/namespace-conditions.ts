/** What the conditions of a terminating namespace say (upstream status_condition_utils.go). */
import type { NamespaceCondition } from '../../../bootstrap/api/types.gen.ts'
import { setCondition } from '../../runtime/conditions.ts'

export interface Remains {
  readonly discovery: readonly { readonly groupVersion: string; readonly message: string }[]
  /** How many objects are left, by resource. */
  readonly objects: Map<string, number>
  /** On how many objects each finalizer is left. */
  readonly finalizers: Map<string, number>
  readonly failures: string[]
}

interface Verdict {
  readonly type: string
  readonly bad: string | undefined
  readonly reasons: readonly [good: string, bad: string]
  readonly message: string
}

export function remainsConditions(
  old: readonly NamespaceCondition[] | undefined,
  remains: Remains,
  now: number,
): readonly NamespaceCondition[] {
  let conditions = old ?? []
  for (const { type, bad, reasons, message } of verdicts(remains)) {
    const [good, failed] = reasons
    const next =
      bad === undefined
        ? { type, status: 'False', reason: good, message }
        : { type, status: 'True', reason: failed, message: bad }
    conditions = setCondition(conditions, next, now)
  }
  return conditions
}

function verdicts({ discovery, objects, finalizers, failures }: Remains): readonly Verdict[] {
  const remaining = lines(objects, (resource, count) => `${resource} has ${count} resource instances`)
  const kept = lines(finalizers, (name, count) => `${name} in ${count} resource instances`)
  const unread = discovery.map(({ groupVersion, message }) => `${groupVersion}: ${message}`).join(', ')
  const undiscovered = `Discovery failed for some groups, ${discovery.length} failing: unable to retrieve the complete list of server APIs: ${unread}`
  return [
    {
      type: 'NamespaceDeletionDiscoveryFailure',
      bad: discovery.length > 0 ? undiscovered : undefined,
      reasons: ['ResourcesDiscovered', 'DiscoveryFailed'],
      message: 'All resources successfully discovered',
    },
    {
      type: 'NamespaceDeletionGroupVersionParsingFailure',
      bad: undefined,
      reasons: ['ParsedGroupVersions', 'GroupVersionParsingFailed'],
      message: 'All legacy kube types successfully parsed',
    },
    {
      type: 'NamespaceDeletionContentFailure',
      bad:
        failures.length > 0
          ? `Failed to delete all resource types, ${failures.length} remaining: ${[...failures].sort().join(', ')}`
          : undefined,
      reasons: ['ContentDeleted', 'ContentDeletionFailed'],
      message: 'All content successfully deleted, may be waiting on finalization',
    },
    {
      type: 'NamespaceContentRemaining',
      bad: remaining && `Some resources are remaining: ${remaining}`,
      reasons: ['ContentRemoved', 'SomeResourcesRemain'],
      message: 'All content successfully removed',
    },
    {
      type: 'NamespaceFinalizersRemaining',
      bad: kept && `Some content in the namespace has finalizers remaining: ${kept}`,
      reasons: ['ContentHasNoFinalizers', 'SomeFinalizersRemain'],
      message: 'All content-preserving finalizers finished',
    },
  ]
}

/** Sorted and joined; undefined when there are none. */
function lines(counts: ReadonlyMap<string, number>, text: (name: string, count: number) => string): string | undefined {
  if (counts.size === 0) return undefined
  return [...counts]
    .map(([name, count]) => text(name, count))
    .sort()
    .join(', ')
}
