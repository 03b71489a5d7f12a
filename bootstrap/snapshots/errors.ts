/** What the system says about a snapshot's file, in the words of users. */
import { SnapshotError } from './snapshot.ts'

const reasons: { readonly [code: string]: string } = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'it may not be read',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'no space left on the disk',
  EFBIG: 'no space left on the disk',
  EROFS: 'the file system is read-only',
  EIO: 'the disk has failed',
}

/** An error of reading `file`, of what it holds, or of what was to be written beside it. */
export function asSnapshotError(error: unknown, file: string): SnapshotError {
  if (error instanceof SnapshotError) return error
  const { code = '', message } = error as Error & { code?: string }
  if (/^Z_|^ERR_BUFFER|^ERR_OUT_OF_RANGE/.test(code)) return new SnapshotError(`${file} is damaged: ${message}`)
  return new SnapshotError(`cannot read ${file}: ${reasons[code] ?? message}`, { cause: error })
}

/** An error of writing what is unpacked into `dir`. */
export function asUnpackError(error: unknown, dir: string): SnapshotError {
  const { code = '', message } = error as Error & { code?: string }
  return new SnapshotError(`cannot unpack the snapshot into ${dir}: ${reasons[code] ?? message}`, { cause: error })
}

/** An error of writing `file`. */
export function asWriteError(error: unknown, file: string): SnapshotError {
  if (error instanceof SnapshotError) return error
  const { code = '', message } = error as Error & { code?: string }
  const why =
    code === 'ENOENT' ? 'there is no such folder' : code === 'EACCES' ? 'it may not be written' : reasons[code]
  return new SnapshotError(`cannot write the snapshot ${file}: ${why ?? message}`, { cause: error })
}
