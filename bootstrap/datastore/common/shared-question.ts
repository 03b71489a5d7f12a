/**
 * One question for all who ask meanwhile. Who asks while it is under way gets the answer to the next one: never to one that
 * was put before he asked, and may be answered with what has changed since.
 */
export class SharedQuestion<Answer> {
  readonly #put: () => Promise<Answer>
  #asking: Promise<Answer> | undefined
  #next: Promise<Answer> | undefined

  constructor(put: () => Promise<Answer>) {
    this.#put = put
  }

  /** The answer to a question that is put from now on. */
  ask(): Promise<Answer> {
    if (!this.#asking) return this.#begin()
    const begin = () => {
      this.#next = undefined
      return this.#begin()
    }
    return (this.#next ??= this.#asking.then(begin, begin))
  }

  #begin(): Promise<Answer> {
    const asking = this.#put().finally(() => {
      if (this.#asking === asking) this.#asking = undefined
    })
    this.#asking = asking
    return asking
  }
}
