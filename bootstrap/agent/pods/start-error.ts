/** Why a container could not be started: `reason` is what its status shows as waiting. */
export class StartError extends Error {
  readonly reason: string
  /** When to try again (ms); undefined leaves it to the caller. */
  readonly retryAt: number | undefined

  constructor(reason: string, message: string, retryAt?: number) {
    super(message)
    this.name = 'StartError'
    this.reason = reason
    this.retryAt = retryAt
  }
}
