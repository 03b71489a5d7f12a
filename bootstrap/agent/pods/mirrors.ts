/** Static pods and the mirror objects that show them in the API. */
import { isAlreadyExists, isNotFound } from '../../api/errors.ts'
import type { Client } from '../../client/client.ts'
import { nodes, type Pod, pods } from '../../client/resources.ts'
import { hashAnnotation, mirrorAnnotation, podUid } from './identity.ts'

interface Entry {
  readonly pod: Pod
  mirror: Pod | undefined
}

export class Mirrors {
  readonly #client: Client
  readonly #nodeName: string
  readonly #log: { warn(fields: object, message: string): void }
  readonly #entries = new Map<string, Entry>()

  constructor(client: Client, nodeName: string, log: { warn(fields: object, message: string): void }) {
    this.#client = client
    this.#nodeName = nodeName
    this.#log = log
  }

  staticUids(): string[] {
    return [...this.#entries.keys()]
  }

  addStatic(pod: Pod): void {
    if (this.#entries.has(podUid(pod))) return
    this.#entries.set(podUid(pod), { pod, mirror: undefined })
    void this.#create(pod)
  }

  removeStatic(uid: string): void {
    const entry = this.#entries.get(uid)
    this.#entries.delete(uid)
    if (entry?.mirror) void this.#delete(entry.mirror)
  }

  /** Takes note of a mirror object; resolves with the uid of its static pod. A mirror of nothing is deleted. */
  seen(mirror: Pod): string | undefined {
    const hash = mirror.metadata.annotations?.[mirrorAnnotation]
    const found = [...this.#entries].find(([, { pod }]) => pod.metadata.annotations?.[hashAnnotation] === hash)
    if (!found || mirror.metadata.deletionTimestamp) {
      void this.#delete(mirror)
      return undefined
    }
    found[1].mirror = mirror
    return found[0]
  }

  /** A deleted mirror comes back while there is a static pod of that name, be it the same or its successor. */
  lost(mirror: Pod): void {
    const entry = [...this.#entries.values()].find(
      ({ pod, mirror: known }) =>
        isNamesake(pod, mirror) && (known === undefined || known.metadata.uid === mirror.metadata.uid),
    )
    if (!entry) return
    entry.mirror = undefined
    void this.#create(entry.pod)
  }

  /** The object status is published to: the pod itself, or a static pod's mirror. */
  apiObjectOf(pod: Pod): Pod | undefined {
    const entry = this.#entries.get(podUid(pod))
    return entry ? entry.mirror : pod
  }

  async #create(pod: Pod): Promise<void> {
    try {
      const node = await this.#client.get(nodes, { name: this.#nodeName })
      const { uid: _, ...metadata } = pod.metadata
      const hash = metadata.annotations?.[hashAnnotation] ?? ''
      await this.#client.create(pods, {
        ...pod,
        metadata: {
          ...metadata,
          annotations: { ...metadata.annotations, [mirrorAnnotation]: hash },
          ownerReferences: [
            { apiVersion: 'v1', kind: 'Node', name: this.#nodeName, uid: node.metadata.uid ?? '', controller: true },
          ],
        },
      })
    } catch (error) {
      if (!isAlreadyExists(error))
        this.#log.warn({ pod: pod.metadata.name, error: (error as Error).message }, 'mirror pod not created')
    }
  }

  async #delete(mirror: Pod): Promise<void> {
    const { name = '', namespace } = mirror.metadata
    await this.#client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0 }).catch(error => {
      if (!isNotFound(error)) this.#log.warn({ pod: name, error: (error as Error).message }, 'mirror pod not deleted')
    })
  }
}

const isNamesake = (a: Pod, b: Pod): boolean =>
  a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace
