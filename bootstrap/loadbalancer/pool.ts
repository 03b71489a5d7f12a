/** The servers the local load balancer knows, which of them to try first, and the connections there are to each. */
import type { Socket } from 'node:net'
import { after, healthValue, type ServerEvent, type ServerState } from './server-state.ts'

export interface PoolServer {
  /** "host:port" */
  readonly address: string
  readonly state: ServerState
  readonly connections: ReadonlySet<Socket>
}

interface Entry extends PoolServer {
  state: ServerState
  readonly connections: Set<Socket>
}

export interface PoolEffects {
  now(): number
  /** Uniform in [0, 1). */
  random(): number
}

export class ServerPool {
  readonly #fallback: string
  readonly #effects: PoolEffects
  readonly #entries = new Map<string, Entry>()
  #listed: readonly string[] = []

  /** `fallback` is the address of the configured URL. */
  constructor(fallback: string, effects: PoolEffects) {
    this.#fallback = fallback
    this.#effects = effects
    this.setServers([fallback])
  }

  get servers(): Iterable<PoolServer> {
    return this.#entries.values()
  }

  /** The addresses last given to setServers, sorted. */
  get addresses(): readonly string[] {
    return this.#listed
  }

  /** Takes the cluster's own list, unless it is empty. Returns whether it differs; connections to removed servers are cut. */
  setServers(addresses: readonly string[]): boolean {
    const wanted = [...new Set(addresses)].sort()
    if (wanted.length === 0 || wanted.join() === this.#listed.join()) return false
    this.#listed = wanted
    for (const address of wanted) {
      const known = this.#entries.get(address)
      if (!known) this.#add(address, { kind: 'unchecked' })
      else if (known.state.kind === 'standby') known.state = { kind: 'unchecked' }
    }
    for (const entry of [...this.#entries.values()]) if (!wanted.includes(entry.address)) this.#unlist(entry)
    if (!this.#entries.has(this.#fallback)) this.#add(this.#fallback, { kind: 'standby' })
    return true
  }

  /** Addresses in the order to try them: by state, equals in random order. */
  candidates(): string[] {
    return [...this.#entries.values()]
      .map(({ address, state }) => ({ address, rank: healthValue(state) + this.#effects.random() }))
      .sort((a, b) => b.rank - a.rank)
      .map(({ address }) => address)
  }

  /** Something was learnt about a server; one that failed loses its connections, so that clients go elsewhere. */
  tell(address: string, event: Exclude<ServerEvent, 'succeeded'>): void {
    const entry = this.#entries.get(address)
    if (!entry) return
    entry.state = after(entry.state, event, this.#effects.now())
    if (event === 'failed') cut(entry)
    if (event === 'connected') this.#succeed(entry)
  }

  /** Counts a connection among the server's until it closes; one whose server is gone by now is closed. */
  track(address: string, socket: Socket): void {
    const entry = this.#entries.get(address)
    if (!entry) return void socket.destroy()
    entry.connections.add(socket)
    socket.once('close', () => entry.connections.delete(socket))
  }

  /** Turns away from the active server, if there is another one to turn to. */
  giveUp(): void {
    const active = [...this.#entries.values()].find(({ state }) => state.kind === 'active')
    if (active && this.#entries.size > 1) this.tell(active.address, 'failed')
  }

  has(address: string): boolean {
    return this.#entries.has(address)
  }

  /** Another server is active: the rest is demoted, and whoever still hangs on the fallback moves over. */
  #succeed(active: Entry): void {
    if (active.state.kind !== 'active') return
    for (const entry of this.#entries.values()) {
      if (entry === active) continue
      entry.state = after(entry.state, 'succeeded', this.#effects.now())
      if (entry.state.kind === 'standby') cut(entry)
    }
  }

  #add(address: string, state: ServerState): void {
    this.#entries.set(address, { address, state, connections: new Set() })
  }

  #unlist(entry: Entry): void {
    if (entry.address === this.#fallback) {
      // Its connections stay until a listed server has taken one.
      entry.state = { kind: 'standby' }
      return
    }
    this.#entries.delete(entry.address)
    cut(entry)
  }
}

function cut(entry: Entry): void {
  for (const socket of entry.connections) socket.destroy()
}
