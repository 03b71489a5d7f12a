/** How a node becomes part of a cluster: trust, settings, certificates; over and over until a server gives them. */
import { X509Certificate } from 'node:crypto'
import type { Clock } from '../client/clock.ts'
import { subjectOf } from '../pki/certificate.ts'
import { parseToken, TokenError } from '../pki/token.ts'
import type { ControlConfig } from './control-config.ts'
import { asked, type Credentials, fetchCredentials, type JoiningNode } from './credentials.ts'
import type { NodeFiles } from './node-files.ts'
import { accessServer, type ServerAccess } from './server-access.ts'

export interface JoinOptions {
  /** What the user gave, for messages. */
  readonly serverUrl: string
  /** Where to ask: the local load balancer, or serverUrl itself. */
  readonly url: () => string
  /** Why no server can be reached, where somebody knows better than the error. */
  readonly trouble?: () => string | undefined
  /** Undefined for a node that joined before and shows its certificate only. */
  readonly token: string | undefined
  readonly node: JoiningNode
  readonly files: NodeFiles
}

export interface JoinDeps {
  readonly clock: Clock
  readonly log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly signal: AbortSignal
}

export interface Joined {
  readonly control: ControlConfig
  readonly credentials: Credentials
  /** "host:port" of the API servers; none while the server does not know any. */
  readonly servers: readonly string[]
}

const validateEveryMs = 2000
const retryMs = 5000

/** Resolves once a server has given everything. Rejects with TokenError for a token that no server can take, or when aborted. */
export async function joinCluster(options: JoinOptions, deps: JoinDeps): Promise<Joined> {
  const { clock, log, random, signal } = deps
  if (options.token !== undefined) parseToken(options.token)
  let warned = false
  const once: JoinDeps['log'] = {
    ...log,
    info: (...line) => log.info(...line),
    error: (...line) => log.error(...line),
    warn: (...line) => {
      if (!warned) log.warn(...line)
    },
  }
  for (;;) {
    let access: ServerAccess
    try {
      access = await reach(options, once, signal)
      warned = true
    } catch (error) {
      signal.throwIfAborted()
      const why = options.trouble?.() ?? (error as Error).message
      log.error({}, `Failed to validate connection to cluster at ${options.serverUrl}: ${why}`)
      await clock.sleep(validateEveryMs, signal)
      continue
    }
    try {
      return await fetchAll(access, options, deps)
    } catch (error) {
      signal.throwIfAborted()
      const why = options.trouble?.() ?? (error as Error).message
      log.info({}, `Waiting to retrieve agent configuration; server is not ready: ${why}`)
      await clock.sleep(retryMs * (1 + random()), signal)
    }
  }
}

/** One attempt to get new certificates, e.g. because the old ones are about to expire. */
export async function joinAgain(options: JoinOptions, deps: JoinDeps): Promise<Joined> {
  return fetchAll(await reach(options, deps.log, deps.signal), options, deps)
}

async function reach(
  { url, token, files, node }: JoinOptions,
  log: JoinDeps['log'],
  signal: AbortSignal,
): Promise<ServerAccess> {
  const [held, ca] = await Promise.all([files.pair('client-kubelet'), files.ca('server-ca')])
  // A machine that changed its name is another node: it starts with the token.
  const client = held && isOf(node.name, held.cert) ? held : undefined
  const shown = client ? { client } : {}
  if (token !== undefined) return await accessServer(url(), token, { user: 'node', log, signal, ...shown })
  if (!client || ca === undefined) throw new TokenError('token must not be empty')
  return await accessServer(url(), undefined, { user: 'node', log, signal, client, ca })
}

function isOf(node: string, cert: string): boolean {
  return subjectOf(new X509Certificate(cert)).commonName === `system:node:${node}`
}

async function fetchAll(access: ServerAccess, { node, files }: JoinOptions, deps: JoinDeps): Promise<Joined> {
  const { clock, log, random, signal } = deps
  const effects = { files, log, random, pause: (ms: number) => clock.sleep(ms, signal) }
  const config = await asked(access, '/v1-k3s/config', {}, effects).catch((error: Error) => {
    throw new Error(`failed to retrieve configuration from server: ${error.message}`, { cause: error })
  })
  const control = JSON.parse(config.body.toString()) as ControlConfig
  const credentials = await fetchCredentials(access, node, effects)
  const servers = await asked(access, '/v1-k3s/apiservers', {}, effects)
  return { control, credentials, servers: JSON.parse(servers.body.toString()) as readonly string[] }
}
