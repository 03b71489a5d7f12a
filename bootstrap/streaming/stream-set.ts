/** What exec and attach are made of, whatever protocol carries them. */
import type { Readable, Writable } from 'node:stream'
import type { Status } from '../api/errors.ts'

/** Which streams a client asked for. With a terminal, standard error is part of standard output. */
export interface StreamFlags {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}

export interface StreamSet {
  readonly stdin?: Readable
  readonly stdout?: Writable
  readonly stderr?: Writable
  /** JSON objects {"Width", "Height"}, one after the other. */
  readonly resize?: Readable
  /** Reports how the command ended, in the protocol's form, and closes the connection. Output must have been ended. */
  finish(status: Status): void
  /** Aborted when the client is gone. */
  readonly closed: AbortSignal
}

/** From v4 on the error stream carries a Status; before, the message of a failure. */
export function errorBytes(status: Status, structured: boolean): Buffer {
  if (structured) return Buffer.from(JSON.stringify(status))
  return Buffer.from(status.status === 'Success' ? '' : (status.message ?? ''))
}
