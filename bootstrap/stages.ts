/** What has been started, so that it can be stopped in reverse order. */
import type { Logger } from './log.ts'

export class Stages {
  readonly #log: Logger
  #stopping = false
  readonly #stops: { readonly name: string; readonly stop: () => void | Promise<void> }[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * Remembers how to stop something that was just started. When everything is being stopped already, it is stopped at once
   * and the start ends here, by a throw.
   */
  started(name: string, stop: () => void | Promise<void>): void {
    this.#stops.push({ name, stop })
    if (!this.#stopping) return
    void this.stop()
    throw new Error(`stopped before ${name} was in use`)
  }

  /** Stops everything, the last one first; one that fails is logged and does not keep the others. */
  async stop(): Promise<void> {
    this.#stopping = true
    for (let stage = this.#stops.pop(); stage !== undefined; stage = this.#stops.pop()) {
      try {
        await stage.stop()
      } catch (error) {
        this.#log.error({ err: error, stage: stage.name }, 'cannot stop cleanly')
      }
    }
  }
}
