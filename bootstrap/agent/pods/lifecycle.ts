/** Container lifecycle hooks: exec, httpGet and sleep. */
import type { Container, LifecycleHandler } from '../../api/types.gen.ts'
import type { Clock } from '../../client/clock.ts'
import { execute, httpGet, httpTarget, type Outcome } from '../probes/actions.ts'
import type { Runtime } from '../runtime.ts'

export interface HookTarget {
  readonly container: Container
  readonly containerId: string
  readonly podIp: string
  readonly runtime: Runtime
}

const longestHookMs = 3_600_000

/** Runs a hook to its end, at most `timeoutMs`. */
export async function runHook(
  handler: LifecycleHandler,
  target: HookTarget,
  clock: Clock,
  signal: AbortSignal,
  timeoutMs = longestHookMs,
): Promise<Outcome> {
  if (handler.sleep) {
    await clock.sleep(Math.min(handler.sleep.seconds * 1000, timeoutMs), signal)
    return { ok: true }
  }
  if (handler.exec) return execute(target.runtime, target.containerId, handler.exec, Math.ceil(timeoutMs / 1000))
  if (handler.httpGet) {
    const http = httpTarget(handler.httpGet, target.container, target.podIp)
    if (!http) return { ok: false, message: `couldn't find port: ${JSON.stringify(handler.httpGet.port)}` }
    return httpGet({ ...http, headers: { ...http.headers, 'user-agent': 'kube-lifecycle/1.36' } }, timeoutMs)
  }
  return { ok: false, message: 'invalid handler: must specify one of exec, httpGet or sleep' }
}
