/** Plans in other namespaces. Another controller may look after them; where none does, their owner is told. */
import { type Cluster, done, type Result } from '../runtime/operator.ts'
import { millis } from '../runtime/time.ts'
import type { Plan } from './plan.ts'

const patienceMs = 60_000

export class Foreigners {
  readonly #told = new Set<string>()

  tell(plan: Plan | undefined, namespace: string, { clock, events }: Cluster): Result {
    const uid = plan?.metadata.uid ?? ''
    if (!plan || plan.status?.conditions || this.#told.has(uid)) return done
    const wait = millis(plan.metadata.creationTimestamp) + patienceMs - clock.now()
    if (wait > 0) return { requeueAfterMs: wait }
    this.#told.add(uid)
    const text = `plans are applied in namespace ${namespace} only, this one is in ${plan.metadata.namespace}`
    events.event(plan, 'Warning', 'WrongNamespace', text)
    return done
  }
}
