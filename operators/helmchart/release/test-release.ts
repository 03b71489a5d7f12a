/** `helm test` (pkg/action/release_testing.go): runs the test hooks of the last revision. */
import { checkReachable } from './cluster.ts'
import { type Context, defaultTimeoutMs } from './context.ts'
import { runHooks } from './hooks.ts'
import { nameProblem } from './names.ts'
import { recordOf } from './record.ts'
import type { ActionOptions, Release } from './release.ts'

/** Rejects with the first test's failure; how each went is recorded either way. */
export async function testRelease(context: Context, options: ActionOptions): Promise<Release> {
  const { name, namespace, timeoutMs = defaultTimeoutMs } = options
  await checkReachable(context.client)
  if (nameProblem(name) !== undefined) throw new Error(`releaseTest: Release name is invalid: ${name}`)
  context.cluster.reset()
  const last = (await context.storage.history(name, namespace)).at(-1)
  if (!last) throw new Error('release: not found')
  const record = recordOf(context, last)
  try {
    await runHooks(context, record, 'test', { timeoutMs, serverSide: last.apply_method === 'ssa' })
  } finally {
    await record.save()
  }
  return record.release
}
