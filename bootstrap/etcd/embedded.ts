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
import { untilVoting } from './voting.ts'

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
  if (beginning?.state === 'new') {
    await settle(member, beginning, options, effects)
    await writeAtomically(files.alone, '')
  }
  await writeAtomically(files.config, etcdSettings(member, beginning, { alone: await exists(files.alone) }))
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
export async function settle(
  member: MemberSettings,
  beginning: Beginning,
  { program, secluded = false }: { readonly program: string; readonly secluded?: boolean },
  effects: EmbeddedEffects,
): Promise<void> {
  const { files } = member
  await writeAtomically(files.config, etcdSettings(member, beginning, { eager: true, secluded }))
  const process = new EtcdProcess({ ...effects, program, config: files.config })
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
    await untilVoting({ member, local, process, fresh, others: options.others, tls }, { ...effects, signal })
  } catch (error) {
    await stop()
    throw background.signal.aborted && !effects.signal.aborted
      ? new ConfigError('this server was removed from its etcd cluster: restart it with --server to join again')
      : error
  }
  void keepHealthy(local, member, process, { ...effects, signal: background.signal })
  return {
    name: member.name,
    address: member.address,
    endpoint: localUrl(member),
    fresh,
    get pid() {
      return process.pid
    },
    members: () => currentMembers(local),
    async remove(name, address) {
      const found = (await currentMembers(local)).find(other => other.name === name)
      if (!found?.peerURLs?.some(url => hostOf(url) === address)) return
      log.info({}, `Removing name=${name} id=${found.ID} address=${address} from etcd`)
      await local.remove(found.ID)
    },
    stop,
  }
}

/** etcd 3.4 lists the members its own server knows of; a read that is current first makes that list current too. */
async function currentMembers(local: Membership): Promise<readonly Member[]> {
  await local.readable(2000)
  return local.list(2000)
}
