/** The mount table, and taking mounts away without ever following them. */
import { readFile } from 'node:fs/promises'
import { run } from './process.ts'

/** Mount points at or below `path`, innermost first. */
export async function mountsBelow(path: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  return mountPoints(table)
    .filter(point => point === path || point.startsWith(`${path}/`))
    .reverse()
}

/** Mount points of a mountinfo table in its order; octal escapes are undone. */
export function mountPoints(table: string): string[] {
  return table
    .split('\n')
    .map(line => line.split(' ')[4])
    .filter(point => point !== undefined)
    .map(point => point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))))
}

/** Unmounts everything at or below `path`, lazily where busy. */
export async function unmountBelow(path: string): Promise<void> {
  for (const point of await mountsBelow(path)) await run('umount', [point]).catch(() => run('umount', ['-l', point]))
}

export async function mountTmpfs(path: string, sizeBytes?: number): Promise<void> {
  const options = sizeBytes === undefined ? 'mode=0755' : `mode=0755,size=${sizeBytes}`
  await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path])
}
