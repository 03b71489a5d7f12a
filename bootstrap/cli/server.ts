/** `skiff server`: reads the configuration, checks the machine, runs until it is told to stop. */
import { readFileSync } from 'node:fs'
import { systemClock } from '../client/clock.ts'
import { serverFlags } from '../config/flags.ts'
import { ConfigError, type FlagValues } from '../config/parse.ts'
import { serverConfig, thisMachine } from '../config/server-config.ts'
import { createLogger, type Logger } from '../log.ts'
import { processMemory, returnMemoryWhenIdle } from '../memory.ts'
import { preflight } from '../preflight.ts'
import { startServer } from '../server.ts'
import { gitVersion } from '../version.ts'
import { readCommandLine } from './flags.ts'
import { homeOf } from './home.ts'
import type { LoadUserland } from './main.ts'

export async function runServer(
  args: readonly string[],
  host: NodeJS.Process,
  userland: LoadUserland,
): Promise<number> {
  const line = readCommandLine('server', 'Run management server', serverFlags, args, host)
  if (!line) return 0
  const config = {
    ...serverConfig(line.values, thisMachine()),
    token: secret(line.values, 'token', 'token-file'),
    agentToken: secret(line.values, 'agent-token', 'agent-token-file'),
  }
  await preflight(config, { env: host.env, now: Date.now() })

  const log = createLogger({ debug: config.debug, stream: host.stderr, pretty: host.stderr.isTTY })
  log.info({}, `Starting skiff ${gitVersion}`)
  for (const key of line.unknown) log.warn({}, `Unknown flag --${key} found in config.yaml, skipping`)
  const stopAsked = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) host.once(signal, () => stopAsked.abort())

  const { signal } = stopAsked
  const ended = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  try {
    const server = await startServer(config, { userland, log, home: homeOf(host), signal })
    void returnMemoryWhenIdle(processMemory(systemClock), signal)
    await ended
    await server.stop()
  } catch (error) {
    if (!signal.aborted) throw error
  }
  log.info({}, 'stopped')
  endSoon(host, log)
  return 0
}

const lingerMs = 1500

/** All is stopped: whatever still holds the process, a socket somebody else has to close, does not hold it long. */
function endSoon(host: NodeJS.Process, log: Logger): void {
  const timer = setTimeout(() => {
    log.warn(
      { held: [...new Set(host.getActiveResourcesInfo())] },
      'something still holds the process; it ends all the same',
    )
    host.exit(0)
  }, lingerMs)
  timer.unref()
}

/** A secret given by its own flag or, less visibly, as a file. */
function secret(values: FlagValues, flag: string, fileFlag: string): string | undefined {
  const file = values.string(fileFlag)
  if (values.given(flag) || file === undefined) return values.string(flag)
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new ConfigError(`cannot read --${fileFlag} ${file}: ${(error as Error).message}`)
  }
}
