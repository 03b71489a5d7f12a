/** The etcd program as a child that ends with this process, however that ends, and is started again when it dies. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { backoffMs, type Clock } from '../client/clock.ts'

/** Warnings that say nothing is wrong. */
const routine =
  /^(found invalid file(\/dir)? under data directory|simple token is not cryptographically signed|established TCP streaming connection|closed TCP streaming connection|stopped (TCP|remote)|apply request took too long)/

const stopMs = 8000

export interface EtcdLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface EtcdProcessOptions {
  /** The etcd program's path. */
  readonly program: string
  /** Its configuration file. */
  readonly config: string
  readonly clock: Clock
  readonly random: () => number
  readonly log: EtcdLog
  /** The cluster has removed this member: the program has ended and is not started again. */
  onRemoved?(): void
}

export class EtcdProcess {
  readonly #options: EtcdProcessOptions
  readonly #stopped = new AbortController()
  #child: ChildProcess | undefined
  #attempt = 0
  #removed = false
  #restarting = false
  /** Why it ended last, in its own words. */
  #lastWords = ''

  constructor(options: EtcdProcessOptions) {
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** What it said last before it ended, while it is not running. */
  get complaint(): string | undefined {
    return this.#child === undefined ? this.#lastWords : undefined
  }

  start(): void {
    const { program, config, clock } = this.#options
    // The kernel ends it when this process dies without a word.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', program, '--config-file', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, GOGC: process.env.GOGC, GOMAXPROCS: process.env.GOMAXPROCS },
    })
    this.#child = child
    const startedAt = clock.now()
    createInterface({ input: child.stderr! }).on('line', line => this.#heard(line))
    child.once('error', error => {
      this.#lastWords = error.message
    })
    child.once('close', (code, signal) => void this.#ended(child, signal ?? `code ${code}`, startedAt))
  }

  /** Ends it in order and starts it anew. */
  restart(): void {
    this.#restarting = true
    this.#child?.kill('SIGTERM')
  }

  /** SIGTERM, by which a leader hands over first; SIGKILL when that takes too long. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), stopMs)
    await closed
    clearTimeout(late)
  }

  #heard(line: string): void {
    const { log } = this.#options
    const { level = 'info', msg = line, ts: _, caller: __, stacktrace: ___, ...fields } = parsed(line)
    if (/(member|it) has been permanently removed|been removed from the cluster|member.*was removed/i.test(line))
      this.#removed = true
    if (level === 'error' || level === 'fatal' || level === 'panic') {
      this.#lastWords = [msg, fields.error].filter(Boolean).join(': ')
      log.error(fields, String(msg))
    } else if (level === 'warn' && !routine.test(String(msg))) log.warn(fields, String(msg))
    else log.debug(fields, String(msg))
  }

  async #ended(child: ChildProcess, how: string, startedAt: number): Promise<void> {
    if (this.#child === child) this.#child = undefined
    const { clock, random, log, onRemoved } = this.#options
    const { signal } = this.#stopped
    if (signal.aborted) return
    if (this.#removed) {
      this.#stopped.abort()
      onRemoved?.()
      return
    }
    if (this.#restarting) {
      this.#restarting = false
      this.start()
      return
    }
    if (clock.now() - startedAt > 60_000) this.#attempt = 0
    log.warn({ how }, 'etcd ended; starting it again')
    try {
      await clock.sleep(backoffMs(this.#attempt++, 100, 10_000, random), signal)
      this.start()
    } catch {
      // Stopped meanwhile.
    }
  }
}

function parsed(line: string): { [field: string]: unknown } {
  try {
    return JSON.parse(line) as { [field: string]: unknown }
  } catch {
    return {}
  }
}
