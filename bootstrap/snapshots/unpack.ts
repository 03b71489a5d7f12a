/** From a snapshot's file to what the engine made: decrypted, decompressed, and held against its checksum. */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { unsealed } from './encryption.ts'
import { asSnapshotError, asUnpackError } from './errors.ts'
import { known, layerOf, tellingBytes, trailers } from './forms.ts'
import { inspect } from './inspect.ts'
import { release, sinkOf } from './sink.ts'
import { type Inspected, type ReadOptions, SnapshotError, type SnapshotForm } from './snapshot.ts'
import { unzipped } from './zip/read.ts'

export interface Unpacked {
  readonly form: SnapshotForm
  /** The snapshot itself where it is plain already; else a file of ours in the options' `dir`. */
  readonly file: string
  readonly ours: boolean
}

const readBytes = 256 * 1024

/** Reads all of it. SnapshotError, after which nothing is left in `dir`. */
export async function unpack(file: string, options: Omit<ReadOptions, 'programs'>): Promise<Unpacked> {
  const { dir, signal } = options
  const what = await inspect(file)
  // SQLite writes to what it opens, and its trailer is not for the database's place.
  const copies = what.encrypted || what.compressed || what.form === 'sqlite'
  const copy = join(dir, `snapshot-${randomUUID()}.db`)
  try {
    const content = checked(plain(file, what, options), file)
    if (!copies) {
      for await (const piece of content.pieces) release(piece)
      return { form: content.form(), file, ours: false }
    }
    await write(content.pieces, copy, signal)
    return { form: content.form(), file: copy, ours: true }
  } catch (error) {
    await rm(copy, { force: true })
    signal.throwIfAborted()
    throw asSnapshotError(error, file)
  }
}

/** What is inside, still with its checksum. */
async function* plain(
  file: string,
  what: Inspected,
  { passphrase, dir, signal }: Omit<ReadOptions, 'programs'>,
): AsyncGenerator<Buffer> {
  const bytes = () => createReadStream(file, { signal, highWaterMark: readBytes })
  if (!what.encrypted) {
    yield* what.compressed ? unzipped(file, signal) : bytes()
    return
  }
  if (passphrase === undefined)
    throw new SnapshotError(`${file} is encrypted: give the passphrase with --etcd-snapshot-passphrase-file`)
  const decrypted = unsealed(bytes(), passphrase, file)
  if (!what.compressed) {
    yield* decrypted
    return
  }
  // The directory of a .zip is at its end.
  const zip = join(dir, `snapshot-${randomUUID()}.zip`)
  try {
    await write(decrypted, zip, signal)
    yield* unzipped(zip, signal, file)
  } finally {
    await rm(zip, { force: true })
  }
}

/** What fails at writing is told apart from what fails at reading. */
async function write(source: AsyncIterable<Buffer>, path: string, signal: AbortSignal): Promise<void> {
  let reading: unknown
  async function* read() {
    try {
      yield* source
    } catch (error) {
      reading = error
      throw error
    }
  }
  try {
    const handle = await open(path, 'wx', 0o600)
    try {
      await pipeline(read, sinkOf(handle), { signal })
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw reading ?? asUnpackError(error, dirname(path))
  }
}

interface Checked {
  /** What the engine made: without the trailer where that is ours. Ends with SnapshotError when the checksum is wrong. */
  readonly pieces: AsyncGenerator<Buffer>
  /** Known once the first piece has come. */
  form(): SnapshotForm
}

function checked(source: AsyncIterable<Buffer>, file: string): Checked {
  let form: SnapshotForm | undefined
  async function* pieces() {
    const hash = createHash('sha256')
    // What may be the trailer, as long as nothing follows it.
    let held: Buffer = Buffer.alloc(0)
    for await (const piece of beginningTogether(source)) {
      form ??= formOf(piece, file)
      const passing = Math.max(0, held.length + piece.length - trailers[form].bytes)
      const first = held.subarray(0, passing)
      const second = piece.subarray(0, passing - first.length)
      held = Buffer.concat([held.subarray(first.length), piece.subarray(second.length)])
      for (const part of [first, second]) {
        if (part.length === 0) continue
        hash.update(part)
        yield part
      }
      release(piece)
    }
    if (!form) throw new SnapshotError(`${file} is not a snapshot, or cut off at its beginning`)
    checkTrailer(form, held, hash.digest(), file)
    if (trailers[form].magic.length === 0) yield held
  }
  return { pieces: pieces(), form: () => form! }
}

/** The same, the first piece being long enough to tell the form by; nothing where there is not as much. */
async function* beginningTogether(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let beginning: Buffer | undefined = Buffer.alloc(0)
  for await (const piece of source) {
    if (!beginning) {
      yield piece
      continue
    }
    beginning = Buffer.concat([beginning, piece])
    if (beginning.length < tellingBytes) continue
    yield beginning
    beginning = undefined
  }
}

function formOf(beginning: Buffer, file: string): SnapshotForm {
  const layer = layerOf(beginning)
  if (layer === undefined || layer === 'zip' || layer === 'sealed')
    throw new SnapshotError(`${file} is not a snapshot: what is in it is none; ${known}`)
  return layer
}

function checkTrailer(form: SnapshotForm, trailer: Buffer, digest: Buffer, file: string): void {
  const { magic } = trailers[form]
  if (!trailer.subarray(0, magic.length).equals(magic))
    throw new SnapshotError(
      `${file} is not a snapshot, or cut off: an SQLite file without a checksum (a copy of state.db is put in its place as it is)`,
    )
  if (!trailer.subarray(magic.length).equals(digest))
    throw new SnapshotError(
      form === 'etcd'
        ? `${file} is damaged or cut off, or a copy of etcd's file without a checksum, which is no snapshot`
        : `${file} is damaged or cut off: its checksum is wrong`,
    )
}
