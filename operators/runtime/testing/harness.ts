/** Runs operators against the in-memory client with a clock that stands still. */
import { createInformers } from '../../../bootstrap/client/informers.ts'
import { FakeClock, turns } from '../../../bootstrap/client/testing/fake-clock.ts'
import { MemoryClient } from '../../../bootstrap/client/testing/memory-client.ts'
import { createEventRecorder } from '../events.ts'
import type { Cluster, Logger, Operator } from '../operator.ts'
import { runOperators } from '../run.ts'
import type { WorkQueue } from '../work-queue.ts'

const maxTurns = 2000
/** From then on the work may be waiting for a file, so that turns are given time. */
const swiftTurns = 500
const slowTurnMs = 10

export class Harness {
  readonly clock = new FakeClock()
  readonly client: MemoryClient
  readonly cluster: Cluster
  /** What was logged as an error. */
  readonly failures: object[] = []
  readonly #stop = new AbortController()
  readonly #queues: WorkQueue[] = []
  #running: Promise<void> | undefined

  constructor(client?: MemoryClient) {
    this.client = client ?? new MemoryClient({ now: () => this.clock.now() })
    const log: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: fields => this.failures.push(fields) }
    const effects = { clock: this.clock, log, signal: this.#stop.signal, random: () => 0 }
    this.cluster = {
      ...effects,
      client: this.client,
      informers: createInformers(this.client, effects),
      events: createEventRecorder({ client: this.client, clock: this.clock, log, component: 'test' }),
    }
  }

  /** Starts the operators and waits until they have nothing to do. */
  async start(...operators: readonly Operator[]): Promise<void> {
    this.#running = runOperators(operators, this.cluster, { onQueue: (_, queue) => this.#queues.push(queue) })
    await this.idle()
  }

  /** Waits until no key is ready or worked on and no write has happened for some turns. Fails if that never comes. */
  async idle(): Promise<void> {
    let quiet = 0
    for (let turn = 0; turn < maxTurns; turn++) {
      const revision = this.client.store.revision
      await turns(1)
      if (turn >= swiftTurns) await new Promise(resolve => setTimeout(resolve, slowTurnMs))
      const still = revision === this.client.store.revision && this.#queues.every(queue => queue.idle)
      quiet = still ? quiet + 1 : 0
      if (quiet > 5) return
    }
    throw new Error('the operators never come to rest')
  }

  /** Moves time on, in one step, and waits for the consequences. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms)
    await this.idle()
  }

  /** Reasons and messages of the events written so far. */
  events(): string[] {
    return [...this.client.store.table('/events').values()].map(
      event =>
        `${(event as unknown as { reason: string }).reason}: ${(event as unknown as { message: string }).message}`,
    )
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('test over'))
    await this.#running
  }
}
