/** Who belongs to the cluster, asked and changed through any of its members. */
import { Connection, type ConnectionOptions } from '../datastore/etcd/connection.ts'
import type { Alarm, Member, Status } from '../datastore/etcd/messages.ts'

export type { Member } from '../datastore/etcd/messages.ts'

export class Membership {
  readonly #connection: Connection

  constructor(options: ConnectionOptions) {
    this.#connection = new Connection(options)
  }

  close(): void {
    this.#connection.close()
  }

  async list(limitMs?: number): Promise<readonly Member[]> {
    const options = limitMs === undefined ? {} : { limitMs }
    const request = { linearizable: true }
    return (await this.#connection.call<{ members?: Member[] }>('Cluster/MemberList', request, options)).members ?? []
  }

  /** One attempt: whether it worked is seen in the list. */
  async addLearner(peerUrl: string): Promise<readonly Member[]> {
    const request = { peerURLs: [peerUrl], isLearner: true }
    const answer = await this.#connection.call<{ members?: Member[] }>('Cluster/MemberAdd', request, once)
    return answer.members ?? []
  }

  async promote(id: string): Promise<void> {
    await this.#connection.call('Cluster/MemberPromote', { ID: id }, once)
  }

  /** One that is gone already is as good as removed. */
  async remove(id: string): Promise<void> {
    try {
      await this.#connection.call('Cluster/MemberRemove', { ID: id }, { limitMs: 60_000 })
    } catch (error) {
      if (!/member not found/.test((error as Error).message)) throw error
    }
  }

  async update(id: string, peerUrl: string): Promise<void> {
    await this.#connection.call('Cluster/MemberUpdate', { ID: id, peerURLs: [peerUrl] })
  }

  /** Of the member that answers, from its own knowledge. */
  status(limitMs: number): Promise<Status> {
    return this.#connection.call<Status>('Maintenance/Status', {}, { limitMs, repeat: false })
  }

  /** Resolves when the member that answers can read what the majority has written. */
  async readable(limitMs: number): Promise<void> {
    await this.#connection.call('KV/Range', { key: Buffer.of(0), countOnly: true }, { limitMs, repeat: false })
  }

  async compact(revision: number): Promise<void> {
    try {
      await this.#connection.call('KV/Compact', { revision, physical: true }, { limitMs: 300_000 })
    } catch (error) {
      if (!/has been compacted/.test((error as Error).message)) throw error
    }
  }

  /** The member that answers does nothing else meanwhile. */
  async defragment(): Promise<void> {
    await this.#connection.call('Maintenance/Defragment', {}, { limitMs: 600_000, repeat: false })
  }

  async alarms(): Promise<readonly Alarm[]> {
    const request = { action: 'GET', alarm: 'NONE' }
    return (await this.#connection.call<{ alarms?: Alarm[] }>('Maintenance/Alarm', request)).alarms ?? []
  }

  async disarm({ memberID, alarm = 'NONE' }: Alarm): Promise<void> {
    await this.#connection.call('Maintenance/Alarm', { action: 'DEACTIVATE', memberID, alarm })
  }

  async moveLeader(targetID: string): Promise<void> {
    await this.#connection.call('Maintenance/MoveLeader', { targetID }, { limitMs: 10_000, repeat: false })
  }
}

const once = { repeat: false, limitMs: 10_000 }

export const hostOf = (url: string) => new URL(url).hostname.replace(/^\[|\]$/g, '')
