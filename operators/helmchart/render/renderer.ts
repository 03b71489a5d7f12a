/** The server's side of a render process: charts are read and rendered there, so that neither holds the server up. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
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
  /** Ends the process and gives its memory back; what is under way rejects. */
  close(): Promise<void>
}

export interface RendererOptions {
  /** Aborting ends the process, also in the middle of a template that never ends. */
  readonly signal: AbortSignal
  /** Gets what Helm would print on stderr and carry on after. */
  readonly warn?: (message: string) => void
  /** What rendering may take; 1024 by default. */
  readonly memoryMb?: number
}

/** Starts a process on the first call; it lives until `close`, one for each renderer. */
export function openRenderer(options: RendererOptions): Renderer {
  const child = new RenderProcess(options)
  return {
    load: async (archive, name) => {
      const reply = await child.ask({ kind: 'load', archive, name })
      if (reply.kind !== 'chart') throw unexpected(reply)
      return reply.chart
    },
    render: (request, lookup) => renderWith(child, request, lookup, options.warn),
    close: () => child.close(),
  }
}

async function renderWith(
  child: RenderProcess,
  request: RenderRequest,
  lookup: Lookup,
  warn: RendererOptions['warn'],
): Promise<RenderOutcome> {
  for (let next: Asked = { kind: 'render', request }; ; ) {
    const reply = await child.ask(next)
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
  return new Error(`the renderer answered ${reply.kind}`)
}

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
type Asked = Without<WorkerRequest, 'id'>

interface Waiting {
  resolve(reply: WorkerReply): void
  reject(error: Error): void
}

class RenderProcess {
  readonly #options: RendererOptions
  readonly #waiting = new Map<number, Waiting>()
  #child: ChildProcess | undefined
  #nextId = 1
  #closed = false
  /** What the process said before it ended by itself. */
  #lastWords = ''

  constructor(options: RendererOptions) {
    this.#options = options
  }

  ask(asked: Asked): Promise<WorkerReply> {
    if (this.#options.signal.aborted || this.#closed) return Promise.reject(ended(this.#lastWords))
    const id = this.#nextId++
    const child = this.#started()
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      child.send({ ...asked, id }, error => error && this.#fail())
    })
  }

  async close(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#fail()
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  #started(): ChildProcess {
    if (this.#child) return this.#child
    const child = fork(workerEntry(), [String(this.#options.memoryMb ?? 1024)], {
      // Values hold bigints, charts hold bytes: JSON has neither.
      serialization: 'advanced',
      execArgv: [],
      env: {},
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-2000)
    })
    child.on('message', (reply: WorkerReply) => this.#settle(reply))
    child.on('error', () => this.#fail())
    child.on('close', () => this.#fail())
    this.#options.signal.addEventListener('abort', this.#abort, { once: true })
    this.#child = child
    return child
  }

  readonly #abort = (): void => void this.close()

  #settle(reply: WorkerReply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (reply.kind === 'failed') waiting?.reject(new Error(reply.message))
    else waiting?.resolve(reply)
  }

  #fail(): void {
    this.#closed = true
    this.#options.signal.removeEventListener('abort', this.#abort)
    for (const waiting of this.#waiting.values()) waiting.reject(ended(this.#lastWords))
    this.#waiting.clear()
  }
}

function ended(lastWords: string): Error {
  if (/heap|memory/i.test(lastWords)) return new Error('rendering the chart takes more memory than it may have')
  return new Error('the renderer has ended')
}

/** Beside this file in the sources, beside the bundle in a release. */
function workerEntry(): string {
  const name = import.meta.url.endsWith('.mjs') ? './helm-render.mjs' : './worker.ts'
  return fileURLToPath(new URL(name, import.meta.url))
}
