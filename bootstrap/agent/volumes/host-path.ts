/** hostPath volumes: the checks and creations each type asks for. */

import type { Stats } from 'node:fs'
import { lstat, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { VolumeError } from './payload.ts'

const checks: { readonly [type: string]: { readonly holds: (stats: Stats) => boolean; readonly text: string } } = {
  Directory: { holds: stats => stats.isDirectory(), text: 'a directory' },
  File: { holds: stats => stats.isFile(), text: 'a file' },
  Socket: { holds: stats => stats.isSocket(), text: 'a socket file' },
  CharDevice: { holds: stats => stats.isCharacterDevice(), text: 'a character device' },
  BlockDevice: { holds: stats => stats.isBlockDevice(), text: 'a block device' },
}

/** Throws VolumeError when `path` is not of `type`. */
export async function prepareHostPath(path: string, type: string): Promise<void> {
  if (type === '') {
    // The runtime would make a missing source a directory; so does upstream.
    if (!(await lstat(path).catch(() => undefined))) await mkdir(path, { recursive: true, mode: 0o755 })
    return
  }
  const found = await stat(path).catch(() => undefined)
  if (!found && type === 'DirectoryOrCreate') {
    await mkdir(path, { recursive: true, mode: 0o755 })
    return
  }
  if (!found && type === 'FileOrCreate') {
    if (!(await stat(dirname(path)).catch(() => undefined)))
      throw new VolumeError(`open ${path}: no such file or directory`)
    await (await open(path, 'a', 0o644)).close()
    return
  }
  const check = checks[type.replace(/OrCreate$/, '')]
  if (!check) throw new VolumeError(`invalid host path type ${type}`)
  if (!found || !check.holds(found)) throw new VolumeError(`hostPath type check failed: ${path} is not ${check.text}`)
}
