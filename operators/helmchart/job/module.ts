/** klipper-helm as an embedded module: the same arguments, environment, files, decisions and exit codes, without an image. */
import { appendFileSync } from 'node:fs'
import type { EmbeddedContext, EmbeddedModule } from '../../../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../../../bootstrap/client/clock.ts'
import type { Logger } from '../../runtime/operator.ts'
import { createReleaseActions } from '../release/engine.ts'
import { openRenderer } from '../render/renderer.ts'
import { chartOf } from './chart.ts'
import { readJobFiles } from './files.ts'
import { runJob } from './job.ts'
import { type JobRequest, parseRequest } from './request.ts'

export const helmModule: EmbeddedModule = {
  /** SIGTERM is not heeded: a release must not be left half done. What takes too long is cut off by the container's end. */
  async run(context) {
    const { args, env, stdout, stderr } = context
    const conclude = concluder(context)
    try {
      if (env.HELM_VERSION === 'v2') return refuseV2(stdout, conclude)
      return await perform(parseRequest(args, env), context, conclude)
    } catch (error) {
      const message = (error as Error).message
      stderr(`Error: ${message}\n`)
      conclude(`Error: ${message}`.split('\n', 1)[0]!)
      return 1
    }
  },
}

async function perform(
  request: JobRequest,
  context: EmbeddedContext,
  conclude: (line: string) => void,
): Promise<number> {
  const { client, env, hostPath, stdout, stderr } = context
  const signal = context.ended ?? new AbortController().signal
  const log = loggerTo(stderr)
  const files = await readJobFiles(hostPath, request.name)
  const renderer = openRenderer({ signal, warn: message => log.warn({}, message) })
  try {
    const actions = createReleaseActions({
      client,
      clock: systemClock,
      driver: request.driver,
      hookOutput: stdout,
      log,
      render: renderer.render,
      signal,
    })
    const fetching = { signal, proxies: env, say: stdout, load: renderer.load }
    const chart = () => chartOf(request, files, fetching)
    return await runJob(request, { actions, chart, values: files.values, stdout, stderr, conclude })
  } finally {
    await renderer.close()
  }
}

const usageError = 64

function refuseV2(stdout: (text: string) => void, conclude: (line: string) => void): number {
  const text = 'Helm v2 is EOL effective 2020-11-13; upgrade your chart to helm v3'
  stdout(`${text}\n`)
  conclude(text)
  return usageError
}

/** Writes to the container's termination log, which a status shows. */
function concluder({ hostPath }: EmbeddedContext): (line: string) => void {
  const path = '/dev/termination-log'
  const file = hostPath(path)
  return line => {
    if (file !== path) appendFileSync(file, `${line}\n`)
  }
}

/** Helm's own log lines, from warnings on. */
function loggerTo(write: (text: string) => void): Logger {
  const line = (level: string) => (fields: object, message: string) => {
    const details = Object.entries(fields).map(([name, value]) => ` ${name}=${plain(value)}`)
    write(`level=${level} msg=${JSON.stringify(message)}${details.join('')}\n`)
  }
  return { debug: () => {}, info: () => {}, warn: line('WARN'), error: line('ERROR') }
}

function plain(value: unknown): string {
  const text = value instanceof Error ? value.message : typeof value === 'string' ? value : JSON.stringify(value)
  return /^[\w./:-]+$/.test(text) ? text : JSON.stringify(text)
}
