/** What containerd's configuration must know about the machine. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../process.ts'

const sysResourceBit = 24n

/** True when this process may not lower oom_score_adj (no CAP_SYS_RESOURCE). */
export async function lacksSysResource(): Promise<boolean> {
  return !hasCapability(await readFile('/proc/self/status', 'utf8'), sysResourceBit)
}

/** Whether the effective set of a /proc/<pid>/status text has the capability with that number. */
export function hasCapability(status: string, bit: bigint): boolean {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  return ((effective >> bit) & 1n) === 1n
}

/** The wanted snapshotter, or "native" where overlayfs does not work on `root`'s file system. */
export async function chooseSnapshotter(wanted: string, root: string): Promise<string> {
  if (wanted !== 'overlayfs') return wanted
  const directory = await mkdtemp(join(root, '.overlay-'))
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map(name => join(directory, name)) as [
    string,
    string,
    string,
    string,
  ]
  try {
    for (const path of [lower, upper, work, merged]) await mkdir(path)
    await run('mount', [
      '-t',
      'overlay',
      '-o',
      `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
      'overlay',
      merged,
    ])
    await run('umount', [merged])
    return 'overlayfs'
  } catch {
    return 'native'
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
