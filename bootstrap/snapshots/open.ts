/** Opening a snapshot: unpacked and held against its checksum, then readable key by key. */
import { rm } from 'node:fs/promises'
import type { Entry } from '../datastore/datastore.ts'
import { asSnapshotError } from './errors.ts'
import type { Content } from './opened/content.ts'
import { openDump } from './opened/dump.ts'
import { openEtcdFile } from './opened/etcd.ts'
import { openSqliteFile } from './opened/sqlite.ts'
import type { OpenedSnapshot, ReadOptions } from './snapshot.ts'
import { type Unpacked, unpack } from './unpack.ts'

/**
 * Resolves once the whole file has been read and its checksum found right. SnapshotError for what is damaged, cut off, no
 * snapshot, encrypted with another passphrase, or needs a program that is not installed; nothing is left in `dir` then.
 */
export async function openSnapshot(file: string, options: ReadOptions): Promise<OpenedSnapshot> {
  const unpacked = await unpack(file, options)
  const discard = async () => {
    if (unpacked.ours) await rm(unpacked.file, { force: true })
  }
  try {
    const content = await contentOf(unpacked, file, options)
    return {
      form: unpacked.form,
      revision: content.revision,
      entries: () => explained(content.entries(), file, options.signal),
      nativeFile: unpacked.file,
      async close() {
        await content.close()
        await discard()
      },
    }
  } catch (error) {
    await discard()
    options.signal.throwIfAborted()
    throw asSnapshotError(error, file)
  }
}

function contentOf(unpacked: Unpacked, name: string, options: ReadOptions): Promise<Content> {
  switch (unpacked.form) {
    case 'etcd':
      return openEtcdFile(unpacked.file, name, options)
    case 'sqlite':
      return openSqliteFile(unpacked.file, name)
    case 'dump':
      return openDump(unpacked.file, name)
  }
}

async function* explained(entries: AsyncIterable<Entry>, file: string, signal: AbortSignal): AsyncGenerator<Entry> {
  try {
    for await (const entry of entries) {
      if (signal.aborted) break
      yield entry
    }
  } catch (error) {
    signal.throwIfAborted()
    throw asSnapshotError(error, file)
  }
  signal.throwIfAborted()
}
