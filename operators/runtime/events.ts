/**
 * Events about objects, correlated the way client-go's recorder does it: a repeated event raises the count of the first,
 * ten that differ only in their message within ten minutes are combined, and one object may only say so much.
 */
import { isNotFound } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import type { Clock } from '../../bootstrap/client/clock.ts'
import { type Event, events } from '../../bootstrap/client/resources.ts'
import type { EventRecorder } from './operator.ts'
import { timestamp } from './time.ts'

export interface EventEffects {
  readonly client: Client
  readonly clock: Clock
  readonly log: { debug(fields: object, message: string): void }
  /** Names the reporter, e.g. "deployment-controller". */
  readonly component: string
  /** The node the reporter speaks from, where that matters. */
  readonly host?: string
}

type Subject = Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>

const burst = 25
const refillMs = 300_000
const similarLimit = 10
const similarWindowMs = 600_000
const remembered = 4096

/** Makes a recorder. Events are written one after another in the background; a failed write is dropped. */
export function createEventRecorder(effects: EventEffects): EventRecorder {
  const writer = new EventWriter(effects.client, effects.clock, effects.log)
  const speakingAs = (component: string): EventRecorder => ({
    event: (object, type, reason, message) =>
      writer.record({ component, host: effects.host, object, type, reason, message }),
    as: speakingAs,
  })
  return speakingAs(effects.component)
}

interface Occurrence {
  readonly component: string
  readonly host: string | undefined
  readonly object: Subject
  readonly type: string
  readonly reason: string
  readonly message: string
}

class EventWriter {
  readonly #client: Client
  readonly #clock: Clock
  readonly #log: EventEffects['log']
  readonly #budgets = new Recent<{ tokens: number; at: number }>()
  readonly #similar = new Recent<{ at: number; messages: Set<string> }>()
  readonly #written = new Recent<Event>()
  #queue: Promise<void> = Promise.resolve()
  #lastName = 0

  constructor(client: Client, clock: Clock, log: EventEffects['log']) {
    this.#client = client
    this.#clock = clock
    this.#log = log
  }

  record(occurrence: Occurrence): void {
    const now = this.#clock.now()
    this.#queue = this.#queue
      .then(() => this.#write(occurrence, now))
      .catch(error => this.#log.debug({ reason: occurrence.reason, error: String(error) }, 'event dropped'))
  }

  async #write(occurrence: Occurrence, now: number): Promise<void> {
    const { component, object } = occurrence
    const about = `${component}/${object.kind}/${object.metadata.namespace}/${object.metadata.name}/${object.metadata.uid}`
    const message = this.#combined(`${about}/${occurrence.type}/${occurrence.reason}`, occurrence.message, now)
    if (!this.#mayWrite(about, now)) return
    const key = `${about}/${occurrence.type}/${occurrence.reason}/${message.key}`
    const before = this.#written.get(key)
    const written = before
      ? await this.#repeat(before, { ...occurrence, message: message.text }, now)
      : await this.#first({ ...occurrence, message: message.text }, now)
    this.#written.set(key, written)
  }

  async #repeat(before: Event, occurrence: Occurrence, now: number): Promise<Event> {
    const { name = '', namespace = '' } = before.metadata
    const patch = { count: (before.count ?? 1) + 1, lastTimestamp: timestamp(now), message: occurrence.message }
    try {
      return await this.#client.patch(events, { name, namespace }, patch, { type: 'strategic' })
    } catch (error) {
      if (isNotFound(error)) return this.#first(occurrence, now)
      throw error
    }
  }

  #first(occurrence: Occurrence, now: number): Promise<Event> {
    const { component, host, object, type, reason, message } = occurrence
    const { name = '', namespace, uid, resourceVersion } = object.metadata
    this.#lastName = Math.max(this.#lastName + 1, now * 1000)
    const source = host === undefined ? { component } : { component, host }
    return this.#client.create(events, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${(BigInt(this.#lastName) * 1000n).toString(16)}`, namespace: namespace ?? 'default' },
      involvedObject: { kind: object.kind, apiVersion: object.apiVersion, name, namespace, uid, resourceVersion },
      reason,
      message,
      type,
      count: 1,
      firstTimestamp: timestamp(now),
      lastTimestamp: timestamp(now),
      source,
      reportingComponent: component,
      reportingInstance: host ?? '',
    })
  }

  /** Many messages for one reason share one event from the tenth on. */
  #combined(key: string, message: string, now: number): { key: string; text: string } {
    const known = this.#similar.get(key)
    const group = known && now - known.at <= similarWindowMs ? known : { at: now, messages: new Set<string>() }
    group.at = now
    group.messages.add(message)
    this.#similar.set(key, group)
    if (group.messages.size < similarLimit) return { key: message, text: message }
    group.messages = new Set([...group.messages].slice(-similarLimit))
    return { key: '(combined)', text: `(combined from similar events): ${message}` }
  }

  #mayWrite(key: string, now: number): boolean {
    const budget = this.#budgets.get(key) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, budget.tokens + (now - budget.at) / refillMs)
    this.#budgets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now })
    return tokens >= 1
  }
}

/** A map that forgets what was set longest ago. */
class Recent<V> {
  readonly #entries = new Map<string, V>()

  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= remembered) return
    const [oldest = ''] = this.#entries.keys()
    this.#entries.delete(oldest)
  }
}
