/** Plans that another controller may look after; where none does, their owner is told. */
import type { Deployment } from '../../bootstrap/client/resources.ts'
import { type Cluster, done, type Result } from '../runtime/operator.ts'
import { millis } from '../runtime/time.ts'
import type { Plan } from './plan.ts'

const patienceMs = 60_000

export class Foreigners {
  readonly #told = new Set<string>()

  /** A plan in another namespace than ours. */
  tell(plan: Plan | undefined, namespace: string, cluster: Cluster): Result {
    const text = `plans are applied in namespace ${namespace} only, this one is in ${plan?.metadata.namespace}`
    return this.#warn(plan, 'WrongNamespace', text, cluster)
  }

  /** A plan that is the original controller's business. */
  tellOfOriginal(plan: Plan | undefined, { metadata, status }: Deployment, cluster: Cluster): Result {
    const name = `Deployment ${metadata.namespace}/${metadata.name}`
    const text = `${name} is there (${status?.readyReplicas ?? 0} ready), so this plan is its business; without it, the server looks after plans itself`
    return this.#warn(plan, 'OtherController', text, cluster)
  }

  #warn(plan: Plan | undefined, reason: string, text: string, { clock, events }: Cluster): Result {
    const uid = plan?.metadata.uid ?? ''
    if (!plan || plan.status?.conditions || this.#told.has(uid)) return done
    const wait = millis(plan.metadata.creationTimestamp) + patienceMs - clock.now()
    if (wait > 0) return { requeueAfterMs: wait }
    this.#told.add(uid)
    events.event(plan, 'Warning', reason, text)
    return done
  }
}
