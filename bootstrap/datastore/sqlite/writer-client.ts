/** The API thread's side of the writer thread: every method of LogFile as an asynchronous call. */
import { Worker } from 'node:worker_threads'
import { UnavailableError } from '../datastore.ts'
import type { LogFile } from './log-file.ts'
import { workerEntry } from './worker-entry.ts'

export type Method = keyof LogFile

export interface Call {
  readonly id: number
  readonly method: Method
  readonly args: readonly unknown[]
}

export interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly failure?: string
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

export class WriterClient {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #gone: UnavailableError | undefined

  /** Starts the thread. A file that cannot be opened makes the first call reject. */
  constructor(file: string) {
    this.#worker = new Worker(workerEntry('writer'), {
      workerData: { file },
      name: 'sqlite-writer',
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    })
    this.#worker.on('message', (answer: Answer) => this.#settle(answer))
    this.#worker.on('error', error => this.#fail(error instanceof Error ? error : new Error(String(error))))
    this.#worker.on('exit', () => this.#fail(new Error('the writer thread has ended')))
    this.#worker.unref()
  }

  /** Runs `method` on the writer thread; calls run in the order made. Rejects with UnavailableError. */
  call<M extends Method>(
    method: M,
    args: Parameters<LogFile[M]>,
    transfer: ArrayBuffer[] = [],
  ): Promise<Awaited<ReturnType<LogFile[M]>>> {
    if (this.#gone) return Promise.reject(this.#gone)
    const id = this.#nextId++
    if (this.#waiting.size === 0) this.#worker.ref()
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject })
      this.#worker.postMessage({ id, method, args } satisfies Call, transfer)
    })
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #settle({ id, result, failure }: Answer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (failure === undefined) waiting?.resolve(result)
    else waiting?.reject(new UnavailableError(failure))
  }

  #fail(error: Error): void {
    this.#gone ??= new UnavailableError(error.message, { cause: error })
    for (const waiting of this.#waiting.values()) waiting.reject(this.#gone)
    this.#waiting.clear()
  }
}
