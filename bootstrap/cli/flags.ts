/** What `server` and `agent` share on the command line: their configuration file, and --help. */
import { readConfigFiles } from '../config/file.ts'
import type { Flag } from '../config/flags.ts'
import { commandHelp } from '../config/help.ts'
import { configAnnotations } from '../config/node-annotations.ts'
import { type FlagValues, parseFlags } from '../config/parse.ts'

export interface CommandLine {
  readonly values: FlagValues
  /** Keys of the configuration file that this command does not know. */
  readonly unknown: readonly string[]
  /** How the node tells what it was configured with. */
  readonly annotations: { readonly [key: string]: string }
}

/** Reads arguments, configuration files and environment; undefined when --help was asked for and printed. */
export async function readCommandLine(
  command: string,
  summary: string,
  flags: readonly Flag[],
  args: readonly string[],
  host: NodeJS.Process,
): Promise<CommandLine | undefined> {
  if (args.some(arg => arg === '--help' || arg === '-h')) {
    host.stdout.write(commandHelp(command, summary, flags))
    return undefined
  }
  // The environment wins here, unlike elsewhere: so it is with K3s.
  const path = host.env.K3S_CONFIG_FILE || parseFlags(flags, [], args, host.env).string('config')!
  const file = await readConfigFiles(path, flags)
  return {
    values: parseFlags(flags, file.args, args, host.env),
    unknown: file.unknown,
    annotations: configAnnotations([command, ...file.args, ...args], host.env),
  }
}
