/** `skiff server`: reads the configuration, checks the machine, runs until it is told to stop. */
import { systemClock } from '../client/clock.ts'
import { serverFlags } from '../config/flags.ts'
import { type ServerConfig, serverConfig, thisMachine } from '../config/server-config.ts'
import { resetEtcd } from '../embedded-etcd.ts'
import { fullNodeName } from '../join/node-name.ts'
import { lockDataDir } from '../lock.ts'
import { createLogger, type Logger } from '../log.ts'
import { processMemory, returnMemoryWhenIdle } from '../memory.ts'
import { openPki } from '../open-shared.ts'
import { preflight } from '../preflight.ts'
import { settleRestore } from '../restore/settle.ts'
import { startServer } from '../server.ts'
import { gitVersion } from '../version.ts'
import { readCommandLine } from './flags.ts'
import { homeOf } from './home.ts'
import type { LoadUserland } from './main.ts'
import { runUntilAsked, secret } from './process.ts'
import { nameProcess } from './service.ts'

/** Resolves with what to tell the user. */
async function reset(config: ServerConfig, userland: LoadUserland, log: Logger): Promise<string> {
  if (config.etcd.restorePath === undefined) {
    const unlock = await lockDataDir(config.dataDir)
    await settleRestore(config, { log }).finally(unlock)
    return resetEtcd(config, () => openPki(config), log)
  }
  const { restoreCluster } = await import('../restore/restore.ts')
  return restoreCluster(config, { log, userland, signal: new AbortController().signal })
}

export async function runServer(
  args: readonly string[],
  host: NodeJS.Process,
  userland: LoadUserland,
): Promise<number> {
  const line = await readCommandLine('server', 'Run management server', serverFlags, args, host)
  if (!line) return 0
  nameProcess(host, 'server')
  const given = serverConfig(line.values, thisMachine())
  const config = {
    ...given,
    nodeAnnotations: line.annotations,
    nodeName: await fullNodeName(given),
    token: secret(line.values, 'token', 'token-file'),
    agentToken: secret(line.values, 'agent-token', 'agent-token-file'),
  }
  await preflight(config, { env: host.env, now: Date.now() })

  const log = createLogger({ debug: config.debug, stream: host.stderr, pretty: host.stderr.isTTY })
  log.info({}, `Starting skiff ${gitVersion}`)
  for (const key of line.unknown) log.warn({}, `Unknown flag --${key} found in config.yaml, skipping`)
  if (config.etcd.clusterReset) {
    log.info({}, await reset(config, userland, log))
    return 0
  }
  return await runUntilAsked(host, log, async signal => {
    const server = await startServer(config, { userland, log, home: homeOf(host), signal })
    void returnMemoryWhenIdle(processMemory(systemClock), signal)
    return server
  })
}
