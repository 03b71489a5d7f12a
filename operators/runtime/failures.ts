/** Failures that are part of everyday life. */
import { isConflict, isNotFound, isStatusError } from '../../bootstrap/api/errors.ts'

/** The server refuses new content because the namespace is going: no reason to retry. */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    isStatusError(error) && (error.status.details?.causes ?? []).some(cause => cause.reason === 'NamespaceTerminating')
  )
}

/** A stale cache, an object just deleted, a namespace on its way out: the next try, or the next event, settles it. */
export function isTransient(error: unknown): boolean {
  return isConflict(error) || isNotFound(error) || isNamespaceTerminating(error)
}
