/** `skiff token`: its subcommands. */
import type { Flag } from '../../config/flags.ts'
import { commandHelp } from '../../config/help.ts'
import { ConfigError, type FlagValues, parseFlags } from '../../config/parse.ts'
import { splitArguments } from '../arguments.ts'
import { createFlags, listFlags, rotateFlags, tokenFlags } from './flags.ts'
import { createToken, deleteTokens, generateToken, listTokens } from './manage.ts'
import { rotateToken } from './rotate.ts'

interface Subcommand {
  readonly summary: string
  readonly flags: readonly Flag[]
  run(values: FlagValues, args: readonly string[], host: NodeJS.Process): Promise<void>
}

const subcommands: { readonly [name: string]: Subcommand } = {
  create: {
    summary: 'Create bootstrap tokens on the server',
    flags: createFlags,
    run: async (values, args, host) => void host.stdout.write(await createToken(values, args, Date.now())),
  },
  delete: {
    summary: 'Delete bootstrap tokens on the server',
    flags: tokenFlags,
    run: (values, args, host) => deleteTokens(values, args, text => host.stdout.write(text)),
  },
  generate: {
    summary: 'Generate and print a bootstrap token, but do not create it on the server',
    flags: tokenFlags,
    run: async (_values, _args, host) => void host.stdout.write(generateToken()),
  },
  list: {
    summary: 'List bootstrap tokens on the server',
    flags: listFlags,
    run: async (values, _args, host) => {
      const complain = (text: string) => void host.stderr.write(text)
      host.stdout.write(await listTokens(values, Date.now(), complain))
    },
  },
  rotate: {
    summary: 'Rotate original server token with a new server token',
    flags: rotateFlags,
    run: (values, _args, host) => rotateToken(values, host),
  },
}

export async function runToken(args: readonly string[], host: NodeJS.Process): Promise<number> {
  const [name = '--help', ...rest] = args
  const subcommand = subcommands[name]
  if (!subcommand) {
    if (name !== '--help' && name !== '-h' && name !== 'help')
      throw new ConfigError(`No help topic for 'token ${name}': want ${Object.keys(subcommands).join(', ')}`)
    host.stdout.write(overview())
    return 0
  }
  if (rest.some(arg => arg === '--help' || arg === '-h')) {
    host.stdout.write(commandHelp(`token ${name}`, subcommand.summary, subcommand.flags))
    return 0
  }
  const { flags, others } = splitArguments(subcommand.flags, rest)
  await subcommand.run(parseFlags(subcommand.flags, [], flags, host.env), others, host)
  return 0
}

function overview(): string {
  const rows = Object.entries(subcommands).map(([name, { summary }]) => `   ${name.padEnd(10)} ${summary}`)
  return `NAME:\n   skiff token - Manage tokens\n\nUSAGE:\n   skiff token command [command options]\n\nCOMMANDS:\n${rows.join('\n')}\n`
}
