/** A failure of S3 in one line. */
export class S3Error extends Error {
  /** Whether the same may succeed later without anybody changing the configuration. */
  readonly retriable: boolean
  /** S3's own name for it where it gave one: "NoSuchBucket". */
  readonly code: string | undefined

  constructor(message: string, options: { retriable?: boolean; code?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'S3Error'
    this.retriable = options.retriable ?? false
    this.code = options.code
  }

  /** The object is not there. */
  get notFound(): boolean {
    return this.code === 'NoSuchKey' || this.code === 'NotFound'
  }
}
