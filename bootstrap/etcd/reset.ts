/** --cluster-reset: this server becomes the only member of its cluster and keeps the data (k3s-io/k3s pkg/cluster/managed.go). */

import { ConfigError } from '../config/parse.ts'
import type { Status } from '../datastore/etcd/messages.ts'
import { writeAtomically } from '../pki/files.ts'
import { type EmbeddedEffects, type EmbeddedOptions, memberOf } from './embedded.ts'
import { etcdFiles, exists } from './files.ts'
import { Membership } from './membership.ts'
import { EtcdProcess } from './process.ts'
import { etcdSettings, localUrl, peerUrl } from './settings.ts'

/** K3s' own words, by which scripts know that it is done. */
export const resetMessage =
  'Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. ' +
  'Backup and delete $' +
  '{datadir}/server/db on each peer etcd server and rejoin the nodes'

/** A second one in a row is a mistake more often than not. */
export const previouslyReset = (flag: string) =>
  new ConfigError(
    `Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start skiff normally. If you need to perform another cluster reset, you must first manually delete the file at ${flag}`,
  )

const startMs = 60_000
const pollMs = 50

/**
 * Resolves once the member is alone in its cluster, durably, and its program has ended. A second reset without an ordinary
 * start in between is refused, and so is one where there is no embedded etcd: ConfigError.
 */
export async function resetCluster(options: EmbeddedOptions, effects: EmbeddedEffects): Promise<void> {
  const files = etcdFiles(options.dataDir)
  if (await exists(files.resetFlag)) throw previouslyReset(files.resetFlag)
  if (!(await exists(files.wal)))
    throw new ConfigError(`--cluster-reset: there is no embedded etcd in ${files.dir}, nothing to reset`)
  const member = await memberOf(files, options, effects)
  // Nothing but this process talks to it meanwhile: the former peers must not.
  await writeAtomically(files.config, etcdSettings(member, undefined, { alone: true, reset: true }))
  const process = new EtcdProcess({ ...effects, program: options.program, config: files.config })
  const local = new Membership({ endpoints: [localUrl(member)], tls: options.tls, clock: effects.clock })
  try {
    process.start()
    await alone(local, process, effects)
    const [self] = await local.list()
    await local.update(self!.ID, peerUrl(member))
    await writeAtomically(files.alone, '')
    await writeAtomically(files.resetFlag, '')
  } finally {
    local.close()
    await process.stop()
    await writeAtomically(files.config, etcdSettings(member, undefined))
  }
}

/** Resolves once the member is the only one and can be read. */
export async function alone(
  local: Membership,
  process: EtcdProcess,
  { clock, signal }: EmbeddedEffects,
): Promise<Status> {
  const until = clock.now() + startMs
  for (;;) {
    const status = await local.status(1000).catch(() => undefined)
    if (status && !status.isLearner && (await isAlone(local))) return status
    if (clock.now() > until)
      throw new ConfigError(`etcd does not come up alone${process.complaint ? `: ${process.complaint}` : ''}`)
    await clock.sleep(pollMs, signal)
  }
}

async function isAlone(local: Membership): Promise<boolean> {
  try {
    await local.readable(2000)
    return (await local.list()).length === 1
  } catch {
    return false
  }
}
