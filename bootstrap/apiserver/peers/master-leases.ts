/**
 * Which servers are alive, kept in the datastore beside the objects (upstream: /registry/masterleases of controlplane
 * reconcilers/lease.go). Each server writes its own key again and again; one whose key stands still over several rounds of
 * another's is gone. Rounds are counted, not times compared: clocks that differ, stalls and outages declare nobody dead.
 */
import { ConflictError, type Datastore, type Entry, type Revision } from '../../datastore/datastore.ts'
import type { Clock } from '../../datastore/effects.ts'

export const masterLeasePrefix = '/registry/masterleases/'

const roundMs = 5000
/** After a round that failed: soon, so that a server is not thought gone when the datastore has come back. */
const retryMs = 1000
/** Rounds without a change after which a server counts as gone: 15 to 20 s, upstream's lease time. */
const silentRounds = 3
const attempts = 5
const usualPort = 6443

export interface PeerAddress {
  readonly ip: string
  readonly port: number
}

interface Seen {
  readonly revision: Revision
  /** Rounds in which it was found unchanged. */
  readonly silent: number
}

export interface MasterLeaseParts {
  readonly datastore: Pick<Datastore, 'commit' | 'read'>
  readonly clock: Clock
  /** This server, as clients and nodes reach it. */
  readonly own: PeerAddress
  readonly onError: (error: unknown) => void
}

export class MasterLeases {
  readonly #parts: MasterLeaseParts
  readonly #seen = new Map<string, Seen>()
  #live: readonly PeerAddress[] = []
  #left = false
  #own: PeerAddress

  constructor(parts: MasterLeaseParts) {
    this.#parts = parts
    this.#own = parts.own
    this.#live = [parts.own]
  }

  /** Of the servers that were alive in the last round, this one among them, in the order of their addresses. */
  get live(): readonly PeerAddress[] {
    return this.#live
  }

  /** One round: renews this server's lease, looks at the others' and removes those that have ended. */
  async round(): Promise<void> {
    await this.#renew()
    const entries = await this.#entries()
    const live: Entry[] = []
    for (const entry of entries) {
      const before = this.#seen.get(entry.key)
      const silent = before?.revision === entry.revision ? before.silent + 1 : 0
      this.#seen.set(entry.key, { revision: entry.revision, silent })
      if (silent < silentRounds) live.push(entry)
      else await this.#remove(entry)
    }
    for (const known of this.#seen.keys()) if (!entries.some(entry => entry.key === known)) this.#seen.delete(known)
    this.#set(live)
  }

  /** Reads who is there now: what all servers agree on, whatever each of them saw last. */
  async look(): Promise<void> {
    this.#set(await this.#entries())
  }

  /** Rounds until the signal aborts; `changed` is called after each that found other servers than the one before. */
  async run(changed: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, onError } = this.#parts
    let published = textOf(this.#live)
    let wait = roundMs
    while (!signal.aborted && !this.#left) {
      await clock.sleep(wait, signal).catch(() => undefined)
      if (signal.aborted || this.#left) return
      try {
        await this.round()
        if (this.#left) return
        const now = textOf(this.#live)
        if (now !== published) await changed()
        published = now
        wait = roundMs
      } catch (error) {
        if (!signal.aborted) onError(error)
        wait = retryMs
      }
    }
  }

  /** This server is reached at another address from now on; its former one is taken off the list. */
  async moveTo(own: PeerAddress): Promise<void> {
    const former = (await this.#entries()).find(entry => entry.key === this.#key)
    this.#own = own
    await this.round()
    if (former && former.key !== this.#key) await this.#remove(former)
    await this.look()
  }

  /** Takes this server off the list. */
  async leave(): Promise<void> {
    this.#left = true
    const entries = await this.#entries()
    const own = entries.find(entry => entry.key === this.#key)
    if (own) await this.#remove(own)
    this.#set(entries.filter(entry => entry !== own))
  }

  /** The last to leave stays on the list: an empty one would cut off whoever waits for it to come back. */
  #set(entries: readonly Entry[]): void {
    this.#live = entries.length > 0 ? entries.map(addressOf) : [this.#own]
  }

  /** Upstream's, unless the machine may have several servers. */
  get #key(): string {
    const { ip, port } = this.#own
    return masterLeasePrefix + (port === usualPort ? ip : `${ip}:${port}`)
  }

  async #entries(): Promise<readonly Entry[]> {
    return (await this.#parts.datastore.read(masterLeasePrefix)).entries
  }

  async #renew(): Promise<Revision> {
    const { datastore } = this.#parts
    const value = Buffer.from(JSON.stringify(this.#own))
    const key = this.#key
    let revision = this.#seen.get(key)?.revision
    for (let attempt = 1; ; attempt++) {
      try {
        return await datastore.commit(
          revision === undefined ? { op: 'create', key, value } : { op: 'update', key, value, revision },
        )
      } catch (error) {
        if (!(error instanceof ConflictError) || attempt === attempts) throw error
        revision = error.current?.revision
      }
    }
  }

  /** Only as it was seen: a server that comes back in this moment stays. */
  async #remove({ key, revision }: Entry): Promise<void> {
    await this.#parts.datastore.commit({ op: 'delete', key, revision }).catch(error => {
      if (!(error instanceof ConflictError)) throw error
    })
  }
}

const addressOf = ({ value }: Entry) => JSON.parse(value.toString()) as PeerAddress

const textOf = (live: readonly PeerAddress[]) => live.map(({ ip, port }) => `${ip} ${port}`).join()
