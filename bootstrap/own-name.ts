/** A server's own node proves that its name is its own as any other node does, only without a request. */
import type { AssembledServer } from './apiserver/assemble.ts'
import { systemClock } from './client/clock.ts'
import { readNodePassword } from './join/node-password.ts'
import type { Logger } from './log.ts'
import { ensureNodePassword, NodePasswordError } from './supervisor/node-password/secret.ts'

export interface OwnNameParts {
  readonly api: Pick<AssembledServer, 'client'>
  readonly log: Logger
  readonly signal: AbortSignal
}

const retryMs = 5000

/** Resolves once the node may be started: not before another node of the name, or its Secret, is gone. */
export async function claimOwnName(node: string, { api, log, signal }: OwnNameParts): Promise<void> {
  const password = await readNodePassword()
  for (;;) {
    try {
      return await ensureNodePassword(api.client(), node, password)
    } catch (error) {
      if (!(error instanceof NodePasswordError)) {
        log.warn({ err: error }, `Password verification deferred for node ${node}`)
        return
      }
      log.error({}, `Waiting to retrieve agent configuration; server is not ready: ${error.message}`)
      await systemClock.sleep(retryMs, signal)
    }
  }
}
