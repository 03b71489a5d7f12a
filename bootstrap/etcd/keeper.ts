/** Looks after the member's file: gives free pages back, and gets it out of the alarm for a full quota. */
import { rm } from 'node:fs/promises'
import type { Clock } from '../client/clock.ts'
import type { Status } from '../datastore/etcd/messages.ts'
import { writeAtomically } from '../pki/files.ts'
import { exists } from './files.ts'
import type { Membership } from './membership.ts'
import type { EtcdLog, EtcdProcess } from './process.ts'
import { etcdSettings, type MemberSettings } from './settings.ts'

const lookMs = 15_000
const defragEveryMs = 10 * 60_000
const mib = 1 << 20
const defaultQuota = 2 * 1024 * mib
/** Free pages worth a stop of the member. */
const muchFree = 100 * mib
/** Live data above this share of the quota leaves no room for an alarm to be lifted. */
const fullShare = 0.9
const stillFull = 0.95

export interface KeeperEffects {
  readonly clock: Clock
  readonly random: () => number
  readonly log: EtcdLog
  readonly signal: AbortSignal
}

/** Until aborted. One local question every fifteen seconds; members defragment at times of their own. */
export async function keepHealthy(
  local: Membership,
  member: MemberSettings,
  process: Pick<EtcdProcess, 'restart'>,
  effects: KeeperEffects,
): Promise<void> {
  const { clock, random, log, signal } = effects
  let nextDefrag = clock.now() + defragEveryMs * random()
  let complained = ''
  let full: number | undefined
  let alone = await exists(member.files.alone)
  while (!signal.aborted) {
    await clock.sleep(lookMs, signal).catch(() => undefined)
    if (signal.aborted) return
    try {
      const status = await local.status(5000)
      if (status.leader === status.header.memberId) await promoteLearner(local, log)
      if (alone) alone = await staysAlone(local, member, process, log)
      if (status.errors?.some(error => error.includes('NOSPACE')))
        full = await relieve(local, status, { quota: quotaOf(member), full, log })
      else if (clock.now() >= nextDefrag && isLoose(status)) {
        nextDefrag = clock.now() + defragEveryMs * (0.5 + random())
        await defragment(local, status, log)
      }
      complained = ''
    } catch (error) {
      const { message } = error as Error
      if (message !== complained && !signal.aborted) log.warn({ error: message }, 'cannot look after etcd')
      complained = message
    }
  }
}

/** Servers promote themselves as they join; this is for one that was ended on the way. */
async function promoteLearner(local: Membership, log: EtcdLog): Promise<void> {
  const learner = (await local.list(5000)).find(({ isLearner, name }) => isLearner && name)
  if (!learner) return
  try {
    await local.promote(learner.ID)
    log.info({}, `Promoted learner ${learner.name}`)
  } catch {
    // It has not caught up yet.
  }
}

/** A lone member is quick to elect itself. When others have come, it takes on their pace, which asks for a restart. */
async function staysAlone(
  local: Membership,
  member: MemberSettings,
  process: Pick<EtcdProcess, 'restart'>,
  log: EtcdLog,
): Promise<boolean> {
  if ((await votersOf(local)).length < 2 || !(await handOver(local))) return true
  log.info({}, 'this etcd member is no longer alone: it starts anew with the timing of a cluster')
  const { files } = member
  await writeAtomically(files.config, etcdSettings(member, undefined))
  await rm(files.alone)
  process.restart()
  return false
}

const votersOf = async (local: Membership) => (await local.list(5000)).filter(({ isLearner }) => !isLearner)

/** False when it leads and nobody else can. */
async function handOver(local: Membership): Promise<boolean> {
  const { leader, header } = await local.status(5000)
  if (leader !== header.memberId) return true
  for (const { ID } of await votersOf(local)) {
    if (ID === leader) continue
    const moved = await local.moveLeader(ID).then(
      () => true,
      () => false,
    )
    if (moved) return true
  }
  return false
}

export function isLoose({ dbSize = 0, dbSizeInUse = 0 }: Status): boolean {
  const free = dbSize - dbSizeInUse
  return free > muchFree && free > dbSize / 2
}

/** A leader hands over first, so that the cluster does not stand still; the last healthy member waits for another. */
async function defragment(local: Membership, { dbSize = 0 }: Status, log: EtcdLog): Promise<void> {
  if ((await votersOf(local)).length > 1 && !(await handOver(local))) {
    log.info({}, 'etcd is not defragmented now: nobody else can lead')
    return
  }
  await local.defragment()
  const after = await local.status(5000)
  log.info({ before: dbSize, after: after.dbSize ?? 0 }, 'etcd has been defragmented')
}

/**
 * Makes room by forgetting history, and lifts the alarm when there is some. Deleting objects is possible all the while. The
 * result is the size that live data alone has filled, for the next call: until that shrinks, there is no use in trying again.
 */
async function relieve(
  local: Membership,
  before: Status,
  { quota, full, log }: { quota: number; full: number | undefined; log: EtcdLog },
): Promise<number | undefined> {
  if (full === undefined)
    log.warn({ dbSize: before.dbSize, quota }, 'etcd has reached its quota and takes no writes: compacting it')
  await local.compact(before.header.revision ?? 0)
  const { dbSizeInUse = 0 } = await local.status(5000)
  if (full !== undefined && dbSizeInUse > full * stillFull) return full
  await local.defragment()
  const { dbSize = 0 } = await local.status(5000)
  if (dbSize > quota * fullShare) {
    log.error(
      { dbSize, quota },
      'etcd is full of live data: delete what is not needed, or raise the quota with --etcd-arg=quota-backend-bytes=<bytes>',
    )
    return dbSize
  }
  const members = new Set((await local.list(5000)).map(({ ID }) => ID))
  for (const alarm of await local.alarms())
    if (alarm.alarm === 'NOSPACE' && (alarm.memberID === before.header.memberId || !members.has(alarm.memberID)))
      await local.disarm(alarm)
  log.info({ before: before.dbSize, after: dbSize }, 'etcd has room again')
  return undefined
}

function quotaOf({ args }: MemberSettings): number {
  const given = args.findLast(arg => /^-*quota-backend-bytes=/.test(arg))
  return Number(given?.split('=')[1]) || defaultQuota
}
