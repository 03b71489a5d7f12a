/** What a dump shows. */
import { createReadStream } from 'node:fs'
import { DumpError, readDump } from '../../datastore/common/dump.ts'
import type { Entry } from '../../datastore/datastore.ts'
import { SnapshotError } from '../snapshot.ts'
import type { Content } from './content.ts'

export async function openDump(file: string, name: string): Promise<Content> {
  const broken = (error: unknown) =>
    error instanceof DumpError ? new SnapshotError(`${name} is damaged: ${error.message}`) : error
  const read = () =>
    readDump(createReadStream(file, { highWaterMark: 256 * 1024 })).catch((error: unknown) => {
      throw broken(error)
    })
  const first = await read()
  await first.close()
  return {
    revision: first.header.revision,
    async *entries(): AsyncGenerator<Entry> {
      const dump = await read()
      try {
        yield* dump.entries
      } catch (error) {
        throw broken(error)
      } finally {
        await dump.close()
      }
    },
    close: async () => undefined,
  }
}
