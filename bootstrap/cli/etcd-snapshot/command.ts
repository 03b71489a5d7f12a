/** `skiff etcd-snapshot`: its subcommands. */
import { readConfigFiles } from '../../config/file.ts'
import type { Flag } from '../../config/flags.ts'
import { commandHelp } from '../../config/help.ts'
import { ConfigError, type FlagValues, parseFlags } from '../../config/parse.ts'
import { splitArguments } from '../arguments.ts'
import { listFlags, snapshotFlags, verifyFlags } from './flags.ts'
import { listSnapshots } from './list.ts'
import { deleteSnapshots, pruneSnapshots, saveSnapshot } from './manage.ts'
import { verifySnapshots } from './verify.ts'

export interface Invocation {
  readonly values: FlagValues
  readonly args: readonly string[]
  readonly host: NodeJS.Process
}

interface Subcommand {
  readonly summary: string
  readonly flags: readonly Flag[]
  /** Resolves with the exit code. */
  run(invocation: Invocation): Promise<number>
}

const list: Subcommand = { summary: 'List snapshots', flags: listFlags, run: listSnapshots }

const subcommands: { readonly [name: string]: Subcommand } = {
  save: { summary: 'Trigger an immediate snapshot', flags: snapshotFlags, run: saveSnapshot },
  delete: { summary: 'Delete given snapshot(s)', flags: snapshotFlags, run: deleteSnapshots },
  ls: list,
  prune: {
    summary: 'Remove snapshots that match the name prefix that exceed the configured retention count',
    flags: snapshotFlags,
    run: pruneSnapshots,
  },
  verify: {
    summary:
      'Try to restore given snapshots, or all there are, without touching the cluster; a path names a file anywhere',
    flags: verifyFlags,
    run: verifySnapshots,
  },
}
const aliases: { readonly [name: string]: Subcommand } = { list, l: list }

export async function runEtcdSnapshot(args: readonly string[], host: NodeJS.Process): Promise<number> {
  const { name, rest } = named(args)
  const subcommand = subcommands[name] ?? aliases[name]
  if (!subcommand) {
    if (name !== '--help' && name !== '-h' && name !== 'help')
      throw new ConfigError(`No help topic for 'etcd-snapshot ${name}': want ${Object.keys(subcommands).join(', ')}`)
    host.stdout.write(overview())
    return 0
  }
  if (rest.some(arg => arg === '--help' || arg === '-h')) {
    host.stdout.write(commandHelp(`etcd-snapshot ${name}`, subcommand.summary, subcommand.flags))
    return 0
  }
  // Secrets may be among the arguments.
  host.title = 'skiff etcd-snapshot'
  const { flags, others } = splitArguments(subcommand.flags, rest)
  const path = host.env.K3S_CONFIG_FILE || parseFlags(subcommand.flags, [], flags, host.env).string('config')!
  const file = await readConfigFiles(path, subcommand.flags)
  const values = parseFlags(subcommand.flags, file.args, flags, host.env)
  return await subcommand.run({ values, args: others, host })
}

/** K3s' guides write flags in front of the subcommand, too: `etcd-snapshot --s3 --s3-bucket=x save`. */
function named(args: readonly string[]): { readonly name: string; readonly rest: readonly string[] } {
  const [first = '--help'] = args
  if (!first.startsWith('-')) return { name: first, rest: args.slice(1) }
  const { flags, others } = splitArguments([...listFlags, ...verifyFlags], args)
  const [name = '--help', ...more] = others
  return { name, rest: [...flags, ...more] }
}

function overview(): string {
  const rows = Object.entries(subcommands).map(
    ([name, { summary }]) => `   ${(name === 'ls' ? 'ls, list, l' : name).padEnd(12)} ${summary}`,
  )
  return `NAME:\n   skiff etcd-snapshot - Manage snapshots of the datastore\n\nUSAGE:\n   skiff etcd-snapshot command [command options]\n\nCOMMANDS:\n${rows.join('\n')}\n`
}
