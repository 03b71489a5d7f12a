/** What a release tells of itself: from VERSION and SOURCE_DATE_EPOCH, else from the sources and their last commit. */
import { spawnSync } from 'node:child_process'
import { partsOf, sourceVersion } from '../../bootstrap/version.ts'

export interface BuildFacts {
  readonly version: string
  readonly commit: string
  /** Seconds since 1970: the commit's time, so that two builds of it are the same bytes. */
  readonly time: number
  /** Whether the sources were those of the commit. */
  readonly clean: boolean
}

/** Throws with one line for a VERSION or time that is none. */
export function buildFacts(root: string, env: NodeJS.ProcessEnv): BuildFacts {
  const version = env.VERSION || sourceVersion
  partsOf(version)
  const [commit = '', time = '0'] = git(root, 'log', '-1', '--format=%H %ct').split(' ')
  const seconds = Number(env.SOURCE_DATE_EPOCH || time)
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    throw new Error(`SOURCE_DATE_EPOCH "${env.SOURCE_DATE_EPOCH}": want seconds since 1970`)
  return { version, commit, time: seconds, clean: git(root, 'status', '--porcelain', '--untracked-files=no') === '' }
}

/** "2026-11-20T20:08:24Z". */
export function dateOf({ time }: BuildFacts): string {
  return new Date(time * 1000).toISOString().replace('.000', '')
}

/** Empty where there is no git or no repository: an archive of the sources. */
function git(root: string, ...args: string[]): string {
  const { status, stdout } = spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : ''
}
