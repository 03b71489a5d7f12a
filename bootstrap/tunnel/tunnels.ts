/** The server's end of the tunnels: which agents are connected, and connections through them. */
import { type ClientHttp2Session, connect } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../client/clock.ts'
import { switchProtocols } from '../streaming/http.ts'
import { endWithPeer, watchPeer } from './liveness.ts'
import { connectionWindow, tunnelLimits, tunnelProtocol, tunnelSettings } from './protocol.ts'
import { openStream, TunnelError } from './stream.ts'

export interface TunnelsOptions {
  readonly clock: Clock
  readonly log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
}

export interface TunnelEvent {
  readonly type: 'connected' | 'disconnected'
  readonly node: string
  /** Of this node, after the event. */
  readonly sessions: number
}

/** No agent of this name is connected. The text is remotedialer's, which K3s' users know. */
export class NoSessionError extends Error {
  constructor(node: string) {
    super(`failed to find Session for client ${node}`)
    this.name = 'NoSessionError'
  }
}

/**
 * A node may hold several sessions: after a loss that only the agent has noticed, and two agents of one name. The newest one
 * is dialled, since it is the one most surely alive; the others stay for the streams they carry. (K3s: remotedialer's session
 * manager keeps them likewise, and dials the oldest.)
 */
export class Tunnels {
  readonly #options: TunnelsOptions
  readonly #sessions = new Map<string, ClientHttp2Session[]>()
  readonly #listeners = new Set<(event: TunnelEvent) => void>()
  readonly #closing = new AbortController()

  constructor(options: TunnelsOptions) {
    this.#options = options
  }

  /** Answers the upgrade of an agent that has been authenticated as `node`; the socket is the tunnel's from then on. */
  accept(node: string, socket: Duplex, head: Buffer): void {
    if (this.#closing.signal.aborted) return void socket.destroy()
    const lost = () => socket.destroy()
    socket.on('error', lost)
    // With this write still pending, HTTP/2 would end the process by an assertion of Node's own.
    switchProtocols(socket, { Connection: 'Upgrade', Upgrade: tunnelProtocol }, head, () => {
      // The server may have begun to stop meanwhile; nobody would end what begins now.
      if (this.#closing.signal.aborted) socket.destroy()
      if (!socket.destroyed) this.#begin(node, socket as Socket)
    })
  }

  has(node: string): boolean {
    return this.#sessions.has(node)
  }

  /** How many sessions each connected node has. */
  counts(): Iterable<readonly [node: string, sessions: number]> {
    return Array.from(this.#sessions, ([node, sessions]) => [node, sessions.length] as const)
  }

  /** Returns how to unsubscribe. */
  subscribe(listener: (event: TunnelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * A connection from the node to host:port. Rejects with NoSessionError, with TunnelError when the agent refuses, cannot
   * connect or is lost, or with the signal's reason. The signal has no meaning once it has resolved.
   */
  async dial(node: string, host: string, port: number, signal: AbortSignal): Promise<Duplex> {
    for (const session of (this.#sessions.get(node) ?? []).toReversed()) {
      try {
        return await openStream(session, { host, port }, signal)
      } catch (error) {
        const sessionLost = error instanceof TunnelError && error.status === undefined
        if (!sessionLost) throw error
      }
    }
    throw new NoSessionError(node)
  }

  /** Ends the node's sessions with what they carry; its agent comes again. */
  disconnect(node: string): void {
    for (const session of this.#sessions.get(node) ?? []) session.destroy()
  }

  /** Ends all sessions with what they carry. */
  close(): void {
    this.#closing.abort()
    for (const session of [...this.#sessions.values()].flat()) session.destroy()
  }

  #begin(node: string, socket: Socket): void {
    const { clock, log } = this.#options
    const session = connect(`http://${node}`, {
      createConnection: () => socket,
      settings: tunnelSettings,
      ...tunnelLimits,
    })
    session.setLocalWindowSize(connectionWindow)
    endWithPeer(session, socket)
    session.on('error', error => log.warn({ node, err: error.message }, 'tunnel of an agent broke'))
    session.once('close', () => this.#remove(node, session))
    this.#add(node, session)
    void watchPeer(session, () => socket.bytesRead, clock, this.#closing.signal)
  }

  #add(node: string, session: ClientHttp2Session): void {
    const sessions = [...(this.#sessions.get(node) ?? []), session]
    this.#sessions.set(node, sessions)
    this.#options.log.info({ node, sessions: sessions.length }, 'agent has connected its tunnel')
    this.#tell({ type: 'connected', node, sessions: sessions.length })
  }

  #remove(node: string, session: ClientHttp2Session): void {
    const sessions = (this.#sessions.get(node) ?? []).filter(one => one !== session)
    if (sessions.length > 0) this.#sessions.set(node, sessions)
    else this.#sessions.delete(node)
    this.#options.log.info({ node, sessions: sessions.length }, 'tunnel of an agent is closed')
    this.#tell({ type: 'disconnected', node, sessions: sessions.length })
  }

  #tell(event: TunnelEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}
