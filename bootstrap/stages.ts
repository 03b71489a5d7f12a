/** What has been started, so that it can be stopped in reverse order. */
import type { Logger } from './log.ts'

/** A part that takes longer than this to stop is left behind: the process ends, and what is durable is so already. */
const stopLimitMs = 10_000

export class Stages {
  readonly #log: Logger
  readonly #limitMs: number
  #stopping = false
  readonly #stops: { readonly name: string; readonly stop: () => void | Promise<void> }[] = []

  constructor(log: Logger, limitMs = stopLimitMs) {
    this.#log = log
    this.#limitMs = limitMs
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

  /** Stops everything, the last one first; one that fails or does not end is logged and does not keep the others. */
  async stop(): Promise<void> {
    this.#stopping = true
    for (let stage = this.#stops.pop(); stage !== undefined; stage = this.#stops.pop()) {
      try {
        await this.#inTime(stage.stop())
      } catch (error) {
        this.#log.error({ err: error, stage: stage.name }, 'cannot stop cleanly')
      }
    }
  }

  async #inTime(stopping: void | Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it has not stopped after ${this.#limitMs} ms`)), this.#limitMs)
    })
    try {
      await Promise.race([stopping, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
