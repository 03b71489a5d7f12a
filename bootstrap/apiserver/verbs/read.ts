/** get and list (the resourceVersion semantics of each are upstream's, see the API concepts page). */
import { errors } from '../../api/errors.ts'
import type { CompactedError, FutureRevisionError } from '../../datastore/datastore.ts'
import { prefixOf } from '../store/keys.ts'
import type { ResourceStore, Stored } from '../store/store.ts'
import type { Call, VerbDeps } from './call.ts'
import { gr, storeOf } from './call.ts'
import type { ContinueToken } from './continue.ts'
import { decodeContinue, encodeContinue } from './continue.ts'
import type { ListOptions } from './listoptions.ts'
import { revisionOf } from './listoptions.ts'
import { catchUp } from './newest.ts'
import { present } from './present.ts'
import { selectionOf } from './selection.ts'

/** How long a read waits for a revision this server has not seen yet. */
const freshnessTimeoutMs = 3000

/** The object in the version of the call. Throws 404. */
export async function getObject(deps: VerbDeps, call: Call, resourceVersion = ''): Promise<Stored> {
  const cache = await storeOf(deps, call.kind)
  await current(cache, resourceVersion, call)
  const stored = cache.get(call.namespace, call.name)
  if (!stored) throw errors.notFound(gr(call.kind), call.name)
  return present(call.kind, stored)
}

export interface Listed {
  /** In the version of the call. */
  readonly items: readonly Stored[]
  readonly revision: number
  readonly continue: string
  readonly remaining: number | undefined
}

/** One page of a collection. `options` have been checked (listoptions.ts). */
export async function listObjects(deps: VerbDeps, call: Call, options: ListOptions): Promise<Listed> {
  const { kind } = call
  const cache = await storeOf(deps, kind)
  const selection = selectionOf(kind, options)
  const prefix = prefixOf(kind.storage.group, kind.storage.resource, call.namespace)
  const limit = options.limit > 0 ? options.limit : undefined
  const { token, at } = await startOf(cache, call, options, prefix)
  try {
    const page = await cache.list({
      ...(call.namespace === '' ? {} : { namespace: call.namespace }),
      ...(selection.match ? { match: selection.match } : {}),
      ...(limit === undefined ? {} : { limit }),
      ...(token ? { after: token.after } : {}),
      ...(at === undefined ? {} : { at }),
    })
    const more = page.continueAfter
    return {
      items: page.items.map(stored => present(kind, stored)),
      revision: page.revision,
      continue: more === undefined ? '' : encodeContinue({ revision: page.revision, after: more }, prefix),
      remaining: more !== undefined && !selection.match ? page.remaining : undefined,
    }
  } catch (error) {
    throw readError(error, token, prefix)
  }
}

async function startOf(
  cache: ResourceStore,
  call: Call,
  options: ListOptions,
  prefix: string,
): Promise<{ token?: ContinueToken; at?: number }> {
  const { resourceVersion, resourceVersionMatch: match } = options
  if (options.continue !== '') {
    if (resourceVersion !== '' && resourceVersion !== '0') {
      throw errors.badRequest('specifying resource version is not allowed when using continue')
    }
    const token = decodeContinue(options.continue, prefix)
    if (token.revision === undefined) await catchUp(cache)
    else await reach(cache, token.revision, call)
    return { token, ...(token.revision === undefined ? {} : { at: token.revision }) }
  }
  await current(cache, resourceVersion, call)
  const revision = revisionOf(resourceVersion) ?? 0
  return revision > 0 && (match === 'Exact' || (match === '' && options.limit > 0)) ? { at: revision } : {}
}

/** Unset: all that has been acknowledged; 0: whatever is here; else at least that revision. Throws 503 or 504. */
async function current(cache: ResourceStore, resourceVersion: string, call: Call): Promise<void> {
  const revision = revisionOf(resourceVersion)
  if (revision === undefined) await catchUp(cache)
  else await reach(cache, revision, call)
}

/** Waits until the cache has seen `revision`. Throws 504 when it does not get there. */
async function reach(cache: ResourceStore, revision: number, call: Call): Promise<void> {
  if (revision <= cache.revision) return
  const timeout = AbortSignal.timeout(freshnessTimeoutMs)
  try {
    await cache.waitFor(revision, AbortSignal.any([call.signal, timeout]))
  } catch (error) {
    if (!timeout.aborted) throw error
    throw errors.resourceVersionTooLarge(revision, cache.revision)
  }
}

function readError(error: unknown, token: ContinueToken | undefined, prefix: string): unknown {
  if (!(error instanceof Error)) return error
  if (error.name === 'FutureRevisionError') {
    const asked = Number(/\d+/.exec(error.message)?.[0] ?? 0)
    return errors.resourceVersionTooLarge(asked, (error as FutureRevisionError).current)
  }
  if (error.name !== 'CompactedError') return error
  if (!token) {
    return errors.expired('The resourceVersion for the provided list is too old.')
  }
  const resume = encodeContinue({ revision: undefined, after: token.after }, prefix)
  return errors.expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
    resume,
  )
}

export function isCompacted(error: unknown): error is CompactedError {
  return error instanceof Error && error.name === 'CompactedError'
}
