/** What the overlay's backends have in common. One is chosen by name (--flannel-backend). */
import type { Family } from '../../../api/cidr.ts'
import type { Exec } from '../exec.ts'
import type { LeaseSide } from './lease.ts'

export const backendNames = ['vxlan', 'host-gw', 'wireguard-native'] as const
export type BackendName = (typeof backendNames)[number]

/** One family of this node. */
export interface Side {
  readonly family: Family
  /** The whole cluster's pod network. */
  readonly cluster: string
  /** This node's part of it. */
  readonly subnet: string
  /** The interface that packets to other nodes leave by, and its address. */
  readonly device: string
  readonly address: string
  readonly mtu: number
}

/** Another node, as far as one family is concerned. Its data is what it says, whatever that is. */
export type Peer = LeaseSide & { readonly node: string }

export interface BackendDeps {
  readonly exec: Exec
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  /** Random bytes. */
  readonly bytes: (count: number) => Buffer
  /** /run/flannel: what lasts until the machine restarts. */
  readonly runDir: string
}

export interface Backend {
  readonly name: BackendName
  /** flannel's name of it, in annotations and in net-conf.json. */
  readonly type: string
  /** Bytes that it adds to a packet of this family. */
  readonly overhead: (family: Family) => number
  /** The device it makes for this family; undefined for none. */
  readonly device: (family: Family) => string | undefined
  /** Throws a ConfigError when this machine cannot do it at all. */
  readonly check?: () => Promise<void>
  /**
   * Makes the device, or adopts the one that is there, and returns the data for the annotation. `announced` is what the
   * node's annotation says now.
   */
  open(side: Side, announced: unknown): Promise<unknown>
  /** Makes the kernel reach exactly these peers. Only differences are applied; after a failure it looks again. */
  reach(side: Side, peers: readonly Peer[]): Promise<void>
  /** Forget what is known of the kernel's state: somebody may have changed it. */
  doubt(): void
  /** Removes everything it has ever made for this family. */
  remove(side: Pick<Side, 'family' | 'cluster'>): Promise<void>
}
