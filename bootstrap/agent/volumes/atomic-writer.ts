/**
 * Publishes a set of files in a directory so that readers see all of the old or all of the new ones: the files live in a
 * timestamped directory, "..data" points to it and is swapped by rename, visible names are links through "..data".
 */
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'

export interface VolumeFile {
  readonly content: Uint8Array
  readonly mode: number
}

/** Relative path to file; paths have no leading slash and no "..". */
export type Payload = ReadonlyMap<string, VolumeFile>

const dataLink = '..data'

/** Makes `directory` hold exactly `payload`; resolves with false when it already did. `gid` owns the files if given. */
export async function writeAtomically(directory: string, payload: Payload, gid?: number): Promise<boolean> {
  const current = await readlink(join(directory, dataLink)).catch(() => undefined)
  if (current !== undefined && (await isSame(join(directory, current), payload))) return false
  const fresh = await mkdtemp(`${directory}/..generation-`)
  await chmod(fresh, gid === undefined ? 0o755 : 0o2775)
  for (const [path, file] of payload) await writeOne(fresh, path, file, gid)
  if (gid !== undefined) await chown(fresh, -1, gid)
  const swap = join(directory, '..data_tmp')
  await rm(swap, { force: true })
  await symlink(fresh.slice(directory.length + 1), swap)
  await rename(swap, join(directory, dataLink))
  await linkNames(directory, payload)
  if (current !== undefined) await rm(join(directory, current), { recursive: true, force: true })
  return true
}

async function writeOne(root: string, path: string, file: VolumeFile, gid: number | undefined): Promise<void> {
  const target = join(root, path)
  await mkdir(dirname(target), { recursive: true, mode: 0o755 })
  await writeFile(target, file.content, { mode: file.mode })
  await chmod(target, gid === undefined ? file.mode : file.mode | 0o440)
  if (gid !== undefined) await chown(target, -1, gid)
}

const topName = (path: string): string => path.split('/')[0]!

async function linkNames(directory: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map(topName))
  const present = new Set((await readdir(directory)).filter(name => !name.startsWith('..')))
  for (const name of wanted) if (!present.has(name)) await symlink(join(dataLink, name), join(directory, name))
  for (const name of present) if (!wanted.has(name)) await unlink(join(directory, name))
}

async function isSame(root: string, payload: Payload): Promise<boolean> {
  const present = await filesBelow(root, '').catch(() => undefined)
  if (!present || present.length !== payload.size) return false
  for (const path of present) {
    const wanted = payload.get(path)
    if (!wanted || !(await readFile(join(root, path))).equals(wanted.content)) return false
    const { mode } = await stat(join(root, path))
    if ((mode & wanted.mode) !== wanted.mode) return false
  }
  return true
}

async function filesBelow(root: string, below: string): Promise<string[]> {
  const entries = await readdir(join(root, below), { withFileTypes: true })
  const nested = entries.map(entry => {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    return entry.isDirectory() ? filesBelow(root, path) : [path]
  })
  return (await Promise.all(nested)).flat()
}
