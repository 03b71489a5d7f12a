/** Load for crash tests, alone as `node crash-load.ts ENDPOINT`: prints "key revision text" for every acknowledged write. */
import { argv, stdout } from 'node:process'
import { ConflictError, type Datastore, type Revision, UnavailableError } from '../datastore.ts'
import { openDatastore } from '../open.ts'
import { realClock, silent } from './processes.ts'

const clients = 16

export interface Acknowledged {
  readonly key: string
  readonly revision: Revision
  /** "-" for a deletion. */
  readonly text: string
}

export interface LoadEvents {
  acknowledged(write: Acknowledged): void
  /** A write ("name.client.number") that failed, and what was said about it. */
  failed?(text: string, error: UnavailableError): void
}

/** What is written for a text: the text, then enough of itself to span several pages of a file. */
export function payloadOf(text: string): Buffer {
  return Buffer.from(`${text}|`.repeat(1 + ((text.length * 131) % 900)))
}

/** The text of a value; throws when the rest of it is not what belongs to it. */
export function textOf(value: Buffer): string {
  const text = value.toString('utf8', 0, value.indexOf('|'))
  if (!value.equals(payloadOf(text))) throw new Error(`half a value of ${text}`)
  return text
}

/** Clients that create, update and delete keys of their own until aborted; after a failure they look and go on. */
export async function load(store: Datastore, name: string, events: LoadEvents, signal: AbortSignal): Promise<void> {
  const client = async (index: number) => {
    const keys = Array.from({ length: 20 }, (_, i) => `/r/${name}-${index}-${i}`)
    const known = new Map<string, Revision>()
    for (let i = 0; !signal.aborted; i++) {
      const key = keys[i % keys.length]!
      const text = `${name}.${index}.${i}`
      const revision = known.get(key)
      const write =
        revision === undefined
          ? ({ op: 'create', key, value: payloadOf(text) } as const)
          : i % 7 === 0
            ? ({ op: 'delete', key, revision } as const)
            : ({ op: 'update', key, revision, value: payloadOf(text) } as const)
      try {
        const written = await store.commit(write)
        if (write.op === 'delete') known.delete(key)
        else known.set(key, written)
        events.acknowledged({ key, revision: written, text: write.op === 'delete' ? '-' : text })
      } catch (error) {
        if (error instanceof UnavailableError) events.failed?.(text, error)
        else if (!(error instanceof ConflictError)) throw error
        await look(store, key, known, signal)
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)))
}

/** What a client of an API server does after an error: reads what is there. */
async function look(store: Datastore, key: string, known: Map<string, Revision>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const { entries } = await store.read(key, { limit: 1 })
      const entry = entries.find(found => found.key === key)
      if (entry) known.set(key, entry.revision)
      else known.delete(key)
      return
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      await realClock.sleep(50, signal).catch(() => undefined)
    }
  }
}

/** Everything the log has: "key text" by revision, and how far it goes. */
export async function writtenIn(
  store: Datastore,
): Promise<{ readonly written: ReadonlyMap<Revision, string>; readonly newest: Revision }> {
  const written = new Map<Revision, string>()
  let newest = await store.revision()
  if (newest === 0) return { written, newest }
  const stop = new AbortController()
  for await (const batch of store.watch('/r/', 0, stop.signal)) {
    for (const change of batch.changes) {
      if (change.type === 'delete') written.set(change.revision, `${change.key} -`)
      else written.set(change.entry.revision, `${change.entry.key} ${textOf(change.entry.value)}`)
    }
    if (batch.revision < newest) continue
    // What a killed process had sent may still have come in meanwhile.
    newest = batch.revision
    break
  }
  stop.abort()
  return { written, newest }
}

async function main(endpoint: string): Promise<void> {
  const store = await openDatastore({ endpoint, file: '' }, { clock: realClock, log: silent })
  const acknowledged = ({ key, revision, text }: Acknowledged) => stdout.write(`${key} ${revision} ${text}\n`)
  const name = `p${await store.revision()}`
  setInterval(() => undefined, 1000)
  await load(store, name, { acknowledged }, new AbortController().signal)
}

if (argv[2] !== undefined && argv[1]?.endsWith('crash-load.ts')) await main(argv[2])
