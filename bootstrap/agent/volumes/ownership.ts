/** fsGroup: a volume's files belong to the pod's group (pkg/volume/volume_linux.go). */
import { chmod, lchown, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Gives everything below `path` to `gid`, group-writable, directories setgid. Does not follow links. */
export async function applyFsGroup(path: string, gid: number, onlyOnRootMismatch = false): Promise<void> {
  if (onlyOnRootMismatch) {
    const { gid: owner, mode } = await lstat(path)
    if (owner === gid && (mode & 0o2770) === 0o2770) return
  }
  await giveTo(path, gid)
}

async function giveTo(path: string, gid: number): Promise<void> {
  const info = await lstat(path)
  await lchown(path, -1, gid)
  if (info.isSymbolicLink()) return
  await chmod(path, (info.mode & 0o7777) | (info.isDirectory() ? 0o2770 : 0o660))
  if (!info.isDirectory()) return
  for (const name of await readdir(path)) await giveTo(join(path, name), gid)
}
