/** What has been started, so that it can be stopped in reverse order. */
import type { Logger } from './log.ts'

export class Stages {
  readonly #log: Logger
  readonly #stops: { readonly name: string; readonly stop: () => void | Promise<void> }[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  /** Remembers how to stop something that was just started. */
  started(name: string, stop: () => void | Promise<void>): void {
    this.#stops.push({ name, stop })
  }

  /** Stops everything, the last one first; one that fails is logged and does not keep the others. */
  async stop(): Promise<void> {
    for (let stage = this.#stops.pop(); stage !== undefined; stage = this.#stops.pop()) {
      try {
        await stage.stop()
      } catch (error) {
        this.#log.error({ err: error, stage: stage.name }, 'cannot stop cleanly')
      }
    }
  }
}
