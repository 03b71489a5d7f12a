/** Writes statuses in the background, one write per object at a time, the latest next. */
import { isNotFound } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'

export interface StatusUpdate {
  readonly resource: Resource
  readonly object: KubeObject
  readonly status: { readonly [field: string]: unknown }
}

export class StatusWriter {
  readonly #client: Client
  readonly #signal: AbortSignal
  readonly #log: (line: string) => void
  readonly #waiting = new Map<string, StatusUpdate>()
  /** What was written last, so that an informer that lags does not make it written again. */
  readonly #written = new Map<string, string>()
  #working = false

  constructor(client: Client, signal: AbortSignal, log: (line: string) => void) {
    this.#client = client
    this.#signal = signal
    this.#log = log
  }

  write(updates: readonly StatusUpdate[]): void {
    for (const update of updates) this.#waiting.set(`${update.object.kind}/${update.object.metadata.uid}`, update)
    if (!this.#working) void this.#work()
  }

  async #work(): Promise<void> {
    this.#working = true
    for (const [key, update] of this.#waiting) {
      if (this.#signal.aborted) break
      this.#waiting.delete(key)
      const { name = '', namespace } = update.object.metadata
      const text = `${update.object.metadata.resourceVersion} ${JSON.stringify(update.status)}`
      if (this.#written.get(key) === text) continue
      try {
        await this.#client.patch(
          update.resource,
          { name, namespace },
          { status: update.status },
          { type: 'merge', subresource: 'status' },
        )
        this.#written.set(key, text)
      } catch (error) {
        if (!isNotFound(error) && !this.#signal.aborted)
          this.#log(`status of ${update.object.kind} ${namespace ?? ''}/${name}: ${(error as Error).message}`)
      }
    }
    this.#working = false
  }
}
