/** The files of a manifests folder: which count, and when they change. */
import { createHash } from 'node:crypto'
import { type Dirent, statSync, watch } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import type { Clock } from '../runtime/operator.ts'

const isManifest = (name: string): boolean => /\.(?:ya?ml|json)$/i.test(name) && !name.startsWith('.')

/**
 * Paths of all manifests below `root`, sorted. Dot-files are left out, as is every file NAME for which a NAME.skip lies
 * anywhere in the tree,
 * unless it is disabled: then its objects are to go. Symbolic links to folders are followed one level deep. A missing root has no files.
 */
export async function listManifests(root: string, disabled: ReadonlySet<string> = new Set()): Promise<string[]> {
  const files = await filesBelow(root, true)
  const skipped = new Set(
    files
      .map(file => basename(file))
      .filter(name => name.endsWith('.skip'))
      .map(name => name.slice(0, -'.skip'.length)),
  )
  const counts = (file: string): boolean => !skipped.has(basename(file)) || isDisabled(root, file, disabled)
  return files.filter(file => isManifest(basename(file)) && counts(file)).sort()
}

async function filesBelow(folder: string, followLinks: boolean): Promise<string[]> {
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const lists = await Promise.all(
    entries.map(async entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return filesBelow(path, followLinks)
      if (!entry.isSymbolicLink()) return [path]
      const target = statSync(path, { throwIfNoEntry: false })
      if (target?.isDirectory()) return followLinks ? filesBelow(path, false) : []
      return target ? [path] : []
    }),
  )
  return lists.flat()
}

/** The Addon's name: the file's base name up to the first dot. */
export function addonName(path: string): string {
  return basename(path).split('.')[0]!
}

/** Whether a file lies in the tree itself, not in a folder that a link leads to. */
export async function isOwnFile(root: string, path: string): Promise<boolean> {
  const [folder, top] = await Promise.all([realpath(dirname(path)), realpath(root)])
  return folder === join(top, relative(root, dirname(path)))
}

/** Whether `--disable` names this file: by its base name without ending, or by a folder it lies in. */
export function isDisabled(root: string, path: string, disabled: ReadonlySet<string>): boolean {
  const parts = relative(root, path).split('/')
  const stem = parts.pop()!.replace(/\.[^.]*$/, '')
  return disabled.has(stem) || parts.some((_, depth) => disabled.has(parts.slice(0, depth + 1).join('/')))
}

export function checksum(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * Calls `changed` when something below `root` may have changed: at once by the kernel's notice, and every `scanMs` in case
 * a notice was lost. Ends when aborted.
 */
export async function watchTree(
  root: string,
  scanMs: number,
  changed: () => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  // A file is often written in several steps; what belongs together is taken together.
  let pending: NodeJS.Timeout | undefined
  const soon = () => {
    pending ??= setTimeout(() => {
      pending = undefined
      changed()
    }, 20)
  }
  const watcher = watch(root, { recursive: true, persistent: false, signal }, soon)
  watcher.on('error', () => {})
  try {
    while (!signal.aborted) {
      changed()
      await clock.sleep(scanMs, signal)
    }
  } catch {
    clearTimeout(pending)
  }
}
