/** A failure of S3 in one line. */
export class S3Error extends Error {
  /** Whether the same may succeed later without anybody changing the configuration. */
  readonly retriable: boolean
  /** The object or bucket is not there. */
  readonly notFound: boolean

  constructor(message: string, options: { retriable?: boolean; notFound?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'S3Error'
    this.retriable = options.retriable ?? false
    this.notFound = options.notFound ?? false
  }
}
