/**
 * What the containers `drain` and `cordon` of a plan's pods run in place of a kubectl image. It has the pod's own rights, and
 * touches nothing but the API.
 */
import type { EmbeddedModule } from '../../../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../../../bootstrap/client/clock.ts'
import { runKubectl } from './command.ts'
import { refusalTeller } from './refusals.ts'

export const kubectlModule: EmbeddedModule = {
  guest: true,
  run: ({ args, client, env, pod, stdout, stderr, signal }) =>
    runKubectl(args, {
      client,
      clock: systemClock,
      signal,
      out: line => stdout(`${line}\n`),
      err: line => stderr(`${line}\n`),
      refused: refusalTeller({
        client,
        clock: systemClock,
        namespace: pod.namespace,
        node: pod.nodeName,
        plan: env.SYSTEM_UPGRADE_PLAN_NAME,
      }),
    }),
}
