/** What an error of etcd, or of the way to it, means for the request that met it. */
import { type ServiceError, status } from '@grpc/grpc-js'
import { UnavailableError } from '../datastore.ts'

/**
 * - `refused`: the request had no effect and may be sent again
 * - `unknown`: nobody can say whether it had an effect
 * - `down`: no use in trying again soon: a person or maintenance has to act
 * - `compacted`, `future`: a revision that cannot be read
 * - `tooLarge`, `other`: the request is wrong
 */
export type Failure = 'refused' | 'unknown' | 'down' | 'compacted' | 'future' | 'tooLarge' | 'other'

export class EtcdError extends Error {
  readonly code: number
  readonly failure: Failure

  constructor(error: Pick<ServiceError, 'code' | 'details' | 'message'>) {
    super(error.details || error.message)
    this.name = 'EtcdError'
    this.code = error.code
    this.failure = failureOf(error.code, this.message)
  }
}

/** A value that etcd takes no request for (1.5 MiB by default); the message is the one clients know. */
export class TooLargeError extends Error {
  constructor() {
    super('etcdserver: request is too large')
    this.name = 'TooLargeError'
  }
}

function failureOf(code: number, text: string): Failure {
  switch (code) {
    case status.OUT_OF_RANGE:
      return text.includes('compacted') ? 'compacted' : 'future'
    case status.RESOURCE_EXHAUSTED:
      if (text.includes('larger than max')) return 'tooLarge'
      return text.includes('too many requests') ? 'refused' : 'down'
    case status.INVALID_ARGUMENT:
      return text.includes('too large') ? 'tooLarge' : text.includes('user name is empty') ? 'down' : 'other'
    case status.INTERNAL:
      return text.includes('serialization failure') ? 'other' : 'unknown'
    case status.UNAVAILABLE:
      return notSent.some(part => text.includes(part)) ? 'refused' : 'unknown'
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
    case status.ABORTED:
    case status.UNKNOWN:
      return 'unknown'
    case status.DATA_LOSS:
    case status.PERMISSION_DENIED:
    case status.UNAUTHENTICATED:
      return 'down'
    default:
      return 'other'
  }
}

/** Refusals before anything was proposed, by etcd or by the transport. */
const notSent = ['no leader', 'No connection established', 'rpc not supported for learner', 'not capable']

/** The error as callers of the datastore know it. */
export function asUnavailable(error: unknown, doing: string): Error {
  if (!(error instanceof EtcdError)) return error as Error
  if (error.failure === 'tooLarge') return new TooLargeError()
  return new UnavailableError(`etcd, ${doing}: ${error.message}`, { cause: error })
}
