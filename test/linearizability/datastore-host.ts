/**
 * A program: holds a Datastore open for a process that forked it, so that it can be killed. Arguments: endpoint (empty for
 * SQLite), file. Sends { ready } first; then answers messages by their id.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangeBatch, Entry, Page, Write } from '../../bootstrap/datastore/datastore.ts'
import { ConflictError } from '../../bootstrap/datastore/datastore.ts'
import { openDatastore } from '../../bootstrap/datastore/open.ts'

export type Asked =
  | { readonly id: number; readonly type: 'commit'; readonly write: Write }
  | { readonly id: number; readonly type: 'read'; readonly prefix: string }
  | { readonly id: number; readonly type: 'revision' }
  | { readonly id: number; readonly type: 'watch'; readonly prefix: string; readonly after: number }
  | { readonly id: number; readonly type: 'unwatch'; readonly of: number }

export type Told =
  | { readonly ready: true }
  | { readonly id: number; readonly value: number | Page | undefined }
  | { readonly id: number; readonly batch: ChangeBatch }
  | { readonly id: number; readonly error: string; readonly conflict?: { readonly current: Entry | undefined } }

const [endpoint = '', file = ''] = process.argv.slice(2)
const tell = (message: Told) => void process.send?.(message, () => undefined)
const quiet = { info: () => undefined, warn: () => undefined }
const clock = {
  now: () => Date.now(),
  sleep: async (ms: number, signal: AbortSignal) => {
    await sleep(ms, undefined, { signal, ref: false })
  },
}
const datastore = await openDatastore({ endpoint, file }, { clock, log: quiet })
const watches = new Map<number, AbortController>()

async function watch(id: number, prefix: string, after: number): Promise<undefined> {
  const controller = new AbortController()
  watches.set(id, controller)
  for await (const batch of datastore.watch(prefix, after, controller.signal)) tell({ id, batch })
  return undefined
}

async function answer(asked: Asked): Promise<number | Page | undefined> {
  switch (asked.type) {
    case 'commit':
      // Buffers come as Uint8Array.
      return datastore.commit(
        'value' in asked.write ? { ...asked.write, value: Buffer.from(asked.write.value) } : asked.write,
      )
    case 'read':
      return datastore.read(asked.prefix)
    case 'revision':
      return datastore.revision()
    case 'watch':
      return watch(asked.id, asked.prefix, asked.after)
    case 'unwatch':
      watches.get(asked.of)?.abort()
      return undefined
  }
}

process.on('message', (asked: Asked) => {
  const { id } = asked
  answer(asked).then(
    value => tell({ id, value }),
    (error: Error) => {
      const conflict = error instanceof ConflictError ? { conflict: { current: error.current } } : {}
      tell({ id, error: `${error.name}: ${error.message}`, ...conflict })
    },
  )
})
process.on('disconnect', () => process.exit())
tell({ ready: true })
