/** The main thread's side of a render thread: charts are read and rendered there, so that neither holds the server up. */
import { Worker } from 'node:worker_threads'
import type { Chart } from '../chart/chart.ts'
import type { Lookup, RenderOutcome, RenderRequest } from './rendered.ts'
import type { Answered, WorkerReply, WorkerRequest } from './worker.ts'

export interface Renderer {
  /** Reads a chart from the bytes of a .tgz; `name` is for messages. Rejects with one line in Helm's words. */
  load(archive: Uint8Array, name?: string): Promise<Chart>
  /**
   * Renders a chart. Queries that `lookup` has answers for are answered as they come up; the outcome names those it does not
   * know. Rejects with Helm's message.
   */
  render(request: RenderRequest, lookup: Lookup): Promise<RenderOutcome>
  /** Ends the thread and gives its memory back; what is under way rejects. */
  close(): Promise<void>
}

export interface RendererOptions {
  /** Aborting ends the thread, also in the middle of a template that never ends. */
  readonly signal: AbortSignal
  /** Gets what Helm would print on stderr and carry on after. */
  readonly warn?: (message: string) => void
}

/** Includes may be nested a thousand deep, and each takes a good part of a stack. */
const stackSizeMb = 64
/** A chart that grows beyond this ends its thread. One huge allocation can still take the process with it: V8 aborts then. */
const maxOldGenerationSizeMb = 1024

/** Starts a thread on the first call; it lives until `close`, one thread for each renderer. */
export function openRenderer(options: RendererOptions): Renderer {
  const thread = new RenderThread(options)
  return {
    load: async (archive, name) => {
      const reply = await thread.ask({ kind: 'load', archive, name })
      if (reply.kind !== 'chart') throw unexpected(reply)
      return reply.chart
    },
    render: (request, lookup) => renderWith(thread, request, lookup, options.warn),
    close: () => thread.close(),
  }
}

async function renderWith(
  thread: RenderThread,
  request: RenderRequest,
  lookup: Lookup,
  warn: RendererOptions['warn'],
): Promise<RenderOutcome> {
  for (let next: Asked = { kind: 'render', request }; ; ) {
    const reply = await thread.ask(next)
    if (reply.kind === 'rendered') {
      for (const warning of reply.warnings) warn?.(warning)
      return { kind: 'rendered', rendered: reply.rendered }
    }
    if (reply.kind !== 'lookups') throw unexpected(reply)
    const found = reply.queries.map(query => ({ query, object: lookup(query) }))
    const open = found.filter(({ object }) => object === undefined).map(({ query }) => query)
    if (open.length > 0) return { kind: 'lookups', queries: open }
    next = { kind: 'continue', answers: found as Answered[] }
  }
}

function unexpected(reply: WorkerReply): Error {
  return new Error(`the render thread answered ${reply.kind}`)
}

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
type Asked = Without<WorkerRequest, 'id'>

interface Waiting {
  resolve(reply: WorkerReply): void
  reject(error: Error): void
}

class RenderThread {
  readonly #options: RendererOptions
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #nextId = 1
  #closed = false

  constructor(options: RendererOptions) {
    this.#options = options
  }

  ask(asked: Asked): Promise<WorkerReply> {
    if (this.#options.signal.aborted || this.#closed) return Promise.reject(ended())
    const id = this.#nextId++
    const worker = this.#started()
    worker.ref()
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      worker.postMessage({ ...asked, id } as WorkerRequest)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#options.signal.removeEventListener('abort', this.#abort)
    this.#fail(ended())
    await this.#worker?.terminate()
    this.#worker = undefined
  }

  #started(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(workerEntry(), {
      name: 'helm-render',
      resourceLimits: { stackSizeMb, maxOldGenerationSizeMb },
    })
    worker.on('message', (reply: WorkerReply) => this.#settle(reply))
    worker.on('error', error => this.#fail(error instanceof Error ? error : new Error(String(error))))
    worker.on('exit', () => this.#fail(ended()))
    worker.unref()
    this.#options.signal.addEventListener('abort', this.#abort, { once: true })
    this.#worker = worker
    return worker
  }

  readonly #abort = (): void => void this.close()

  #settle(reply: WorkerReply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if (reply.kind === 'failed') waiting?.reject(new Error(reply.message))
    else waiting?.resolve(reply)
  }

  #fail(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
    this.#closed = true
  }
}

function ended(): Error {
  return new Error('the render thread has ended')
}

/** Beside this file in the sources, beside the bundle in a release. */
function workerEntry(): URL {
  return import.meta.url.endsWith('.mjs')
    ? new URL('./helm-render.mjs', import.meta.url)
    : new URL('./worker.ts', import.meta.url)
}
