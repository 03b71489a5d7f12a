/**
 * Entry of the render process: loads archives and renders charts, one request after the other; nothing is kept between them.
 *
 * A process, because what a thread's heap has grown to stays with the server for ever, and because a chart that wants too
 * much memory ends it. In it a thread, because only a thread can be given a stack for a thousand nested includes, and so that
 * the process hears when the server has gone while a template runs without end.
 */
import { randomBytes } from 'node:crypto'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import type { Chart, JsonObject } from '../chart/chart.ts'
import { loadArchive } from '../chart/load.ts'
import { validateValues } from '../chart/schema/validate.ts'
import { render } from './render.ts'
import type { LookupQuery, Rendered, RenderRequest } from './rendered.ts'

/** What the server asks for. A render is asked for again with the answers found so far. */
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

if (isMainThread) relay()
else parentPort!.on('message', (message: WorkerRequest) => parentPort!.postMessage(reply(message)))

/** Passes messages between the server and the thread, and ends with either. */
function relay(): void {
  const worker = new Worker(new URL(import.meta.url), {
    name: 'helm-render',
    resourceLimits: { stackSizeMb: 64, maxOldGenerationSizeMb: Number(process.argv[2]) },
  })
  process.on('message', message => worker.postMessage(message))
  process.on('disconnect', () => process.exit())
  worker.on('message', message => process.send!(message))
  worker.on('error', error => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(1))
  })
}

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
