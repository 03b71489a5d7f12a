/** A release file installed on a test bed's machine, as install.sh does it, without touching the machine around it. */
import { copyFileSync, linkSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Bed } from './bed.ts'

/** Where it is on the machine. */
export const installedPath = '/usr/local/bin/skiff'

/** Puts the file into the machine's own /usr/local/bin, with a link `k3s` to it. Not to be seen after a reboot of the bed. */
export async function installRelease(bed: Bed, release: string): Promise<void> {
  const [upper, work] = [join(bed.dir, 'layers/usr/local/bin'), join(bed.dir, 'work/usr/local/bin')]
  for (const path of [upper, work]) mkdirSync(path, { recursive: true })
  const layers = `lowerdir=/usr/local/bin,upperdir=${upper},workdir=${work}`
  await succeed(bed, ['mount', '-t', 'overlay', '-o', layers, 'overlay', '/usr/local/bin'])
  await succeed(bed, ['install', '-m', '0755', release, installedPath])
  await succeed(bed, ['ln', '-s', 'skiff', '/usr/local/bin/k3s'])
}

/** Puts image archives where the machine's agent imports them; files on the same disk take no room. */
export function placeImages(bed: Bed, ...archives: readonly string[]): void {
  const folder = join(bed.dir, 'data/agent/images')
  mkdirSync(folder, { recursive: true })
  for (const archive of archives) {
    const to = join(folder, basename(archive))
    try {
      linkSync(archive, to)
    } catch {
      copyFileSync(archive, to)
    }
  }
}

async function succeed(bed: Bed, command: readonly string[]): Promise<void> {
  const { code, stderr } = await bed.run(command)
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}
