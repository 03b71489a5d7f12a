/** This server's own member of the etcd cluster, from the decision to run one to the day it stops. */
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../client/clock.ts'
import { ConfigError } from '../config/parse.ts'
import type { TlsMaterial } from '../datastore/tls-files.ts'
import { writeAtomically } from '../pki/files.ts'
import { type EtcdFiles, etcdFiles, exists, memberName, putAside } from './files.ts'
import { joinCluster } from './join.ts'
import { keepHealthy } from './keeper.ts'
import { hostOf, type Member, Membership } from './membership.ts'
import { type EtcdLog, EtcdProcess } from './process.ts'
import {
  type Beginning,
  clientUrl,
  type EtcdPorts,
  etcdPorts,
  etcdSettings,
  localUrl,
  type MemberSettings,
  peerUrl,
} from './settings.ts'

export interface EmbeddedOptions {
  /** Path of the etcd program. */
  readonly program: string
  readonly dataDir: string
  readonly nodeName: string
  /** The node's first address. */
  readonly address: string
  readonly tls: Required<TlsMaterial>
  readonly exposeMetrics: boolean
  readonly debug: boolean
  readonly args: readonly string[]
  /** Client URLs of the voting members of the cluster to join; undefined to begin one. Asked only when there is no data. */
  readonly others?: (() => Promise<readonly string[]>) | undefined
  /** Several members on one machine each need their own. */
  readonly ports?: EtcdPorts
  readonly loopback?: string
}

export interface EmbeddedEffects {
  readonly clock: Clock
  readonly random: () => number
  readonly uuid: () => string
  readonly log: EtcdLog
  /** Ends a start that waits for others. */
  readonly signal: AbortSignal
}

export interface EmbeddedEtcd {
  /** The member's name: the node's and eight hex digits. */
  readonly name: string
  readonly address: string
  /** For the datastore's driver. */
  readonly endpoint: string
  /** True when this start made the member. */
  readonly fresh: boolean
  readonly pid: number | undefined
  members(): Promise<readonly Member[]>
  /** Removes the member of this name if it is at this address; none such is no error. */
  remove(name: string, address: string): Promise<void>
  stop(): Promise<void>
}

const pollMs = 50
const sayMs = 10_000
const settleMs = 5000

/** Whether this server has a member already. */
export const isInitialized = (dataDir: string): Promise<boolean> => exists(etcdFiles(dataDir).wal)

/**
 * Starts the member, joining the cluster first where it is new, and resolves once it votes and reads what the majority has
 * written. That takes as long as a majority is missing; `signal` ends the wait. ConfigError for what the user has to change.
 */
export async function startEmbedded(options: EmbeddedOptions, effects: EmbeddedEffects): Promise<EmbeddedEtcd> {
  const files = etcdFiles(options.dataDir)
  await leaveTombstone(files, options, effects)
  await rm(files.resetFlag, { force: true })
  await mkdir(files.dir, { recursive: true, mode: 0o700 })
  await chmod(files.dir, 0o700)
  const member = await memberOf(files, options, effects)
  const fresh = !(await exists(files.wal))
  const beginning = fresh ? await begin(member, options, effects) : undefined
  if (beginning?.state === 'new') await settle(member, beginning, options, effects)
  await writeAtomically(files.config, etcdSettings(member, beginning))
  return run(member, fresh, options, effects)
}

export async function memberOf(
  files: EtcdFiles,
  options: EmbeddedOptions,
  { uuid }: Pick<EmbeddedEffects, 'uuid'>,
  anew = false,
): Promise<MemberSettings> {
  return {
    files,
    name: await memberName(files, options.nodeName, uuid, anew),
    address: options.address,
    loopback: options.loopback ?? '127.0.0.1',
    ports: options.ports ?? etcdPorts,
    exposeMetrics: options.exposeMetrics,
    debug: options.debug,
    args: options.args,
  }
}

/** A member that was removed has nothing to come back to: it joins as a new one, or not at all. */
async function leaveTombstone(files: EtcdFiles, { others }: EmbeddedOptions, effects: EmbeddedEffects): Promise<void> {
  if (!(await exists(files.tombstone))) return
  if (!others)
    throw new ConfigError(
      `this server was removed from its etcd cluster: start it with --server and --token to join again, or move ${files.dir} away to begin a new cluster`,
    )
  const aside = await putAside(files, effects.clock.now())
  effects.log.info({ dir: aside }, 'tombstone file has been detected, moved the data away to rejoin the cluster')
}

async function begin(member: MemberSettings, options: EmbeddedOptions, effects: EmbeddedEffects): Promise<Beginning> {
  if (!options.others) return { cluster: [`${member.name}=${peerUrl(member)}`], state: 'new' }
  const ours = clientUrl(member)
  const others = (await options.others()).filter(url => url !== ours)
  const beginning = await joinCluster(member, others, { ...effects, tls: options.tls })
  effects.log.info({}, `Starting etcd for cluster [${beginning.cluster.join(' ')}]`)
  return beginning
}

/**
 * A lone member that has never written its state down takes up to ten seconds to elect itself after a restart; one that has,
 * half a second. So the first thing a new cluster does is that.
 */
async function settle(
  member: MemberSettings,
  beginning: Beginning,
  options: EmbeddedOptions,
  effects: EmbeddedEffects,
): Promise<void> {
  const { files } = member
  await writeAtomically(files.config, etcdSettings(member, beginning, { eager: true }))
  const process = new EtcdProcess({ ...effects, program: options.program, config: files.config })
  const until = effects.clock.now() + settleMs
  process.start()
  try {
    while (effects.clock.now() < until && !(await hasState(files))) await effects.clock.sleep(pollMs, effects.signal)
  } finally {
    await process.stop()
  }
}

async function hasState(files: EtcdFiles): Promise<boolean> {
  const names = await readdir(join(files.dir, 'member/snap')).catch(() => [])
  return names.some(name => name.endsWith('.snap'))
}

async function run(
  member: MemberSettings,
  fresh: boolean,
  options: EmbeddedOptions,
  effects: EmbeddedEffects,
): Promise<EmbeddedEtcd> {
  const { clock, log } = effects
  const { tls } = options
  const background = new AbortController()
  const onRemoved = () => {
    log.error(
      { member: member.name },
      'this node has been removed from the cluster please restart skiff to rejoin the cluster',
    )
    background.abort()
    void writeFile(member.files.tombstone, '', { mode: 0o600 }).catch(() => undefined)
  }
  const process = new EtcdProcess({ ...effects, program: options.program, config: member.files.config, onRemoved })
  const local = new Membership({ endpoints: [localUrl(member)], tls, clock })
  const stop = async () => {
    background.abort()
    local.close()
    await process.stop()
  }
  process.start()
  try {
    const signal = AbortSignal.any([effects.signal, background.signal])
    await untilVoting(member, local, process, options, { ...effects, signal })
  } catch (error) {
    await stop()
    throw background.signal.aborted && !effects.signal.aborted
      ? new ConfigError('this server was removed from its etcd cluster: restart it with --server to join again')
      : error
  }
  void keepHealthy(local, member, { ...effects, signal: background.signal })
  return {
    name: member.name,
    address: member.address,
    endpoint: localUrl(member),
    fresh,
    get pid() {
      return process.pid
    },
    members: () => local.list(2000),
    async remove(name, address) {
      const found = (await local.list()).find(other => other.name === name)
      if (!found?.peerURLs?.some(url => hostOf(url) === address)) return
      log.info({}, `Removing name=${name} id=${found.ID} address=${address} from etcd`)
      await local.remove(found.ID)
    },
    stop,
  }
}

/** Follows the member from its first answer to its vote and its place in the majority, saying what it waits for. */
async function untilVoting(
  member: MemberSettings,
  local: Membership,
  process: EtcdProcess,
  options: EmbeddedOptions,
  { clock, log, signal }: EmbeddedEffects,
): Promise<void> {
  let others: Membership | undefined
  let said = clock.now()
  const wait = async (what: string) => {
    if (clock.now() - said >= sayMs) {
      said = clock.now()
      log.info({ ...(process.complaint ? { etcd: process.complaint } : {}) }, `waiting for etcd: ${what}`)
    }
    await clock.sleep(pollMs, signal)
  }
  try {
    for (;;) {
      const status = await local.status(1000).catch(() => undefined)
      if (signal.aborted) throw signal.reason
      if (!status) {
        await wait('it has not come up')
        continue
      }
      const self = status.header.memberId
      if (status.isLearner) {
        others ??= await otherMembers(member, options, clock)
        const error = await promote(self, others)
        if (error) await wait(`this server has not yet been promoted from learner to voting member: ${error}`)
        continue
      }
      try {
        await local.readable(2000)
      } catch (error) {
        await wait(`no majority of its members: ${(error as Error).message}`)
        continue
      }
      await followAddress(self, member, local, log)
      return
    }
  } finally {
    others?.close()
  }
}

async function otherMembers(member: MemberSettings, { others, tls }: EmbeddedOptions, clock: Clock) {
  const ours = clientUrl(member)
  const endpoints = (await others?.().catch(() => []))?.filter(url => url !== ours) ?? []
  return endpoints.length === 0 ? undefined : new Membership({ endpoints, tls, clock })
}

/**
 * Undefined when it worked; else why not yet. A learner answers next to nothing, so it is the others who are asked; one that
 * knows none is promoted by the leader in time (keeper.ts).
 */
async function promote(id: string, others: Membership | undefined): Promise<string | undefined> {
  try {
    if (!others) return 'waiting for the leader'
    await others.promote(id)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** The cluster knows the address the member had when it joined; it is told when the node has another now. */
async function followAddress(id: string, member: MemberSettings, local: Membership, log: EtcdLog): Promise<void> {
  const self = (await local.list()).find(other => other.ID === id)
  const ours = peerUrl(member)
  if (!self || self.peerURLs?.includes(ours)) return
  log.info({ from: self.peerURLs, to: ours }, 'telling the etcd cluster of the new address of this server')
  await local.update(id, ours)
}
