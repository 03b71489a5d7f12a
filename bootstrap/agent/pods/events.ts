/** Events about pods and the node, as kubelet records them; repeats raise the count of the first. */

import { rfc3339 } from '../../api/time.ts'
import type { ObjectReference } from '../../api/types.gen.ts'
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import { type Event, events, type Pod, type Service } from '../../client/resources.ts'

interface Recorded {
  readonly name: string
  count: number
}

export interface EventDeps {
  readonly client: Client
  readonly clock: Clock
  readonly nodeName: string
  /** Who speaks; kubelet unless told. */
  readonly component?: string
  readonly log: { debug?(fields: object, message: string): void }
}

const remembered = 1000

export class EventRecorder {
  readonly #deps: EventDeps
  readonly #recorded = new Map<string, Recorded>()
  #queue: Promise<void> = Promise.resolve()

  constructor(deps: EventDeps) {
    this.#deps = deps
  }

  /** `fieldPath` names a container, e.g. "spec.containers{web}". Never throws: events are best effort. */
  pod(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, fieldPath?: string): void {
    const { name, namespace, uid, resourceVersion } = pod.metadata
    this.#record(
      { kind: 'Pod', apiVersion: 'v1', name, namespace, uid, resourceVersion, ...(fieldPath ? { fieldPath } : {}) },
      namespace ?? 'default',
      type,
      reason,
      message,
    )
  }

  node(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { nodeName } = this.#deps
    this.#record({ kind: 'Node', name: nodeName, uid: nodeName }, 'default', type, reason, message)
  }

  service(service: Service, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { name, namespace, uid, resourceVersion } = service.metadata
    const involved = { kind: 'Service', apiVersion: 'v1', name, namespace, uid, resourceVersion }
    this.#record(involved, namespace ?? 'default', type, reason, message)
  }

  /** Resolves once everything recorded so far was sent. */
  flush(): Promise<void> {
    return this.#queue
  }

  #record(involved: ObjectReference, namespace: string, type: string, reason: string, message: string): void {
    this.#queue = this.#queue
      .then(() => this.#send(involved, namespace, type, reason, message))
      .catch(error => this.#deps.log.debug?.({ error: (error as Error).message, reason }, 'event not recorded'))
  }

  async #send(
    involved: ObjectReference,
    namespace: string,
    type: string,
    reason: string,
    message: string,
  ): Promise<void> {
    const { client, clock, nodeName, component = 'kubelet' } = this.#deps
    const key = JSON.stringify([involved.uid, involved.fieldPath, type, reason, message])
    const time = rfc3339(clock.now())
    const known = this.#recorded.get(key)
    if (known) {
      known.count++
      const patch = { count: known.count, lastTimestamp: time }
      const done = await client.patch(events, { namespace, name: known.name }, patch, { type: 'merge' }).then(
        () => true,
        () => false,
      )
      if (done) return
    }
    const name = `${involved.name}.${(BigInt(Math.trunc(clock.now())) * 1_000_000n + BigInt(this.#recorded.size)).toString(16)}`
    const event: Event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: involved,
      reason,
      message: message.slice(0, 1024),
      type,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component, host: nodeName },
      reportingComponent: component,
      reportingInstance: nodeName,
    }
    await client.create(events, event)
    this.#recorded.delete(key)
    this.#recorded.set(key, { name, count: 1 })
    if (this.#recorded.size > remembered) this.#recorded.delete(this.#recorded.keys().next().value!)
  }
}

/** The fieldPath of a container in an event. */
export function containerPath(pod: Pod, name: string): string {
  if (pod.spec.initContainers?.some(container => container.name === name)) return `spec.initContainers{${name}}`
  if (pod.spec.ephemeralContainers?.some(container => container.name === name))
    return `spec.ephemeralContainers{${name}}`
  return `spec.containers{${name}}`
}
