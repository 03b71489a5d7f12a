/** A release while an action works on it: its present form, and how it gets into the storage. */
import type { Context } from './context.ts'
import { messageOf } from './context.ts'
import type { Release, ReleaseStatus } from './release.ts'
import { isRecordGone } from './storage.ts'

const retries = 3
const retryAfterMs = 200

export interface Record {
  readonly release: Release
  set(change: Partial<Release>): void
  setInfo(change: Partial<Release['info']>): void
  /** Writes it, trying again for a moment; a failure is logged only, since the cluster has changed already and the caller has more to tell. */
  save(): Promise<void>
}

export function recordOf(context: Context, initial: Release): Record {
  let release = initial
  return {
    get release() {
      return release
    },
    set(change) {
      release = { ...release, ...change }
    },
    setInfo(change) {
      release = { ...release, info: { ...release.info, ...change } }
    },
    async save() {
      for (let attempt = 0; ; attempt++) {
        try {
          return await context.storage.update(release)
        } catch (error) {
          const { name, version } = release
          context.log.warn({ release: name, revision: version, error: messageOf(error) }, 'failed to update release')
          if (attempt === retries || isRecordGone(error) || context.signal.aborted) return
        }
        await context.clock.sleep(retryAfterMs, context.signal).catch(() => {})
      }
    },
  }
}

/** Marks stored revisions, e.g. as superseded. */
export async function mark(context: Context, releases: readonly Release[], status: ReleaseStatus): Promise<void> {
  for (const release of releases) {
    const record = recordOf(context, release)
    record.setInfo({ status })
    await record.save()
  }
}

/** A time as Go's JSON has it: RFC 3339 with as many digits as needed. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z')
}
