/**
 * What is left to do once a restore is decided: steps that each happen at once or not at all, and that may be taken again
 * from the first one after a process was killed at any of them.
 */
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { writeAtomically } from '../pki/files.ts'

/** Paths are relative to the data directory, or absolute. */
export type Step =
  /** Makes room: `from` is what there was, `to` where it is kept. Nothing had this name before. */
  | { readonly do: 'aside'; readonly from: string; readonly to: string }
  /** Puts what was prepared in its place, in place of what a file of this name holds. */
  | { readonly do: 'place'; readonly from: string; readonly to: string }
  | { readonly do: 'remove'; readonly path: string }
  /** Makes an empty file. */
  | { readonly do: 'mark'; readonly path: string }
  /** Exchanges the log in the database of this name for the one prepared there; `suffix` names what becomes of the old one. */
  | { readonly do: 'exchange'; readonly database: string; readonly suffix: string }

export interface StepEffects {
  exchange(database: string, suffix: string): Promise<void>
}

export async function take(step: Step, dataDir: string, effects: StepEffects): Promise<void> {
  switch (step.do) {
    case 'aside':
      // There already: it was moved before, and what has the old name now is new.
      if (!(await isThere(resolve(dataDir, step.to)))) await move(dataDir, step)
      return
    case 'place':
      return move(dataDir, step)
    case 'remove':
      await rm(resolve(dataDir, step.path), { recursive: true, force: true })
      return
    case 'mark':
      await writeAtomically(resolve(dataDir, step.path), '')
      return syncFolder(dirname(resolve(dataDir, step.path)))
    case 'exchange':
      return effects.exchange(step.database, step.suffix)
  }
}

/** What cannot be renamed, because it is a disk of its own; asked before anything is decided. */
export async function immovable(steps: readonly Step[], dataDir: string): Promise<string | undefined> {
  for (const step of steps) {
    if (step.do !== 'aside') continue
    const from = resolve(dataDir, step.from)
    const [own, folder] = await Promise.all([lstat(from), lstat(dirname(from))])
    if (own.dev !== folder.dev) return from
  }
  return undefined
}

async function move(dataDir: string, step: { readonly from: string; readonly to: string }): Promise<void> {
  const [from, to] = [resolve(dataDir, step.from), resolve(dataDir, step.to)]
  if (!(await isThere(from))) return
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  await rename(from, to)
  await syncFolder(dirname(to))
  await syncFolder(dirname(from))
}

/** Also a link that leads nowhere is there. */
const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync()
  await folder.close()
}
