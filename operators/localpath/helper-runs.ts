/** Running a helper pod to its end and clearing it away. */
import { ignoreNotFound, isAlreadyExists } from '../../bootstrap/api/errors.ts'
import { type Pod, pods } from '../../bootstrap/client/resources.ts'
import type { Cluster } from '../runtime/operator.ts'

/** A helper that did not do its work. */
export class HelperError extends Error {}

/** Follows the pods of one namespace. */
export class HelperRuns {
  readonly #cluster: Cluster
  readonly #waiting = new Map<string, (pod: Pod | undefined) => void>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    const told = (pod: Pod, gone: boolean) => this.#waiting.get(pod.metadata.name!)?.(gone ? undefined : pod)
    cluster.informers.get(pods, helperSelector).subscribe({
      added: pod => void told(pod, false),
      updated: pod => void told(pod, false),
      deleted: pod => void told(pod, true),
    })
  }

  /** Resolves when the pod has succeeded. Rejects with HelperError when it fails, vanishes or takes too long. */
  async run(pod: Pod, timeoutSeconds: number): Promise<void> {
    const { client, clock, signal } = this.#cluster
    const { name = '', namespace } = pod.metadata
    const { promise, resolve } = Promise.withResolvers<Pod | undefined>()
    const over = new AbortController()
    this.#waiting.set(name, found => {
      if (found === undefined || found.status?.phase === 'Succeeded' || found.status?.phase === 'Failed') resolve(found)
    })
    try {
      const labelled = {
        ...pod,
        metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, [helperLabel]: 'true' } },
      }
      await client.create(pods, labelled).catch(error => {
        // One is left over from an attempt that was cut off: its end is as good.
        if (!isAlreadyExists(error)) throw error
      })
      const existing = this.#cluster.informers.get(pods, helperSelector).get(`${namespace}/${name}`)
      if (existing) this.#waiting.get(name)?.(existing)
      const late = clock
        .sleep(timeoutSeconds * 1000, AbortSignal.any([signal, over.signal]))
        .then(() => 'late' as const)
      late.catch(() => {})
      const end = await Promise.race([promise, late])
      if (end === 'late') throw new HelperError(`create process timeout after ${timeoutSeconds} seconds`)
      if (end === undefined) throw new HelperError(`the helper pod ${name} was deleted`)
      if (end.status?.phase === 'Failed') throw new HelperError(`the helper pod ${name} failed${reasonOf(end)}`)
    } finally {
      over.abort()
      this.#waiting.delete(name)
      await client
        .delete(pods, { name, namespace }, { gracePeriodSeconds: 0 })
        .catch(ignoreNotFound)
        .catch(() => {})
    }
  }
}

const helperLabel = 'local.path.provisioner/helper'
const helperSelector = { labelSelector: helperLabel }

function reasonOf({ status }: Pod): string {
  const ended = status?.containerStatuses?.[0]?.state?.terminated
  const text = ended?.message?.trim() || status?.message || (ended ? `exit code ${ended.exitCode}` : '')
  return text === '' ? '' : `: ${text}`
}
