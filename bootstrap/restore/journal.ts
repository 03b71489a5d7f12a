/**
 * A restore prepares everything beside what there is, then writes down that it is decided, then moves things. Until that file
 * is written, the old state counts; from then on the new one does, and whoever starts next takes the steps that are left.
 */
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeAtomically } from '../pki/files.ts'
import { type Step, type StepEffects, syncFolder, take } from './steps.ts'

export interface RestorePaths {
  /** The data directory of what is prepared: certificates, passwords. Beside their places, so that they can be renamed. */
  readonly prepared: string
  /** The same for the datastore's files, and what is unpacked on the way: server/db may be a disk of its own. */
  readonly preparedDb: string
  readonly journal: string
}

export function restorePaths(dataDir: string): RestorePaths {
  return {
    prepared: join(dataDir, 'server/restoring'),
    preparedDb: join(dataDir, 'server/db/restoring'),
    journal: join(dataDir, 'server/db/restore-decided'),
  }
}

export interface Journal {
  /** The snapshot, as the user named it. */
  readonly source: string
  readonly engine: 'etcd' | 'sqlite' | 'sql'
  readonly steps: readonly Step[]
}

export type RestoreState =
  /** Nothing is under way; what was being prepared when a process was killed counts for nothing. */
  | { readonly state: 'none'; readonly leftovers: boolean }
  /** The new state is complete and counts. */
  | { readonly state: 'decided'; readonly journal: Journal }

/** Costs next to nothing where there is nothing: every start asks. */
export async function restoreState(dataDir: string): Promise<RestoreState> {
  const { journal, prepared, preparedDb } = restorePaths(dataDir)
  if (!existsSync(journal)) return { state: 'none', leftovers: existsSync(prepared) || existsSync(preparedDb) }
  return { state: 'decided', journal: JSON.parse(await readFile(journal, 'utf8')) as Journal }
}

/** The moment from which the new state counts. */
export async function decide(dataDir: string, journal: Journal): Promise<void> {
  const path = restorePaths(dataDir).journal
  await writeAtomically(path, `${JSON.stringify(journal, undefined, 2)}\n`)
  await syncFolder(dirname(path))
}

export interface FinishEffects extends StepEffects {
  /** After each step, for tests that end the process there. */
  step?(name: string): Promise<void> | void
}

/** Takes all steps that are left, and forgets what was prepared. Taking them again does no harm. */
export async function finish(dataDir: string, journal: Journal, effects: FinishEffects): Promise<void> {
  const path = restorePaths(dataDir).journal
  for (const step of journal.steps) {
    await take(step, dataDir, effects)
    await effects.step?.(step.do)
  }
  await forgetPrepared(dataDir)
  await rm(path)
  await syncFolder(dirname(path))
}

/** Removes what was prepared. */
export async function forgetPrepared(dataDir: string): Promise<void> {
  const { prepared, preparedDb } = restorePaths(dataDir)
  for (const path of [prepared, preparedDb]) await rm(path, { recursive: true, force: true })
}
