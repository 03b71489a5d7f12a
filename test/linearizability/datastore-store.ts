/** Registers as keys of a Datastore that lives in a process of its own, like a server's. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Change as DatastoreChange, Entry, Page, Write } from '../../bootstrap/datastore/datastore.ts'
import type { Asked, Told } from './datastore-host.ts'
import type { Observed, Output } from './history.ts'
import type { Change } from './revisions.ts'
import type { Store } from './store.ts'

const prefix = '/registry/checks/'
type Batch = Extract<Told, { batch: unknown }>['batch']
/** What can be asked; the id is given here. */
type Question = Asked extends infer One ? (One extends Asked ? Omit<One, 'id'> : never) : never

class Refused extends Error {
  readonly current: Entry | undefined

  constructor(message: string, current: Entry | undefined) {
    super(message)
    this.current = current
  }
}

interface Waiting {
  readonly resolve: (value: number | Page | undefined) => void
  readonly reject: (error: Error) => void
  readonly batch?: (batch: Batch) => void
}

export class DatastoreStore implements Store {
  readonly #arguments: readonly string[]
  #child: ChildProcess | undefined
  #waiting = new Map<number, Waiting>()
  #id = 0

  /** `endpoint` is empty for the SQLite `file`. */
  constructor(endpoint: string, file: string) {
    this.#arguments = [endpoint, file]
  }

  /** Opens the datastore in a new process; tries again while it cannot be opened. */
  async start(): Promise<void> {
    for (;;) {
      const child = fork(join(import.meta.dirname, 'datastore-host.ts'), this.#arguments, {
        serialization: 'advanced',
        execArgv: ['--disable-warning=ExperimentalWarning'],
      })
      const gone = once(child, 'exit').then(([code]) => `ended with ${code}`)
      const first = await Promise.race([once(child, 'message'), gone])
      if (typeof first !== 'string') {
        this.#serve(child)
        return
      }
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }

  #serve(child: ChildProcess): void {
    this.#child = child
    const waiting = new Map<number, Waiting>()
    this.#waiting = waiting
    child.on('message', (told: Told) => {
      if (!('id' in told)) return
      const one = waiting.get(told.id)
      if ('batch' in told) return one?.batch?.(told.batch)
      waiting.delete(told.id)
      if (!('error' in told)) one?.resolve(told.value)
      else one?.reject(told.conflict ? new Refused(told.error, told.conflict.current) : new Error(told.error))
    })
    child.on('error', () => undefined)
    child.once('exit', () => {
      for (const { reject } of waiting.values()) reject(new Error('the process has ended'))
      waiting.clear()
    })
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  #ask(question: Question, batch?: (batch: Batch) => void): Promise<number | Page | undefined> {
    const id = ++this.#id
    const child = this.#child
    if (!child?.connected) return Promise.reject(new Error('there is no process'))
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, ...(batch ? { batch } : {}) })
      child.send({ id, ...question }, error => {
        if (error) reject(error)
      })
    })
  }

  create(key: string, value: string): Promise<Output> {
    return this.#commit({ op: 'create', key: prefix + key, value: Buffer.from(value) })
  }

  update(key: string, value: string, expected: number): Promise<Output> {
    return this.#commit({ op: 'update', key: prefix + key, value: Buffer.from(value), revision: expected })
  }

  remove(key: string, expected: number): Promise<Output> {
    return this.#commit({ op: 'delete', key: prefix + key, revision: expected })
  }

  async #commit(write: Write): Promise<Output> {
    try {
      return { type: 'done', revision: (await this.#ask({ type: 'commit', write })) as number }
    } catch (error) {
      if (error instanceof Refused) return { type: 'refused', current: error.current ? observed(error.current) : null }
      return { type: 'unknown', why: (error as Error).message }
    }
  }

  async get(key: string): Promise<Observed | null> {
    const { entries } = (await this.#ask({ type: 'read', prefix: prefix + key })) as Page
    return entries[0] ? observed(entries[0]) : null
  }

  async list(): Promise<{ revision: number; entries: ReadonlyMap<string, Observed> }> {
    const { entries, revision } = (await this.#ask({ type: 'read', prefix })) as Page
    return { revision, entries: new Map(entries.map(entry => [entry.key.slice(prefix.length), observed(entry)])) }
  }

  async revision(): Promise<number> {
    return (await this.#ask({ type: 'revision' })) as number
  }

  async watch(
    after: number,
    told: (changes: readonly Change[], revision: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const id = this.#id + 1
    const stop = () => void this.#ask({ type: 'unwatch', of: id }).catch(() => undefined)
    signal.addEventListener('abort', stop, { once: true })
    const batch = ({ changes, revision }: Batch) => told(changes.map(change), revision)
    await this.#ask({ type: 'watch', prefix, after }, batch).catch(() => undefined)
    signal.removeEventListener('abort', stop)
  }
}

function observed({ value, revision }: Entry): Observed {
  return { value: Buffer.from(value).toString(), revision }
}

function change(one: DatastoreChange): Change {
  const previous = one.previous ? observed(one.previous) : null
  if (one.type === 'delete') return { key: one.key.slice(prefix.length), revision: one.revision, previous }
  const { key, value, revision } = one.entry
  return { key: key.slice(prefix.length), revision, value: Buffer.from(value).toString(), previous }
}
