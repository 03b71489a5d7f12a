/** Watch events as newline-delimited JSON frames; a frame is encoded once for all watchers of the same form. */
import { errors, StatusError } from '../../api/errors.ts'
import { apiVersionOf } from '../../api/object.ts'
import type { Stored } from '../store/store.ts'
import type { ViewEvent } from '../verbs/watch.ts'
import type { View } from './encode.ts'
import { partialMetadata, rowOf, tableHead } from './table.ts'

const frameEnd = Buffer.from('}\n')
const frameStart = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
}

/** Watchers see an event at about the same time: a few recent frames are enough, and objects are not kept twice. */
const recentFrames = 256

type FrameCache = Map<Stored, Buffer>
const plainFrames: { readonly [type in keyof typeof frameStart]: FrameCache } = {
  ADDED: new Map(),
  MODIFIED: new Map(),
  DELETED: new Map(),
}

/** What is put together for one write; a longer batch waits for the client to take the first part. */
const chunkBytes = 64 * 1024

/** Watchers without selectors are handed the same batch: its chunks are made once. */
const plainChunks = new WeakMap<readonly ViewEvent[], readonly Buffer[]>()

/** Yields whole frames, several at a time. A failure of the source becomes an ERROR event, which ends the stream. */
export async function* frames(
  view: View,
  events: AsyncIterable<readonly ViewEvent[]>,
): AsyncGenerator<Buffer, void, void> {
  let first = true
  try {
    for await (const batch of events) {
      if (view.form.as === undefined) {
        let chunks = plainChunks.get(batch)
        if (!chunks) plainChunks.set(batch, (chunks = [...chunksOf(view, batch, first)]))
        yield* chunks
      } else yield* chunksOf(view, batch, first)
      first = false
    }
  } catch (error) {
    const failed = error instanceof StatusError ? error : errors.internal('the watch failed')
    yield Buffer.from(`${JSON.stringify({ type: 'ERROR', object: failed.status })}\n`)
  }
}

function* chunksOf(view: View, batch: readonly ViewEvent[], first: boolean): Generator<Buffer> {
  let held: Buffer[] = []
  let size = 0
  for (const [index, event] of batch.entries()) {
    const encoded = frame(view, event, first && index === 0)
    held.push(encoded)
    size += encoded.length
    if (size < chunkBytes) continue
    yield joined(held)
    held = []
    size = 0
  }
  if (size > 0) yield joined(held)
}

const joined = (parts: readonly Buffer[]) => (parts.length === 1 ? parts[0]! : Buffer.concat(parts))

function frame(view: View, event: ViewEvent, first: boolean): Buffer {
  if (event.type === 'BOOKMARK') return bookmark(view, event)
  const { form, kind } = view
  const { type, stored } = event
  if (form.as === undefined) return plainFrame(type, stored)
  const { object } = stored
  const { resourceVersion } = object.metadata
  const shown =
    form.as === 'Table'
      ? {
          ...tableHead(kind, form, { resourceVersion }, first),
          rows: [rowOf(kind, form, object, view.include, view.now)],
        }
      : partialMetadata(form, object)
  return Buffer.from(`${JSON.stringify({ type, object: shown })}\n`)
}

function plainFrame(type: keyof typeof frameStart, stored: Stored): Buffer {
  const cache = plainFrames[type]
  const known = cache.get(stored)
  if (known) return known
  const encoded = Buffer.concat([frameStart[type], stored.bytes, frameEnd])
  if (cache.size >= recentFrames) cache.delete(cache.keys().next().value!)
  cache.set(stored, encoded)
  return encoded
}

function bookmark(view: View, event: ViewEvent & { type: 'BOOKMARK' }): Buffer {
  const { form, kind } = view
  const metadata = {
    resourceVersion: String(event.revision),
    ...(event.initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
  }
  const object =
    form.as === undefined
      ? { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata }
      : {
          kind: form.as === 'Table' ? 'Table' : 'PartialObjectMetadata',
          apiVersion: `meta.k8s.io/${form.asVersion}`,
          metadata,
          ...(form.as === 'Table' ? { columnDefinitions: [], rows: [] } : {}),
        }
  return Buffer.from(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
}
