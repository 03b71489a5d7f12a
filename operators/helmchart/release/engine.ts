/** Helm's release engine: what `helm install`, `upgrade`, `rollback`, `uninstall`, `test` and friends do, without Helm. */
import { createCluster } from './cluster.ts'
import type { Context, EngineOptions } from './context.ts'
import { install } from './install.ts'
import { createPatchMetas } from './patch-meta.ts'
import { recordOf } from './record.ts'
import type { Release, ReleaseActions } from './release.ts'
import { rollback } from './rollback.ts'
import { createStorage } from './storage.ts'
import { testRelease } from './test-release.ts'
import { uninstall } from './uninstall.ts'
import { upgrade } from './upgrade.ts'

export type { EngineOptions } from './context.ts'

/**
 * The actions of one user against one cluster. They keep nothing between calls but what the storage holds, so an action
 * that was cut short anywhere is recovered by the next one: see `setStatus`.
 */
export function createReleaseActions(options: EngineOptions): ReleaseActions {
  const { client, log } = options
  // The storage remembers what it has read, and discovery what it was told, for one action only.
  const context = (): Context => ({
    ...options,
    cluster: createCluster(client, log),
    storage: createStorage(options),
    patchMetas: createPatchMetas(client),
  })
  return {
    history: (name, namespace) => context().storage.history(name, namespace),
    list: async namespace => lastRevisions(await context().storage.all(namespace)),
    install: request => install(context(), request),
    upgrade: request => upgrade(context(), request),
    rollback: request => rollback(context(), request),
    uninstall: request => uninstall(context(), request),
    test: request => testRelease(context(), request),
    async setStatus(name, namespace, status, description) {
      const here = context()
      const last = (await here.storage.history(name, namespace)).at(-1)
      if (!last) throw new Error('release: not found')
      const record = recordOf(here, last)
      record.setInfo({ status, ...(description === undefined ? {} : { description }) })
      await here.storage.update(record.release)
    },
  }
}

function lastRevisions(releases: readonly Release[]): Release[] {
  const last = new Map<string, Release>()
  for (const release of releases) last.set(`${release.namespace}/${release.name}`, release)
  return [...last.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}
