/** The dry run of a restore: everything is read as a restore would read it. */
import type { Entry } from '../datastore/datastore.ts'
import { openSnapshot } from './open.ts'
import { type ReadOptions, SnapshotError, type Verified } from './snapshot.ts'

/** As much is parsed at a stretch. */
const stretchBytes = 256 * 1024

/** Checksum, the engine's own check, and every key and value. SnapshotError in one line for what a restore would fail at. */
export async function verifySnapshot(file: string, options: ReadOptions): Promise<Verified> {
  const opened = await openSnapshot(file, options)
  try {
    let keys = 0
    let bytes = 0
    for await (const entry of opened.entries()) {
      const wrong = wrongWith(entry)
      if (wrong !== undefined) throw new SnapshotError(`${file} cannot be restored: ${entry.key} ${wrong}`)
      keys++
      bytes += entry.value.length
      if (bytes < stretchBytes) continue
      bytes = 0
      await new Promise(resolve => setImmediate(resolve))
    }
    if (keys === 0) throw new SnapshotError(`${file} cannot be restored: it holds no keys`)
    return { form: opened.form, revision: opened.revision, keys }
  } finally {
    await opened.close()
  }
}

/** Objects are JSON with a kind; what servers note beside them (their leases, claims, reservations) has no metadata. */
function wrongWith({ key, value }: Entry): string | undefined {
  if (!key.startsWith('/registry/')) return undefined
  if (value.subarray(0, 4).equals(protobufMagic))
    return 'is in the form of protobuf: this is a snapshot of K3s, which Skiff cannot read'
  try {
    const object: unknown = JSON.parse(value.toString())
    const isWhole = typeof object === 'object' && object !== null && (!('metadata' in object) || hasKind(object))
    return isWhole ? undefined : 'is not an object: it has no kind'
  } catch {
    return 'is not an object: it is not JSON'
  }
}

const hasKind = (object: object) => 'kind' in object && typeof object.kind === 'string'

const protobufMagic = Buffer.from('k8s\0')
