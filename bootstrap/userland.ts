/** What the kernel knows of userland: nothing but this shape. skiff.ts hands the operators in. */
import type { EmbeddedContext, EmbeddedModules } from './agent/embedded/module.ts'
import type { Client } from './client/client.ts'
import type { ServerConfig } from './config/server-config.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Inspected, Taken, TakeOptions, Verified } from './snapshots/snapshot.ts'
import type { AnsweredRoutes } from './supervisor/answered.ts'

export interface Kernel {
  readonly config: ServerConfig
  /** In-process transport to the API, as system:masters; `as` narrows it. */
  readonly client: Client
  readonly caPem: string
  /** The program's own folder, where manifests/ and crds/ are. */
  readonly home: string
  readonly log: Logger
  /** What the server's /metrics shows. */
  readonly metrics: Pick<Metrics, 'register'>
  readonly signal: AbortSignal
  /** This server's member of the embedded etcd, where there is one. */
  readonly etcd?: EtcdMember
  /** Snapshots of the datastore; absent where there is no server around (Userland.runAlone). */
  readonly snapshots?: KernelSnapshots
  /**
   * Answers one of the supervisor's routes: "/db/snapshot", for servers and whoever is on this machine, by POST. The kernel has
   * checked who asks. Until this is called the route answers 503; a throw is logged and answered with 500.
   */
  readonly answer?: AnsweredRoutes['answer']
  /** The name of this server where several share the cluster, and most of userland runs on one of them at a time. */
  readonly candidate?: string
}

export interface EtcdMember {
  /** The member's name: the node's and eight hex digits. */
  readonly name: string
  readonly address: string
  /** Removes the member of this name if it is at this address; none such is no error. */
  remove(name: string, address: string): Promise<void>
}

/** Errors of a user's are Errors with the name "SnapshotError", in one line (bootstrap/snapshots/snapshot.ts). */
export interface KernelSnapshots {
  /** Encrypts where the server was given a passphrase. See takeSnapshot of bootstrap/snapshots/take.ts. */
  take(file: string, options: Omit<TakeOptions, 'file' | 'passphrase'>): Promise<Taken>
  /** What the name of such a snapshot ends with: "", ".zip", ".enc" or ".zip.enc". */
  suffix(compress: boolean): string
  inspect(file: string): Promise<Inspected>
  /** Tries a restore in a folder of its own beside the datastore. See verifySnapshot of bootstrap/snapshots/verify.ts. */
  verify(file: string, signal: AbortSignal): Promise<Verified>
  /** Twelve hex digits that tell by which token a snapshot can be restored (K3s' token hash); changes when the token is rotated. */
  readonly tokenHash: string
  readonly engine: 'etcd' | 'sqlite' | 'sql'
  /** Why this server cannot take a snapshot at the moment: its member of etcd is still learning. Undefined when it can. */
  notReady(): Promise<string | undefined>
}

export interface RunningUserland {
  /** Resolves after the kernel's signal has aborted, once nothing runs any more and another server may take over. */
  readonly stopped: Promise<void>
}

/** How one part runs by itself. */
export interface Alone {
  /** For a module that serves: see EmbeddedContext. */
  readonly certificate: EmbeddedContext['certificate']
  readonly name: string
  /** Arguments of its embedded module, if it has one. */
  readonly moduleArgs: readonly string[]
  /** Tells this process from others of the same part, of which only one works at a time; without it all work. */
  readonly identity?: string
  readonly leaseNamespace: string
}

export interface Userland {
  readonly embeddedModules: EmbeddedModules
  /** Names of the parts that can run by themselves. */
  readonly parts: readonly string[]
  /**
   * For a restore: downloads the snapshot of this name from the S3 bucket that the configuration names to the path `to`. An
   * Error in one line when it cannot. Absent in a userland that knows no S3.
   */
  fetchSnapshot?(config: ServerConfig, name: string, to: string, signal: AbortSignal): Promise<void>
  /** Starts every operator; resolves once they run. */
  start(kernel: Kernel): Promise<RunningUserland>
  /** Runs one part, its client being a remote one, until the kernel's signal aborts; rejects when it cannot go on. */
  runAlone(kernel: Kernel, alone: Alone): Promise<void>
}
