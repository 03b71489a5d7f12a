/** Small files that must be whole or absent: written beside their place, flushed, then renamed into it. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces `path` atomically and durably; creates missing folders, with mode 0700 unless told. */
export async function writeAtomically(
  path: string,
  content: string | Buffer,
  mode = 0o600,
  folderMode = 0o700,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: folderMode })
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  const file = await open(temporary, 'wx', mode)
  try {
    await file.writeFile(content)
    await file.chmod(mode)
    await file.datasync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close().catch(() => {})
    await rm(temporary, { force: true })
    throw error
  }
}

/** Of folders in /etc: what is in them may be for others than root. */
export const sharedFolder = 0o755

/** The file's text, or undefined when there is none. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
