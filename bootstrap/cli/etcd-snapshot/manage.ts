/** `etcd-snapshot save`, `delete` and `prune`. */
import { ConfigError } from '../../config/parse.ts'
import type { Invocation } from './command.ts'
import { logLine } from './print.ts'
import { askServer } from './request.ts'

interface Changed {
  readonly created?: readonly string[]
  readonly deleted?: readonly string[]
}

/** Never removes old ones: that is what prune is for. */
export async function saveSnapshot({ values, args, host }: Invocation): Promise<number> {
  if (args.length > 0) throw new ConfigError('this command does not take any arguments')
  const name = values.string('name') ?? 'on-demand'
  const { created = [] } = (await askServer({ operation: 'save', name: [name], retention: 0 }, values, host)) as Changed
  for (const each of created) logLine(host, 'info', `Snapshot ${each} saved.`)
  return 0
}

export async function deleteSnapshots({ values, args, host }: Invocation): Promise<number> {
  if (args.length === 0) throw new ConfigError('no snapshots given for removal')
  const { deleted = [] } = (await askServer({ operation: 'delete', name: args }, values, host)) as Changed
  for (const name of deleted) logLine(host, 'info', `Snapshot ${name} deleted.`)
  for (const name of args) if (!deleted.includes(name)) logLine(host, 'warning', `Snapshot ${name} not found.`)
  return 0
}

export async function pruneSnapshots({ values, args, host }: Invocation): Promise<number> {
  if (args.length > 0) throw new ConfigError('this command does not take any arguments')
  const name = values.string('name') ?? 'on-demand'
  const { deleted = [] } = (await askServer({ operation: 'prune', name: [name] }, values, host)) as Changed
  for (const each of deleted) logLine(host, 'info', `Snapshot ${each} deleted.`)
  return 0
}
