/** subPath: a path inside a volume that must not lead out of it. */
import { mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { VolumeError } from './payload.ts'

/** The real path of `subPath` in `volume`, made as a directory if missing. Throws VolumeError when it escapes. */
export async function resolveSubPath(volume: string, subPath: string): Promise<string> {
  if (subPath.startsWith('/') || subPath.split('/').includes('..'))
    throw new VolumeError(`failed to prepare subPath for volumeMount: subPath "${subPath}" must not leave the volume`)
  const root = await realpath(volume)
  const target = join(root, subPath)
  const inside = (path: string) => path === root || path.startsWith(`${root}/`)
  let existing = target
  while (!(await stat(existing).catch(() => undefined))) existing = dirname(existing)
  if (!inside(await realpath(existing)))
    throw new VolumeError(`failed to prepare subPath for volumeMount: subPath "${subPath}" leads outside of the volume`)
  if (existing !== target) await mkdir(target, { recursive: true, mode: 0o750 })
  return realpath(target)
}
