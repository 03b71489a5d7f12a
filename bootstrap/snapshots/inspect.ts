/** What a file is, from its beginning. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { readInside } from './encryption.ts'
import { asSnapshotError } from './errors.ts'
import { known, layerOf, tellingBytes } from './forms.ts'
import { type Inspected, SnapshotError } from './snapshot.ts'

/** SnapshotError when the file cannot be read or is no snapshot. */
export async function inspect(file: string): Promise<Inspected> {
  try {
    const layer = layerOf(await beginningOf(file))
    switch (layer) {
      case undefined:
        throw new SnapshotError(`${file} is not a snapshot: ${known}`)
      case 'zip':
        return { form: undefined, compressed: true, encrypted: false }
      case 'sealed':
        return { ...(await readInside(createReadStream(file), file)), encrypted: true }
      default:
        return { form: layer, compressed: false, encrypted: false }
    }
  } catch (error) {
    throw asSnapshotError(error, file)
  }
}

async function beginningOf(file: string): Promise<Buffer> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(tellingBytes), 0, tellingBytes, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
