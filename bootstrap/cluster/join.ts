/** A server that joins others by --server: what it must agree on with them, and what it takes over before it makes anything. */
import type { Clock } from '../client/clock.ts'
import { stayUntil } from '../client/stay.ts'
import type { ControlConfig } from '../join/control-config.ts'
import { mismatches, mismatchText } from '../join/critical.ts'
import { AnswerError, accessServer, type ServerAccess } from '../join/server-access.ts'
import { newKey } from '../pki/certificate.ts'
import { certificateRequest } from '../pki/request.ts'
import { formatToken, parsePasswd, serverPassword, TokenError } from '../pki/token.ts'
import { type Bundle, parseBundle, readBundle } from './bundle.ts'
import { NewerOnDiskError, reconcileFiles } from './reconcile.ts'

export interface JoinParts {
  /** Of a server that is there: https://host:port. */
  readonly url: string
  readonly dataDir: string
  readonly token: string | undefined
  readonly agentToken: string | undefined
  /** What this server would tell others. */
  readonly control: ControlConfig
  /** The name its node would have, and that node's password; undefined where there will be no node. */
  readonly node: { readonly name: string; readonly password: () => Promise<string> } | undefined
  /** This server is a member already: it may start while the others are away. */
  readonly member: boolean
  /** How long a member waits for the others; 5 s unless told. */
  readonly patienceMs?: number
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  readonly signal: AbortSignal
}

/** A server cannot join; one line for the user. */
export class JoinError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'JoinError'
  }
}

const bundleTimeoutMs = 15_000
const defaultPatienceMs = 5000
/** How long a server that joins waits for one that answers, but does not serve yet. */
const startingMs = 60_000
const againMs = 1000

/**
 * Writes the cluster's CAs, keys and passwords into the data directory. Rejects with JoinError when the token is wrong, the
 * settings differ where they must not, or another node has the name; with TokenError for one that is no server's; with NewerOnDiskError when files here contradict.
 * Resolves with the way to that server; undefined when it is away and this one is a member already.
 */
export async function joinServer(parts: JoinParts): Promise<ServerAccess | undefined> {
  const { token } = parts
  if (token === undefined) throw new JoinError('token is required to join a cluster')
  serverPassword(token)
  if (parts.member) return await rejoin(parts, token)
  try {
    return await onceServing(parts, () => takeOver(parts, token, parts.signal))
  } catch (error) {
    if (error instanceof NewerOnDiskError || error instanceof JoinError) throw error
    if (isUnknownToken(error)) throw unknownToken(error)
    throw new JoinError(`cannot join ${parts.url}: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Behind a load balancer one is led to any server that listens, also to one that is about to join itself. Each attempt has a
 * connection of its own, and so may reach another.
 */
export async function onceServing<T>(
  { clock, log, signal, url }: Pick<JoinParts, 'clock' | 'log' | 'signal' | 'url'>,
  attempt: () => Promise<T>,
): Promise<T> {
  const until = clock.now() + startingMs
  const waited = new AbortController()
  stayUntil(waited.signal)
  try {
    for (let first = true; ; first = false) {
      try {
        return await attempt()
      } catch (error) {
        if (!isStarting(error) || clock.now() >= until) throw error
        if (first) log.info({}, `waiting for ${url}: ${(error as Error).message}`)
        await clock.sleep(againMs, signal)
      }
    }
  } finally {
    waited.abort()
  }
}

/** Refused by a server that has its port, whatever it was asked for. */
function isStarting(error: unknown): boolean {
  if (error instanceof AnswerError) return error.status === 503
  return error instanceof Error && isStarting(error.cause)
}

/** A member does not wait long for a machine that may be off: it has all it needs. */
async function rejoin(parts: JoinParts, token: string): Promise<ServerAccess | undefined> {
  const { patienceMs = defaultPatienceMs } = parts
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${patienceMs} ms`)), patienceMs)
  const aborted = new Promise<never>((_, reject) => {
    late.signal.addEventListener('abort', () => reject(late.signal.reason), { once: true })
  })
  try {
    return await Promise.race([takeOver(parts, token, late.signal), aborted])
  } catch (error) {
    if (error instanceof NewerOnDiskError) throw error
    parts.log.warn({ err: error }, 'Unable to reconcile with remote datastore')
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

/** Writes nothing once the signal aborts. */
async function takeOver(given: JoinParts, token: string, signal: AbortSignal): Promise<ServerAccess> {
  const parts = { ...given, log: warningOnce(given.log) }
  const server = await access(parts, 'server', token)
  const text = await server.get('/v1-k3s/server-bootstrap', { timeoutMs: bundleTimeoutMs })
  const bundle = parseBundle(text.toString())
  if (!parts.member) await validate(parts, agentTokenOf(parts, server, bundle))
  const disk = await readBundle(parts.dataDir)
  signal.throwIfAborted()
  const written = await reconcileFiles(parts.dataDir, disk, bundle)
  parts.log.info({ files: written.length }, 'Successfully reconciled with remote datastore')
  return server
}

/** The server is turned to twice, with two tokens: one word about the first is enough. */
function warningOnce(log: JoinParts['log']): JoinParts['log'] {
  const said = new Set<string>()
  return {
    info: (fields, message) => log.info(fields, message),
    warn(fields, message) {
      if (!said.has(message)) log.warn(fields, message)
      said.add(message)
    },
  }
}

function isUnknownToken(error: unknown): error is AnswerError {
  return error instanceof AnswerError && error.status === 401
}

function unknownToken(error: AnswerError): JoinError {
  const agents = error.message.includes('/v1-k3s/config')
  const file = agents ? 'server/agent-token' : 'server/token'
  return new JoinError(`failed to validate token: ${error.message}: want the one in ${file} of a server there`, {
    cause: error,
  })
}

async function access(parts: JoinParts, user: 'server' | 'node', token: string): Promise<ServerAccess> {
  try {
    return await accessServer(parts.url, token, { user, log: parts.log, signal: parts.signal })
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    throw new JoinError(`failed to validate token: ${error.message}`, { cause: error })
  }
}

/** What lets nodes in there: as given here, or as the servers have it. */
function agentTokenOf({ agentToken }: JoinParts, { token: { caHash } }: ServerAccess, bundle: Bundle): string {
  if (agentToken !== undefined) return agentToken
  const passwd = parsePasswd(Buffer.from(bundle.PasswdFile?.Content ?? '', 'base64').toString())
  const password = passwd.find(({ name }) => name === 'node')?.password ?? ''
  return caHash === undefined ? password : formatToken({ caHash, username: 'node', password })
}

async function validate(parts: JoinParts, agentToken: string): Promise<void> {
  const node = await access(parts, 'node', agentToken)
  const there = JSON.parse((await node.get('/v1-k3s/config')).toString()) as Partial<ControlConfig>
  const differing = mismatches(parts.control, there)
  for (const { flag } of differing) parts.log.warn({}, `critical configuration mismatched: ${flag}`)
  if (differing.length > 0) throw new JoinError(`failed to validate server configuration: ${mismatchText(differing)}`)
  await claimName(parts, node)
}

/** The certificate that comes back is not used: the cluster's CA will be here in a moment. */
async function claimName({ node }: JoinParts, server: ServerAccess): Promise<void> {
  if (!node) return
  const answer = await server.ask('/v1-k3s/client-kubelet.crt', {
    method: 'POST',
    headers: { 'k3s-Node-Name': node.name, 'k3s-Node-Password': await node.password() },
    body: certificateRequest(newKey()),
  })
  if (answer.status !== 403) return
  throw new JoinError(
    `Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry of ${node.name}, try enabling a unique node name with the --with-node-id flag`,
  )
}
