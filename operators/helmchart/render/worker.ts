/** Entry of a render thread: loads archives and renders charts, one request after the other. Nothing is kept between them. */
import { randomBytes } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { Chart, JsonObject } from '../chart/chart.ts'
import { loadArchive } from '../chart/load.ts'
import { validateValues } from '../chart/schema/validate.ts'
import { render } from './render.ts'
import type { LookupQuery, Rendered, RenderRequest } from './rendered.ts'

/** What the main thread asks for. A render is asked for again with the answers found so far. */
export type WorkerRequest =
  | { readonly id: number; readonly kind: 'load'; readonly archive: Uint8Array; readonly name: string | undefined }
  | { readonly id: number; readonly kind: 'render'; readonly request: RenderRequest }
  | { readonly id: number; readonly kind: 'continue'; readonly answers: readonly Answered[] }

export interface Answered {
  readonly query: LookupQuery
  readonly object: JsonObject | null
}

export type WorkerReply =
  | { readonly id: number; readonly kind: 'chart'; readonly chart: Chart }
  | {
      readonly id: number
      readonly kind: 'rendered'
      readonly rendered: Rendered
      readonly warnings: readonly string[]
    }
  | { readonly id: number; readonly kind: 'lookups'; readonly queries: readonly LookupQuery[] }
  | { readonly id: number; readonly kind: 'failed'; readonly message: string }

/** The render that waits for answers. */
let current: { readonly request: RenderRequest; readonly answers: Map<string, JsonObject | null> } | undefined

const port = parentPort!
port.on('message', (message: WorkerRequest) => port.postMessage(reply(message)))

function reply(message: WorkerRequest): WorkerReply {
  const { id } = message
  try {
    switch (message.kind) {
      case 'load':
        return { id, kind: 'chart', chart: loadArchive(message.archive, message.name) }
      case 'render':
        current = { request: message.request, answers: new Map() }
        return renderOnce(id)
      case 'continue':
        for (const { query, object } of message.answers) current!.answers.set(keyOf(query), object)
        return renderOnce(id)
    }
  } catch (error) {
    return { id, kind: 'failed', message: error instanceof Error ? error.message : String(error) }
  }
}

function renderOnce(id: number): WorkerReply {
  const { request, answers } = current!
  const warnings: string[] = []
  const outcome = render(request, query => answers.get(keyOf(query)), {
    now: Date.now,
    randomBytes,
    warn: message => warnings.push(message),
    validate: validateValues,
  })
  if (outcome.kind === 'lookups') return { id, kind: 'lookups', queries: outcome.queries }
  current = undefined
  return { id, kind: 'rendered', rendered: outcome.rendered, warnings }
}

function keyOf({ apiVersion, kind, namespace, name }: LookupQuery): string {
  return JSON.stringify([apiVersion, kind, namespace, name])
}
