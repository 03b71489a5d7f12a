/** Picks the subcommand, from the program's own name (`kubectl` as a link to skiff) or the first argument. */
import { basename } from 'node:path'
import type { EmbeddedModules } from '../agent/embedded/module.ts'
import { ConfigError } from '../config/parse.ts'
import type { Userland } from '../userland.ts'
import { gitVersion, versionText } from '../version.ts'

export type LoadUserland = () => Promise<Userland>
export type LoadModules = () => Promise<EmbeddedModules>

/** What runs on the kernel, loaded on use: an agent needs the modules of embedded pods, but no operator. */
export interface Loaders {
  readonly userland: LoadUserland
  readonly modules: LoadModules
}

interface Command {
  readonly summary: string
  run(args: readonly string[], host: NodeJS.Process, load: Loaders): Promise<number>
}

const notYet = (summary: string): Command => ({
  summary: `${summary} (not in this version yet)`,
  run: async () => {
    throw new ConfigError(`this command is not supported by ${gitVersion} yet`)
  },
})

/** Subcommands, each loaded on use so that `skiff --version` reads nothing it does not need. */
const commands: { readonly [name: string]: Command } = {
  server: {
    summary: 'Run management server',
    run: async (args, host, { userland }) => (await import('./server.ts')).runServer(args, host, userland),
  },
  agent: {
    summary: 'Run node agent',
    run: async (args, host, { modules }) => (await import('./agent.ts')).runAgent(args, host, modules),
  },
  operator: {
    summary: 'Run one operator alone, against any cluster',
    run: async (args, host, { userland }) => (await import('./operator.ts')).runOperator(args, host, userland),
  },
  kubectl: {
    summary: 'Run kubectl',
    run: async (args, host) => (await import('./tools.ts')).runKubectl(args, host),
  },
  crictl: {
    summary: 'Run crictl',
    run: async (args, host) => (await import('./tools.ts')).runCrictl(args, host),
  },
  ctr: {
    summary: 'Run ctr',
    run: async (args, host) => (await import('./tools.ts')).runCtr(args, host),
  },
  'etcd-snapshot': {
    summary: 'Manage snapshots of the datastore',
    run: async (args, host) => (await import('./etcd-snapshot/command.ts')).runEtcdSnapshot(args, host),
  },
  'secrets-encrypt': notYet('Control secrets encryption and keys rotation'),
  certificate: notYet('Manage certificates'),
  token: {
    summary: 'Manage tokens',
    run: async (args, host) => (await import('./token/command.ts')).runToken(args, host),
  },
  'prepare-upgrade': {
    summary: "Wait until a Plan has upgraded the servers, as an agents' Plan does",
    run: async (args, host) => (await import('./upgrade/prepare.ts')).runPrepareUpgrade(args, host),
  },
  'check-config': notYet('Run config check'),
  completion: notYet('Install shell completion script'),
  help: { summary: 'Show this list', run: async (_, host) => print(host, overview()) },
}

/** Runs the program; every mistake of the user ends it with one line on stderr and exit code 1. */
export async function main(host: NodeJS.Process, load: Loaders): Promise<void> {
  const called = calledAs(host)
  const args = host.argv.slice(2)
  const [name = 'help', ...rest] = called in commands && called !== 'help' ? [called, ...args] : args
  try {
    host.exitCode = await run(name, rest, host, load)
  } catch (error) {
    host.stderr.write(
      error instanceof ConfigError ? `skiff: ${error.message}\n` : `${(error as Error).stack ?? error}\n`,
    )
    host.exitCode = 1
  }
}

function calledAs(host: NodeJS.Process): string {
  return basename(host.env.SKIFF_ARGV0 ?? 'skiff')
}

async function run(name: string, args: readonly string[], host: NodeJS.Process, load: Loaders): Promise<number> {
  if (name === '--version' || name === '-v') return print(host, versionText(calledAs(host) === 'k3s' ? 'k3s' : 'skiff'))
  if (name === '--help' || name === '-h') return print(host, overview())
  const command = commands[name]
  if (!command) throw new ConfigError(`No help topic for '${name}': see skiff help`)
  return command.run(args, host, load)
}

function print(host: NodeJS.Process, text: string): number {
  host.stdout.write(text)
  return 0
}

function overview(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => `   ${name.padEnd(16)} ${summary}`)
  return [
    'NAME:\n   skiff - Kubernetes, but small and simple\n',
    'USAGE:\n   skiff [global options] command [command options]\n',
    `VERSION:\n   ${gitVersion}\n`,
    'COMMANDS:',
    ...rows,
    '\nGLOBAL OPTIONS:\n   --help, -h       show help\n   --version, -v    print the version\n',
  ].join('\n')
}
