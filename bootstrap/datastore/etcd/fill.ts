/** Many keys into an etcd that nobody else uses: several per transaction, which costs it a fraction of one each. */
import { sideBySide } from '../common/side-by-side.ts'
import type { Entry } from '../datastore.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { asUnavailable } from './errors.ts'

type Pair = Pick<Entry, 'key' | 'value'>

/** etcd takes 128 operations and 1.5 MiB; it keeps thousands of transactions in memory, so they are smaller. */
const mostKeys = 64
const mostBytes = 64 * 1024
const atOnce = 16
const limitMs = 60_000

/** Resolves with the number of keys once all are durable. UnavailableError. */
export async function fillEtcd(options: ConnectionOptions, entries: AsyncIterable<Pair>): Promise<number> {
  const connection = new Connection(options)
  let keys = 0
  const write = async (batch: readonly Pair[]) => {
    const success = batch.map(({ key, value }) => ({ requestPut: { key: Buffer.from(key), value } }))
    try {
      await connection.call('KV/Txn', { success }, { limitMs })
    } catch (error) {
      throw asUnavailable(error, `writing ${batch[0]!.key}`)
    }
    keys += batch.length
  }
  try {
    const bounds = { count: atOnce, weight: atOnce * mostBytes, weigh: bytesOf }
    await sideBySide(batched(entries), bounds, write)
    return keys
  } finally {
    connection.close()
  }
}

const bytesOf = (batch: readonly Pair[]) => batch.reduce((sum, { value }) => sum + value.length, 0)

async function* batched(entries: AsyncIterable<Pair>): AsyncGenerator<readonly Pair[]> {
  let batch: Pair[] = []
  let bytes = 0
  for await (const entry of entries) {
    const { length } = entry.value
    if (batch.length === mostKeys || (batch.length > 0 && bytes + length > mostBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(entry)
    bytes += length
  }
  if (batch.length > 0) yield batch
}
