/** watch: the changes of a collection as its selectors see them, from a revision on. */
import { errors, StatusError } from '../../api/errors.ts'
import type { Kind } from '../kinds/kind.ts'
import type { KindRegistry } from '../schema/registry.ts'
import type { Stored, StoreEvent } from '../store/store.ts'
import type { Call, VerbDeps } from './call.ts'
import { storeOf } from './call.ts'
import type { ListOptions } from './listoptions.ts'
import { revisionOf } from './listoptions.ts'
import { present, withObject } from './present.ts'
import { isCompacted, listObjects } from './read.ts'
import type { Selection } from './selection.ts'
import { selectionOf } from './selection.ts'

export type ViewEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly stored: Stored }
  | { readonly type: 'BOOKMARK'; readonly revision: number; readonly initialEventsEnd: boolean }

const bookmarkEveryMs = 60_000
const bookmarkBeforeEndMs = 2000
const minimumWatchMs = 1_800_000

/**
 * Yields batches until the call's signal aborts, the time is up or the kind is served no longer; throws StatusError 410
 * when the revision is too old. Bad options throw from the call itself, before anything is yielded.
 */
export async function watchObjects(
  deps: VerbDeps,
  call: Call,
  options: ListOptions,
): Promise<AsyncIterable<readonly ViewEvent[]>> {
  const selection = selectionOf(call.kind, options, call.name)
  const revision = revisionOf(options.resourceVersion) ?? 0
  const cache = await storeOf(deps, call.kind)
  const seconds = options.timeoutSeconds ?? 0
  const durationMs = seconds > 0 ? seconds * 1000 : minimumWatchMs * (1 + deps.random())

  async function* events(): AsyncGenerator<readonly ViewEvent[]> {
    const ended = timer(durationMs)
    const nearEnd = timer(Math.max(durationMs - bookmarkBeforeEndMs, 0))
    const served = followKind(deps.registry, call.kind)
    try {
      let after = revision
      if (wantsInitialState(options, revision)) {
        const state = await initialState(deps, call, options)
        after = state.revision
        if (state.events.length > 0) yield state.events
      }
      const batches = cache.watch({
        ...(call.namespace === '' ? {} : { namespace: call.namespace }),
        ...(selection.name === undefined || (call.kind.namespaced && call.namespace === '')
          ? {}
          : { name: selection.name }),
        after,
        signal: AbortSignal.any([call.signal, ended.signal]),
        finishOn: served.removed,
        ...(options.allowWatchBookmarks ? { bookmarkEveryMs, bookmarkOn: nearEnd.signal } : {}),
      })
      for await (const batch of batches) {
        const view = viewsOf(served.kind(), selection, batch)
        if (view.length > 0) yield view
      }
    } catch (error) {
      if (call.signal.aborted || ended.signal.aborted) return
      throw watchError(error, revision)
    } finally {
      ended.clear()
      nearEnd.clear()
      served.unfollow()
    }
  }
  return events()
}

/** A signal that aborts after some time. */
function timer(ms: number): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController()
  const timeout = setTimeout(() => controller.abort(), ms)
  timeout.unref()
  return { signal: controller.signal, clear: () => clearTimeout(timeout) }
}

/** A kind whose definition may change or go meanwhile; the built-in ones stay. */
function followKind(registry: KindRegistry, first: Kind) {
  let kind = first
  const removed = new AbortController()
  const look = () => {
    const now = registry.byResource(first.group, first.version, first.resource)
    if (now) kind = now
    else removed.abort()
  }
  if (first.custom) look()
  const unfollow = first.custom ? registry.onChange(look) : () => {}
  return { kind: () => kind, removed: removed.signal, unfollow }
}

async function initialState(deps: VerbDeps, call: Call, options: ListOptions) {
  const state = await listObjects(deps, call, {
    ...options,
    limit: 0,
    continue: '',
    resourceVersion: options.resourceVersion,
    resourceVersionMatch: '',
  })
  const named = call.name === '' ? state.items : state.items.filter(item => item.name === call.name)
  const events: ViewEvent[] = named.map(stored => ({ type: 'ADDED', stored }))
  if (options.sendInitialEvents === true && options.allowWatchBookmarks) {
    events.push({ type: 'BOOKMARK', revision: state.revision, initialEventsEnd: true })
  }
  return { revision: state.revision, events }
}

function wantsInitialState(options: ListOptions, revision: number): boolean {
  return options.sendInitialEvents ?? revision === 0
}

const unselected = new WeakMap<readonly StoreEvent[], { readonly kind: Kind; readonly view: readonly ViewEvent[] }>()

/** A batch as the selection sees it; all who select nothing share the result, as they share the batch. */
function viewsOf(kind: Kind, selection: Selection, batch: readonly StoreEvent[]): readonly ViewEvent[] {
  if (selection.match) return batch.flatMap(event => viewOf(kind, selection, event))
  const known = unselected.get(batch)
  if (known?.kind === kind) return known.view
  const view = batch.flatMap(event => viewOf(kind, selection, event))
  unselected.set(batch, { kind, view })
  return view
}

/** An event as the selection sees it: leaving it is a deletion, entering it an addition. */
function viewOf(kind: Kind, selection: Selection, event: StoreEvent): ViewEvent[] {
  const { match } = selection
  if (event.type === 'BOOKMARK') return [{ type: 'BOOKMARK', revision: event.revision, initialEventsEnd: false }]
  const { stored } = event
  if (!match) return [{ type: event.type, stored: present(kind, stored) }]
  if (event.type === 'DELETED') return match(stored) ? [{ type: 'DELETED', stored: present(kind, stored) }] : []
  const now = match(stored)
  const before = event.previous !== undefined && match(event.previous)
  if (now) return [{ type: before ? 'MODIFIED' : 'ADDED', stored: present(kind, stored) }]
  return before ? [{ type: 'DELETED', stored: present(kind, departed(event.previous!, stored)) }] : []
}

const departures = new WeakMap<Stored, Stored>()

/** The last state that matched, at the revision of the change that made it leave. */
function departed(previous: Stored, stored: Stored): Stored {
  let gone = departures.get(stored)
  if (!gone) {
    const { object } = previous
    const metadata = { ...object.metadata, resourceVersion: String(stored.revision) }
    departures.set(stored, (gone = withObject(previous, { ...object, metadata }, stored.revision)))
  }
  return gone
}

function watchError(error: unknown, revision: number): unknown {
  if (isCompacted(error)) return errors.expired(`too old resource version: ${revision} (${error.oldest})`)
  if (error instanceof Error && error.name === 'FutureRevisionError') {
    return errors.resourceVersionTooLarge(revision, (error as Error & { current: number }).current)
  }
  return error instanceof StatusError ? error : errors.internal(error instanceof Error ? error.message : String(error))
}
