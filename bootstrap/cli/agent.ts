/** `skiff agent`: reads the configuration, joins a server, runs until it is told to stop. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../client/clock.ts'
import { agentConfig } from '../config/agent-config.ts'
import { agentFlags } from '../config/flags.ts'
import { thisMachine } from '../config/server-config.ts'
import { createLogger } from '../log.ts'
import { processMemory, returnMemoryWhenIdle } from '../memory.ts'
import { preflightNode } from '../preflight.ts'
import { gitVersion } from '../version.ts'
import { readCommandLine } from './flags.ts'
import type { LoadModules } from './main.ts'
import { runUntilAsked, secret } from './process.ts'
import { nameProcess } from './service.ts'

/** An agent's heap is small, so collecting it costs little. */
const worthwhile = 6 * 1024 * 1024

export async function runAgent(args: readonly string[], host: NodeJS.Process, modules: LoadModules): Promise<number> {
  const line = await readCommandLine('agent', 'Run node agent', agentFlags, args, host)
  if (!line) return 0
  nameProcess(host, 'agent')
  const dataDir = line.values.string('data-dir')!
  const given = agentConfig(line.values, {
    machine: thisMachine(),
    token: secret(line.values, 'token', 'token-file'),
    hasJoined: ['crt', 'key'].every(ending => existsSync(join(dataDir, `agent/client-kubelet.${ending}`))),
  })
  const config = { ...given, nodeAnnotations: line.annotations }
  await preflightNode(config, { env: host.env, now: Date.now() })

  const log = createLogger({ debug: config.debug, stream: host.stderr, pretty: host.stderr.isTTY })
  log.info({}, `Starting skiff agent ${gitVersion}`)
  for (const key of line.unknown) log.warn({}, `Unknown flag --${key} found in config.yaml, skipping`)
  const { startRemoteAgent } = await import('../remote-agent.ts')
  return await runUntilAsked(host, log, async signal => {
    const agent = await startRemoteAgent(config, { modules, log, signal })
    void returnMemoryWhenIdle({ ...processMemory(systemClock), worthwhile }, signal)
    return agent
  })
}
