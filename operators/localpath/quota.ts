/** A volume's size as a limit, where its file system counts by project (XFS or ext4 mounted with prjquota). */

export interface Mount {
  readonly device: string
  readonly path: string
  readonly type: string
  readonly options: readonly string[]
}

/** The file system that a path lies on, from the text of /proc/self/mounts. */
export function mountOf(path: string, mounts: string): Mount | undefined {
  const plain = (text: string) =>
    text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  const all = mounts
    .split('\n')
    .map(line => line.split(' '))
    .filter(parts => parts.length >= 4)
    .map(([device, at, type, options]) => ({
      device: plain(device!),
      path: plain(at!),
      type: type!,
      options: options!.split(','),
    }))
  const around = all.filter(
    mount => path === mount.path || path.startsWith(mount.path === '/' ? '/' : `${mount.path}/`),
  )
  // Of several on one place the last one counts.
  return around.reduce<Mount | undefined>(
    (best, mount) => (best && best.path.length > mount.path.length ? best : mount),
    undefined,
  )
}

export const countsProjects = ({ type, options }: Mount): boolean =>
  (type === 'xfs' || type === 'ext4') && options.some(option => option === 'prjquota' || option === 'pquota')

/** A project's number from the path: large, so that it does not meet those that people choose. */
export function projectOf(path: string): number {
  let hash = 2_166_136_261
  for (const byte of Buffer.from(path)) hash = Math.imul(hash ^ byte, 16_777_619)
  return 0x1000_0000 + ((hash >>> 0) % 0x6000_0000)
}

/** Limits a folder to a size; false where the file system does not count, or the tools are missing. Rejects when they fail. */
export async function limitSize(
  path: string,
  bytes: number,
  mounts: string,
  run: (program: string, args: readonly string[]) => Promise<unknown>,
): Promise<boolean> {
  const mount = mountOf(path, mounts)
  if (!mount || bytes <= 0 || !countsProjects(mount)) return false
  const project = projectOf(path)
  try {
    if (mount.type === 'xfs') {
      await run('xfs_quota', ['-x', '-c', `project -s -p ${path} ${project}`, mount.path])
      await run('xfs_quota', ['-x', '-c', `limit -p bhard=${bytes} ${project}`, mount.path])
    } else {
      await run('chattr', ['+P', '-p', String(project), path])
      await run('setquota', ['-P', String(project), '0', String(Math.ceil(bytes / 1024)), '0', '0', mount.path])
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
