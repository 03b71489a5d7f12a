/** How long a request is wanted: until its client goes away or the server stops. Most requests end without being asked. */

export class Lifetime {
  readonly #open: Set<Lifetime>
  #controller: AbortController | undefined
  /** The client is gone, or has its whole answer. */
  gone = false

  /** `open` holds all that have a signal, for the server to stop. */
  constructor(open: Set<Lifetime>) {
    this.#open = open
  }

  /** Made when first asked for: a signal per request would cost more than most requests do. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.gone) this.#controller.abort(ended)
      else this.#open.add(this)
    }
    return this.#controller.signal
  }

  /** The connection or stream is closed. */
  close(): void {
    this.gone = true
    this.stop()
  }

  /** The server stops: whoever works on the request should finish, the answer can still be sent. */
  stop(): void {
    this.#open.delete(this)
    this.#controller?.abort(ended)
  }
}

const ended = new Error('the request is over')
ended.name = 'AbortError'
