/** How a server becomes a member: a learner first, which cannot hold up the others, promoted once it has caught up. */
import type { Clock } from '../client/clock.ts'
import { ConfigError } from '../config/parse.ts'
import type { ConnectionOptions } from '../datastore/etcd/connection.ts'
import { nodeNameOf } from './files.ts'
import { hostOf, type Member, Membership } from './membership.ts'
import type { EtcdLog } from './process.ts'
import { type Beginning, type MemberSettings, peerUrl } from './settings.ts'

/** A learner that has not moved for so long is given up in favour of the next one. */
const stallMs = 5 * 60_000
const retryMs = 500

export interface JoinEffects {
  readonly clock: Clock
  readonly log: EtcdLog
  readonly signal: AbortSignal
  /** Of the way to other members. */
  readonly tls: NonNullable<ConnectionOptions['tls']>
}

/**
 * Makes the cluster know this member, which has no data yet: members that can only be earlier lives of it are removed, then
 * it is added, as soon as no other learner is under way. `clientUrls` are those of voting members. ConfigError when another
 * node has this one's name.
 */
export async function joinCluster(
  member: MemberSettings,
  clientUrls: readonly string[],
  effects: JoinEffects,
): Promise<Beginning> {
  const { clock, signal, tls, log } = effects
  const membership = new Membership({ endpoints: clientUrls, tls, clock })
  const patience = new Patience(effects)
  try {
    for (let complained = ''; !signal.aborted; ) {
      try {
        const beginning = await attempt(member, membership, patience, effects)
        if (beginning) return beginning
      } catch (error) {
        if (error instanceof ConfigError) throw error
        const { message } = error as Error
        if (message !== complained) log.warn({ error: message }, 'cannot join the etcd cluster yet')
        complained = message
      }
      await clock.sleep(retryMs, signal)
    }
    throw signal.reason
  } finally {
    membership.close()
  }
}

async function attempt(
  member: MemberSettings,
  membership: Membership,
  patience: Patience,
  { log }: JoinEffects,
): Promise<Beginning | undefined> {
  const members = await membership.list()
  const ours = peerUrl(member)
  const me = members.find(({ peerURLs }) => peerURLs?.includes(ours))
  if (me && !me.name) return beginningOf(member, members)
  const stale = me ?? members.find(other => isEarlierLife(other, member))
  if (stale) {
    log.info({ member: stale.name ?? '', id: stale.ID }, 'removing the member that this server was before')
    await membership.remove(stale.ID)
    return undefined
  }
  const learner = members.find(({ isLearner }) => isLearner)
  if (learner) {
    if (await patience.isOver(learner)) await membership.remove(learner.ID)
    return undefined
  }
  const joined = await membership.addLearner(ours)
  const names = members.map(({ name, peerURLs }) => `${name}=${peerURLs?.[0]}`)
  log.info({}, `Added member ${member.name}=${ours} to etcd cluster [${names.join(' ')}]`)
  return beginningOf(member, joined)
}

function isEarlierLife(other: Member, { name, address }: MemberSettings): boolean {
  if (!other.name) return false
  const hosts = (other.peerURLs ?? []).map(hostOf)
  if (nodeNameOf(other.name) !== nodeNameOf(name)) return false
  if (hosts.includes(address)) return true
  throw new ConfigError('duplicate node name found, please use a unique name for this node')
}

function beginningOf(member: MemberSettings, members: readonly Member[]): Beginning {
  const ours = peerUrl(member)
  const cluster = members.map(({ ID, name, peerURLs = [] }) =>
    peerURLs.includes(ours) ? `${member.name}=${ours}` : `${name || ID}=${peerURLs[0]}`,
  )
  return { cluster, state: 'existing' }
}

/** Waits for another server's learner as long as it gets on. */
class Patience {
  readonly #effects: JoinEffects
  #learner = ''
  #index = -1
  #since = 0

  constructor(effects: JoinEffects) {
    this.#effects = effects
  }

  async isOver(learner: Member): Promise<boolean> {
    const { clock, log } = this.#effects
    const index = await this.#indexOf(learner)
    if (learner.ID !== this.#learner || index > this.#index) {
      if (learner.ID !== this.#learner)
        log.info({ learner: learner.name ?? learner.ID }, 'waiting for another server to join')
      this.#learner = learner.ID
      this.#index = index
      this.#since = clock.now()
      return false
    }
    if (clock.now() - this.#since < stallMs) return false
    log.warn({ learner: learner.name ?? learner.ID }, 'Removed learner from etcd cluster: it made no progress')
    return true
  }

  async #indexOf({ clientURLs = [] }: Member): Promise<number> {
    if (clientURLs.length === 0) return -1
    const { clock, tls } = this.#effects
    const membership = new Membership({ endpoints: clientURLs, tls, clock })
    try {
      return (await membership.status(2000)).raftAppliedIndex ?? 0
    } catch {
      return -1
    } finally {
      membership.close()
    }
  }
}
