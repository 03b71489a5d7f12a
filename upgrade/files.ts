/** Programs of this machine as files of an image. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { TarEntry } from '../bootstrap/agent/images/tar.ts'

export const directory = (path: string, mode = 0o755): TarEntry => ({ path, type: 'directory', mode })

/** A dynamically linked program, its loader and libraries, at the paths it looks for them. */
export function program(path: string): TarEntry[] {
  const files = [path, ...librariesOf(path)]
  return files.flatMap(file => [...parents(file), { path: file.slice(1), content: readFileSync(file), mode: 0o755 }])
}

/** The loader and the libraries that a program needs, as absolute paths. */
export function librariesOf(path: string): string[] {
  const output = execFileSync('ldd', [path], { encoding: 'utf8' })
  return [...output.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(match => match[1]!)
}

/** The folders above an absolute path, outermost first. */
export function parents(path: string): TarEntry[] {
  const parts = path.slice(1).split('/').slice(0, -1)
  return parts.map((_, index) => directory(parts.slice(0, index + 1).join('/')))
}

/** Each path once, as its last entry has it. */
export function unique(entries: readonly TarEntry[]): TarEntry[] {
  return [...new Map(entries.map(entry => [entry.path, entry])).values()]
}

/** Debian's static busybox, and a link to it for each of its commands. */
export function busybox(): TarEntry[] {
  const path = '/bin/busybox'
  const commands = execFileSync(path, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  const links = commands.filter(name => name !== 'busybox')
  return [
    { path: 'bin/busybox', content: readFileSync(path), mode: 0o755 },
    ...links.map(name => ({ path: `bin/${name}`, type: 'symlink' as const, target: path })),
  ]
}
