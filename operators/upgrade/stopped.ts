/**
 * Nodes on which a plan's Job has failed for good. Its Job goes after a while, and must not come again by itself: only a
 * change of the plan, or another controller after this one, tries again (as upstream, which remembers no more either).
 */
import type { ObjectKey } from '../../bootstrap/api/object.ts'
import type { Plan } from './plan.ts'

interface Failures {
  readonly stamp: string
  readonly nodes: Set<string>
}

export class Stopped {
  readonly #failures = new Map<ObjectKey, Failures>()

  /** Forgets what an earlier state of the plan has failed at. */
  look(key: ObjectKey, plan: Plan): void {
    if (this.#failures.get(key)?.stamp !== stampOf(plan)) this.#failures.delete(key)
  }

  failed(key: ObjectKey, plan: Plan, node: string): void {
    const known = this.#failures.get(key) ?? { stamp: stampOf(plan), nodes: new Set() }
    known.nodes.add(node)
    this.#failures.set(key, known)
  }

  /** Whether the plan has stopped at this node, or at any. */
  is(key: ObjectKey, node?: string): boolean {
    const nodes = this.#failures.get(key)?.nodes
    return nodes !== undefined && (node === undefined || nodes.has(node))
  }

  forget(key: ObjectKey): void {
    this.#failures.delete(key)
  }
}

const stampOf = ({ metadata, spec }: Plan): string => JSON.stringify([metadata.annotations, metadata.labels, spec])
