/**
 * Ours: what the pods of plans' Jobs say of their trouble, e.g. the last lines of the container that ended one. When a Job has
 * failed its pods are often gone, so it is kept from when they were there. Pods are watched once there is a plan.
 */
import { controllerOf, type ObjectKey } from '../../bootstrap/api/object.ts'
import type { ContainerStatus } from '../../bootstrap/api/types.gen.ts'
import type { Informer } from '../../bootstrap/client/informer.ts'
import { events, type Job, type Pod, pods } from '../../bootstrap/client/resources.ts'
import { findCondition } from '../runtime/conditions.ts'
import type { Cluster } from '../runtime/operator.ts'
import { millis } from '../runtime/time.ts'
import { label } from './plan.ts'

const longestDetail = 300
/** Jobs whose pods are remembered. */
const remembered = 200

export class Troubles {
  readonly #namespace: string
  readonly #controller: string
  readonly #wake: (plan: ObjectKey) => void
  /** By the uid of the Job: the last word of each of its pods, in the order in which they came. */
  readonly #words = new Map<string, Map<string, string>>()
  #pods: Informer<Pod> | undefined

  /** `wake` is told whose pods have something new to say. */
  constructor(namespace: string, controller: string, wake: (plan: ObjectKey) => void) {
    this.#namespace = namespace
    this.#controller = controller
    this.#wake = wake
  }

  watch({ informers }: Cluster): void {
    if (this.#pods) return
    const labelSelector = `${label.controller}=${this.#controller}`
    this.#pods = informers.get(pods, { namespace: this.#namespace, labelSelector })
    const look = (pod: Pod) => this.#look(pod)
    this.#pods.subscribe({ added: look, updated: look, deleted: look })
  }

  /** What the last of the Job's pods that was in trouble has said. */
  async of({ metadata: { uid = '' } }: Job): Promise<string | undefined> {
    await this.#pods?.whenSynced()
    return [...(this.#words.get(uid)?.values() ?? [])].at(-1)
  }

  /** Why the Job cannot have a pod, e.g. for want of its service account, by the Job controller's events. */
  async ofCreation({ metadata: { namespace, uid = '' } }: Job, { client }: Cluster): Promise<string | undefined> {
    const fieldSelector = `involvedObject.uid=${uid},reason=FailedCreate`
    const { items } = await client.list(events, { ...(namespace ? { namespace } : {}), fieldSelector })
    const last = items.toSorted((a, b) => millis(a.lastTimestamp) - millis(b.lastTimestamp)).at(-1)
    return last?.message === undefined ? undefined : oneLine(last.message)
  }

  #look(pod: Pod): void {
    const job = controllerOf(pod)?.uid
    if (job === undefined) return
    const words = this.#words.get(job) ?? new Map<string, string>()
    const [uid, text] = [pod.metadata.uid ?? '', podTrouble(pod)]
    if (words.get(uid) === text) return
    if (text === undefined) words.delete(uid)
    else words.set(uid, text)
    this.#words.set(job, words)
    this.#wake(`${this.#namespace}/${pod.metadata.labels?.[label.plan] ?? ''}`)
    if (this.#words.size <= remembered) return
    const [oldest = ''] = this.#words.keys()
    this.#words.delete(oldest)
  }
}

function podTrouble({ status }: Pod): string | undefined {
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  for (const each of containers) {
    const text = containerTrouble(each)
    if (text !== undefined) return text
  }
  const scheduled = findCondition(status?.conditions, 'PodScheduled')
  return scheduled?.status === 'False' ? oneLine(scheduled.message ?? '') : undefined
}

function containerTrouble({ name, state }: ContainerStatus): string | undefined {
  const { terminated, waiting } = state ?? {}
  if (terminated && terminated.exitCode !== 0) {
    const said = oneLine(terminated.message ?? '')
    return `container ${name} ended with ${terminated.exitCode}${said === '' ? '' : `: ${said}`}`
  }
  if (waiting?.reason === undefined || isBeginning(waiting.reason)) return undefined
  const why = oneLine(waiting.message ?? '')
  return `container ${name}: ${waiting.reason}${why === '' ? '' : `: ${why}`}`
}

const isBeginning = (reason: string): boolean => reason === 'PodInitializing' || reason === 'ContainerCreating'

/** The end of a text says more than its beginning. */
function oneLine(text: string): string {
  const joined = text
    .trim()
    .split(/\s*\n\s*/)
    .join('; ')
  return joined.length > longestDetail ? `...${joined.slice(-longestDetail)}` : joined
}
