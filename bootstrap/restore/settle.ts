/** What a start finds of a restore that was interrupted. */

import type { ServerConfig } from '../config/server-config.ts'
import type { Logger } from '../log.ts'
import { finish, forgetPrepared, restoreState } from './journal.ts'

export interface SettleEffects {
  readonly log: Logger
  /** After each step, for tests that end the process there. */
  step?(name: string): Promise<void> | void
}

/**
 * To be called at every start, with the data directory locked and before anything is opened: completes a restore that was
 * decided, and clears away one that was not. Resolves with the name of the snapshot where there was something to complete.
 */
export async function settleRestore(config: ServerConfig, { log, step }: SettleEffects): Promise<string | undefined> {
  const { dataDir } = config
  const state = await restoreState(dataDir)
  switch (state.state) {
    case 'none':
      if (state.leftovers) await forgetPrepared(dataDir)
      return undefined
    case 'decided': {
      log.info({ snapshot: state.journal.source }, 'completing the restore')
      const exchange = async (database: string, suffix: string) => {
        const { exchangeDatabase } = await import('./database.ts')
        await exchangeDatabase(config, database, suffix, log)
      }
      await finish(dataDir, state.journal, { exchange, ...(step ? { step } : {}) })
      return state.journal.source
    }
  }
}
