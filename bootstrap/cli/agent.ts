/** `skiff agent`: checks its flags as K3s does; joining a server comes with clusters of many nodes. */
import { agentFlags } from '../config/flags.ts'
import { ConfigError } from '../config/parse.ts'
import { gitVersion } from '../version.ts'
import { readCommandLine } from './flags.ts'

export async function runAgent(args: readonly string[], host: NodeJS.Process): Promise<number> {
  const line = readCommandLine('agent', 'Run node agent', agentFlags, args, host)
  if (!line) return 0
  if (!line.values.given('token') && !line.values.given('token-file')) throw new ConfigError('--token is required')
  if (!line.values.given('server')) throw new ConfigError('--server is required')
  throw new ConfigError(
    `skiff agent is not supported by ${gitVersion} yet: this version runs single-server clusters, see skiff server`,
  )
}
