/** The agent's end: one tunnel to every server, kept for as long as the server is one (K3s: pkg/agent/tunnel). */
import type { ServerHttp2Session } from 'node:http2'
import { backoffMs, type Clock } from '../client/clock.ts'
import { type AcceptOptions, acceptStreams } from './accept.ts'
import { type AgentIdentity, type AgentSession, connectTunnel } from './connect.ts'
import { watchPeer } from './liveness.ts'

/** How it stands with the tunnel to one server. */
export type TunnelState =
  | { readonly phase: 'connecting'; readonly attempt: number }
  | { readonly phase: 'connected'; readonly since: number }
  | { readonly phase: 'waiting'; readonly attempt: number; readonly until: number; readonly reason: string }
  | { readonly phase: 'stopped' }

/** The servers' own addresses, "host:port", not those of a load balancer. */
export interface ServerSet {
  current(): readonly string[]
  /** Returns how to unsubscribe. */
  subscribe(changed: () => void): () => void
}

export interface AgentTunnelsOptions extends AcceptOptions {
  readonly servers: ServerSet
  /** Asked before each connection, so that renewed certificates are used. */
  readonly identity: () => AgentIdentity
  readonly onState?: (server: string, state: TunnelState) => void
  readonly clock: Clock
  readonly random: () => number
  readonly log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
}

const firstDelayMs = 400
const longestDelayMs = 2000
/** A session that lasted this long was a good one: what ended it was a loss, not a refusal. */
const goodAfterMs = 5000
/** A server that joins is named, withdrawn and named again within moments. */
const settleMs = 1000

/** Resolves, once the signal has aborted, when every tunnel is closed. */
export async function runTunnels(options: AgentTunnelsOptions, signal: AbortSignal): Promise<void> {
  const { servers, clock } = options
  const running = new Map<string, { readonly stop: AbortController; readonly ended: Promise<void> }>()
  const begin = (server: string) => {
    const stop = new AbortController()
    running.set(server, { stop, ended: keepTunnel(server, options, AbortSignal.any([signal, stop.signal])) })
  }
  const follow = () => {
    const wanted = servers.current()
    for (const server of wanted) if (!running.has(server)) begin(server)
    if ([...running.keys()].some(server => !wanted.includes(server))) void drop()
  }
  const drop = async () => {
    await clock.sleep(settleMs, signal).catch(() => {})
    const wanted = servers.current()
    if (signal.aborted) return
    for (const [server, { stop }] of running) {
      if (wanted.includes(server)) continue
      running.delete(server)
      stop.abort()
    }
  }
  const unsubscribe = servers.subscribe(follow)
  follow()
  await aborted(signal)
  unsubscribe()
  await Promise.all(Array.from(running.values(), ({ ended }) => ended))
}

/** Connects again and again until the signal aborts. */
async function keepTunnel(server: string, options: AgentTunnelsOptions, signal: AbortSignal): Promise<void> {
  const { clock, random, log, onState = () => {} } = options
  for (let attempt = 0; !signal.aborted; attempt++) {
    onState(server, { phase: 'connecting', attempt })
    const began = clock.now()
    const reason = await oneTunnel(server, options, signal)
    if (signal.aborted) break
    if (clock.now() - began >= goodAfterMs) attempt = 0
    const delay = backoffMs(attempt, firstDelayMs, longestDelayMs, random)
    log.warn({ server, reason, retryMs: Math.round(delay) }, 'no tunnel to server')
    onState(server, { phase: 'waiting', attempt, until: clock.now() + delay, reason })
    await clock.sleep(delay, signal).catch(() => {})
  }
  onState(server, { phase: 'stopped' })
}

/** Resolves with why there is no tunnel, or none any longer. */
async function oneTunnel(server: string, options: AgentTunnelsOptions, signal: AbortSignal): Promise<string> {
  const { clock, log, identity, onState = () => {} } = options
  let connected: AgentSession
  let reason = 'the server closed it'
  const begin = (session: ServerHttp2Session) => {
    session.on('error', error => (reason = error.message))
    acceptStreams(session, options)
  }
  try {
    connected = await connectTunnel(server, identity(), begin, signal)
  } catch (error) {
    return (error as Error).message
  }
  const { session, received } = connected
  log.info({ server }, 'tunnel to server is connected')
  onState(server, { phase: 'connected', since: clock.now() })
  const closed = new Promise<void>(resolve => session.once('close', () => resolve()))
  const stop = () => session.destroy()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  await Promise.all([closed, watchPeer(session, received, clock, signal)])
  signal.removeEventListener('abort', stop)
  return reason
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
