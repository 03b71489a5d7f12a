/**
 * A hook that keeps its object between runs (no policy before-hook-creation) leaves it behind when its run fails or is cut
 * short, and Helm then fails on it for ever: "already exists", or the failed Job again. What such a run left is cleared
 * away here; the object of a run that went well stays, as its policies say.
 */
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import type { Context } from './context.ts'
import { nameOf, type Target } from './objects.ts'
import type { Record } from './record.ts'
import type { ReleaseHook } from './release.ts'

/** Those of a hook's objects that exist, were made as hooks, and are not what a run recorded as successful left. */
export async function hookLeftovers(
  context: Context,
  record: Record,
  hook: ReleaseHook,
  targets: readonly Target[],
): Promise<Target[]> {
  if (hook.delete_policies?.includes('before-hook-creation') || hook.kind === 'CustomResourceDefinition') return []
  const found: Target[] = []
  for (const target of targets) {
    if (target.name === '') continue
    const live = await context.client.get(target.resource, nameOf(target)).catch(ignoreNotFound)
    if (live?.metadata.annotations?.['helm.sh/hook'] !== undefined) found.push(target)
  }
  return found.length > 0 && !(await wentWell(context, record, hook)) ? found : []
}

/** Whether the last recorded run of the hook was a success. */
async function wentWell(context: Context, { release }: Record, { kind, name }: ReleaseHook): Promise<boolean> {
  const history = await context.storage.history(release.name, release.namespace)
  const runs = [...history.filter(({ version }) => version !== release.version), release]
    .flatMap(({ hooks = [] }) => hooks)
    .filter(hook => hook.kind === kind && hook.name === name && hook.last_run.started_at !== '')
    .sort((a, b) => Date.parse(a.last_run.started_at) - Date.parse(b.last_run.started_at))
  return runs.at(-1)?.last_run.phase === 'Succeeded'
}
