/** What an SQLite file shows, read on a thread of its own. */
import { rm } from 'node:fs/promises'
import { keyAfter, rangeOf } from '../../datastore/common/key-range.ts'
import type { Entry } from '../../datastore/datastore.ts'
import { unpack as valuesOf } from '../../datastore/sqlite/block.ts'
import { WriterClient } from '../../datastore/sqlite/writer-client.ts'
import { SnapshotError } from '../snapshot.ts'
import type { Content } from './content.ts'

const pageEntries = 500

/** `file` is ours to write to: opening it has SQLite check it, and leaves it as one that was closed in order. */
export async function openSqliteFile(file: string, name: string): Promise<Content> {
  const { revision } = await using(file, name, writer => writer.call('opened', []))
  return {
    revision,
    async *entries(): AsyncGenerator<Entry> {
      const writer = new WriterClient(file)
      try {
        let { start, end } = rangeOf('')
        for (let more = true; more; ) {
          const page = await writer.call('entries', [{ start, end, at: revision }, pageEntries])
          const values = valuesOf(page)
          for (const [i, value] of values.entries())
            yield { key: page.keys[i]!, value, revision: page.revisions[i]!, createRevision: page.createRevisions[i]! }
          more = page.more
          start = keyAfter(page.keys.at(-1) ?? start)
        }
      } catch (error) {
        throw broken(error, file, name)
      } finally {
        await close(writer)
      }
    },
    close: async () => {
      for (const suffix of ['-wal', '-shm']) await rm(`${file}${suffix}`, { force: true })
    },
  }
}

async function using<T>(file: string, name: string, work: (writer: WriterClient) => Promise<T>): Promise<T> {
  const writer = new WriterClient(file)
  try {
    return await work(writer)
  } catch (error) {
    throw broken(error, file, name)
  } finally {
    await close(writer)
  }
}

async function close(writer: WriterClient): Promise<void> {
  await writer.call('close', []).catch(() => undefined)
  await writer.terminate()
}

function broken(error: unknown, file: string, name: string): SnapshotError {
  const why = (error as Error).message.replace(/^datastore unavailable: /, '').replace(`${file}: `, '')
  if (/not one of Skiff|no such table/.test(why))
    return new SnapshotError(`${name} is not a snapshot of Skiff: an SQLite database of something else`)
  return new SnapshotError(`${name} cannot be restored: ${why}`, { cause: error })
}
