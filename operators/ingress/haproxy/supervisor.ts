/**
 * The HAProxy process: master and worker. It ends with this process, even with a killed one, and is started again when it
 * ends by itself. A reload hands the listening sockets to a new worker; the old one finishes its connections.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { assertNever } from '../../../bootstrap/api/object.ts'
import { backoffMs, type Clock } from '../../../bootstrap/client/clock.ts'

export interface SupervisorOptions {
  readonly program: string
  /** The configuration file; its content at the time of a start or reload counts. */
  readonly config: string
  readonly clock: Clock
  readonly random: () => number
  readonly signal: AbortSignal
  /** Lines of HAProxy's own log. */
  readonly log: (line: string) => void
  /** Lines of the access log. */
  readonly access: (text: string) => void
}

type State =
  | { readonly type: 'stopped' }
  | { readonly type: 'starting'; readonly child: ChildProcess }
  | { readonly type: 'running'; readonly child: ChildProcess }
  | { readonly type: 'ending'; readonly child: ChildProcess }

export interface Checked {
  readonly ok: boolean
  /** What is wrong, with the line of the file (from 1) where HAProxy names one. */
  readonly faults: readonly { readonly line: number | undefined; readonly message: string }[]
}

const startMs = 10_000
const signalMs = 200
/** A worker that is slower to give its sockets up than this is no longer waited for. */
const retireMs = 1000

/** The worker that serves, and the names of the frontends it was started with. */
interface Worker {
  readonly pid: number
  readonly frontends: ReadonlySet<string>
}

/** What HAProxy says of changes that were asked for. */
const routine =
  /\[NOTICE\]|Proxy .* stopped|Former worker|is going DOWN for maintenance|is UP\/READY|has no server available|Reexecuting|ignored for/

export class Supervisor {
  readonly #options: SupervisorOptions
  #state: State = { type: 'stopped' }
  #failures = 0
  #ready = Promise.withResolvers<void>()
  /** The master has begun the reload that was asked for. */
  #heeded = true
  #worker: Worker | undefined
  /** The worker that a reload replaces, until it accepts nothing any more. */
  #former: (Worker & { readonly retired: () => void }) | undefined
  /** What the next worker will be started with. */
  #frontends: ReadonlySet<string> = new Set()

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  get running(): boolean {
    return this.#state.type === 'running'
  }

  /**
   * Starts the process, or has a running one take up the file. Resolves when the new worker serves and the old one accepts
   * no connection any more, neither of clients nor on the runtime socket: commands now reach the new one alone.
   */
  async load(): Promise<void> {
    this.#frontends = await frontendsOf(this.#options.config)
    switch (this.#state.type) {
      case 'stopped':
        return await this.#start()
      case 'starting':
        await this.#ready.promise
        return await this.#reload(this.#state.child)
      case 'running':
        return await this.#reload(this.#state.child)
      case 'ending':
        throw new Error('haproxy is ending')
      default:
        return assertNever(this.#state)
    }
  }

  /** Lets connections finish for `graceMs`, then ends them. Resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    const state = this.#state
    if (state.type === 'stopped') return
    const { child } = state
    this.#state = { type: 'ending', child }
    const gone = new Promise<void>(resolve => child.once('close', () => resolve()))
    if (child.exitCode !== null) return
    child.kill('SIGUSR1')
    const timer = setTimeout(() => child.kill('SIGTERM'), graceMs)
    const last = setTimeout(() => child.kill('SIGKILL'), graceMs + 2000)
    await gone
    clearTimeout(timer)
    clearTimeout(last)
  }

  async #start(): Promise<void> {
    const { program, config, access } = this.#options
    this.#worker = undefined
    // The kernel ends it when this process dies without a word.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', program, '-W', '-f', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#state = { type: 'starting', child }
    this.#ready = Promise.withResolvers()
    this.#ready.promise.catch(() => {})
    child.stdout!.setEncoding('utf8').on('data', access)
    readLines(child.stderr!, line => this.#heard(child, line))
    child.once('error', error => this.#ended(child, error.message))
    child.once('close', (code, signal) => this.#ended(child, `${signal ?? `code ${code}`}`))
    await this.#within(this.#ready.promise)
  }

  async #reload(child: ChildProcess): Promise<void> {
    this.#ready = Promise.withResolvers()
    this.#ready.promise.catch(() => {})
    const retired = this.#retirement()
    child.kill('SIGUSR2')
    // A signal that comes while the master settles after the last reload can get lost.
    this.#heeded = false
    const again = setInterval(() => this.#heeded || child.kill('SIGUSR2'), signalMs)
    try {
      await this.#within(this.#ready.promise)
    } finally {
      clearInterval(again)
    }
    await retired()
  }

  /** Marks the worker of now as one that goes; what is returned waits until it accepts nothing, but not for ever. */
  #retirement(): () => Promise<void> {
    const worker = this.#worker
    if (!worker) return async () => {}
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#former = { ...worker, retired: resolve }
    return async () => {
      const timer = setTimeout(resolve, retireMs)
      await promise
      clearTimeout(timer)
      this.#former = undefined
    }
  }

  async #within(ready: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`haproxy did not come up within ${startMs / 1000} s`)), startMs)
    })
    try {
      await Promise.race([ready, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** The master says when its worker serves; a worker that ends names each proxy it has stopped. */
  #heard(child: ChildProcess, line: string): void {
    const forked = /New worker \((\d+)\) forked/.exec(line)?.[1]
    if (forked !== undefined) this.#worker = { pid: Number(forked), frontends: this.#frontends }
    if (this.#former && isRetired(this.#former, line)) this.#former.retired()
    if (/Reloading HAProxy/.test(line)) this.#heeded = true
    if (/Loading success/.test(line)) {
      this.#failures = 0
      if (this.#state.type === 'starting') this.#state = { type: 'running', child }
      this.#ready.resolve()
    } else if (/Loading failure|Failed to load worker/.test(line)) this.#ready.reject(new Error(line))
    if (!routine.test(line)) this.#options.log(line)
  }

  #ended(child: ChildProcess, how: string): void {
    const state = this.#state
    if (state.type === 'stopped' || state.child !== child) return
    this.#state = { type: 'stopped' }
    this.#former?.retired()
    this.#ready.reject(new Error(`haproxy ended: ${how}`))
    if (state.type === 'ending' || this.#options.signal.aborted) return
    this.#options.log(`haproxy ended (${how}), starting it again`)
    void this.#again()
  }

  async #again(): Promise<void> {
    const { clock, random, signal, log } = this.#options
    try {
      await clock.sleep(backoffMs(this.#failures++, 50, 10_000, random), signal)
      if (this.#state.type === 'stopped') await this.#start()
    } catch (error) {
      if (!signal.aborted) log(`${(error as Error).message}`)
    }
  }
}

/** HAProxy closes all listening sockets first; proxies without any, its own and the backends, are stopped after that. */
function isRetired({ pid, frontends }: Worker, line: string): boolean {
  if (line.includes(`worker (${pid}) exited`)) return true
  const stopped = line.includes(`(${pid})`) ? /Proxy (\S+) stopped/.exec(line)?.[1] : undefined
  return stopped !== undefined && !frontends.has(stopped)
}

async function frontendsOf(config: string): Promise<ReadonlySet<string>> {
  const text = await readFile(config, 'utf8').catch(() => '')
  return new Set([...text.matchAll(/^(?:frontend|listen) (\S+)/gm)].map(match => match[1]!))
}

function readLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) if (line !== '') take(line)
  })
}

/** Asks HAProxy itself whether a configuration is good. */
export function check(program: string, config: string): Promise<Checked> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['-c', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] })
    let text = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    child.once('error', reject)
    child.once('close', code => resolve(verdict(code ?? 1, text)))
  })
}

function verdict(code: number, text: string): Checked {
  const alerts = text
    .split('\n')
    .filter(line => line.includes('[ALERT]') && !/[Ee]rror\(s\) found|Fatal errors found/.test(line))
  const faults = alerts.map(alert => {
    const line = /haproxy\.cfg:(\d+)/.exec(alert)?.[1]
    const message = alert.replace(/^\[ALERT\]\s+\(\d+\)\s*:\s*(config\s*:\s*)?(parsing \[[^\]]*\]\s*:\s*)?/, '').trim()
    return { line: line === undefined ? undefined : Number(line), message }
  })
  return { ok: code === 0, faults }
}
