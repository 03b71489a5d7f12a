/** Forgets history that is more than five minutes old, once for all servers of the cluster. */
import { everyFiveMinutes } from '../common/compacting.ts'
import type { Clock, Logger } from '../effects.ts'
import type { Connection } from './connection.ts'
import { EtcdError } from './errors.ts'
import type { TxnResponse } from './messages.ts'

/** The key by which API servers over one etcd agree on who compacts: its version counts the rounds. */
export const compactionKey = 'compact_rev_key'
const roundKey = Buffer.from(compactionKey)

/**
 * Every five minutes, until aborted, tries to be the server that closes the round; who succeeds compacts to where the log
 * stood when the round began. So history is five to ten minutes long. Nothing is written when nothing has been written since.
 */
export async function compactRegularly(
  connection: Connection,
  clock: Clock,
  signal: AbortSignal,
  log: Logger | undefined,
): Promise<void> {
  let round = { version: 0, revision: 0 }
  await everyFiveMinutes(clock, signal, log, async () => {
    round = await closeRound(connection, round)
  })
}

interface Round {
  readonly version: number
  /** Where the log stood when it began. */
  readonly revision: number
}

export async function closeRound(connection: Connection, round: Round): Promise<Round> {
  const answer = await connection.call<TxnResponse>('KV/Txn', {
    compare: [{ result: 'EQUAL', target: 'VERSION', key: roundKey, version: round.version }],
    success: [{ requestPut: { key: roundKey, value: Buffer.from(String(round.revision)) } }],
    failure: [{ requestRange: { key: roundKey } }],
  })
  const { revision } = answer.header
  if (!answer.succeeded) {
    const kv = answer.responses?.[0]?.responseRange?.kvs?.[0] as { version?: number } | undefined
    return { version: kv?.version ?? 0, revision }
  }
  if (round.revision > 0) {
    try {
      await connection.call('KV/Compact', { revision: round.revision }, { limitMs: 60_000 })
    } catch (error) {
      if (!(error instanceof EtcdError && error.failure === 'compacted')) throw error
    }
  }
  return { version: round.version + 1, revision }
}
