/** The way of a started member to its vote: it comes up, catches up, is promoted, and reads what the majority has written. */
import type { Clock } from '../client/clock.ts'
import type { TlsMaterial } from '../datastore/tls-files.ts'
import { Membership } from './membership.ts'
import type { EtcdLog, EtcdProcess } from './process.ts'
import { clientUrl, type MemberSettings, peerUrl } from './settings.ts'

const pollMs = 50
const sayMs = 10_000
const helpMs = 250
const openMs = 1000

export interface Newcomer {
  readonly member: MemberSettings
  readonly local: Membership
  readonly process: EtcdProcess
  readonly fresh: boolean
  /** Client URLs of members that vote. */
  readonly others: (() => Promise<readonly string[]>) | undefined
  readonly tls: Required<TlsMaterial>
}

interface Effects {
  readonly clock: Clock
  readonly log: EtcdLog
  readonly signal: AbortSignal
}

/** Resolves once the member votes and reads; says what it waits for. Rejects with the signal's reason. */
export async function untilVoting(newcomer: Newcomer, effects: Effects): Promise<void> {
  const done = new AbortController()
  const signal = AbortSignal.any([effects.signal, done.signal])
  try {
    if (newcomer.fresh) void helpIn(newcomer, { ...effects, signal })
    await followUp(newcomer, effects)
  } finally {
    done.abort()
  }
}

async function followUp({ member, local, process }: Newcomer, { clock, log, signal }: Effects): Promise<void> {
  let said = clock.now()
  for (;;) {
    const what = await missing(local)
    if (signal.aborted) throw signal.reason
    if (what === undefined) return followAddress(member, local, log)
    if (clock.now() - said >= sayMs) {
      said = clock.now()
      log.info({ ...(process.complaint ? { etcd: process.complaint } : {}) }, `waiting for etcd: ${what}`)
    }
    await clock.sleep(pollMs, signal)
  }
}

/** What the member lacks, undefined when it is whole. */
async function missing(local: Membership): Promise<string | undefined> {
  try {
    const status = await local.status(1000)
    if (status.isLearner) return 'this server has not yet been promoted from learner to voting member'
  } catch {
    return 'it has not come up'
  }
  try {
    await local.readable(2000)
    return undefined
  } catch (error) {
    return `no majority of its members: ${(error as Error).message}`
  }
}

/**
 * A learner answers next to nothing, so it is the others who are asked how it is and told to promote it. A member opens to
 * clients once it has seen what it told the cluster of itself; where that came to it within a snapshot it never does, and
 * tries again after fifteen seconds. Having caught up, it does better by starting again. A learner left behind by a server
 * that ended is the leader's (keeper.ts).
 */
async function helpIn({ member, local, process, others, tls }: Newcomer, { clock, signal }: Effects): Promise<void> {
  const ours = clientUrl(member)
  const endpoints = (await others?.().catch(() => []))?.filter(url => url !== ours) ?? []
  if (endpoints.length === 0) return
  const membership = new Membership({ endpoints, tls, clock })
  let since = clock.now()
  try {
    while (!signal.aborted) {
      const members = await membership.list(2000).catch(() => [])
      const self = members.find(({ peerURLs }) => peerURLs?.includes(peerUrl(member)))
      if (self?.isLearner) await membership.promote(self.ID).catch(() => undefined)
      const caughtUp = self !== undefined && !self.isLearner
      if (!caughtUp || (await answers(local))) since = clock.now()
      else if (clock.now() - since > openMs && !signal.aborted) {
        since = clock.now()
        process.restart()
      }
      await clock.sleep(helpMs, signal).catch(() => undefined)
    }
  } finally {
    membership.close()
  }
}

const answers = (local: Membership): Promise<boolean> =>
  local.status(500).then(
    () => true,
    () => false,
  )

/** The cluster knows the address the member had when it joined; it is told when the node has another now. */
async function followAddress(member: MemberSettings, local: Membership, log: EtcdLog): Promise<void> {
  const { header } = await local.status(5000)
  const self = (await local.list()).find(other => other.ID === header.memberId)
  const ours = peerUrl(member)
  if (!self || self.peerURLs?.includes(ours)) return
  log.info({ from: self.peerURLs, to: ours }, 'telling the etcd cluster of the new address of this server')
  await local.update(self.ID, ours)
}
